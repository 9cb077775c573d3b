"""The command line: parse, call, render, exit. Whatever is heavy is imported inside a command."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from gate import __version__
from gate.errors import GateError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.config import Config
    from gate.kernels import KernelFolder
    from gate.measure import GpuMode, Plan
    from gate.model import Measurement, Verdict

FILE = click.Path(dir_okay=False, path_type=Path)


class GateGroup(click.Group):
    """Turns a GateError into its sentence, hint and exit code; bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        from gate.processes import end_on_termination

        end_on_termination()
        try:
            return super().invoke(ctx)
        except GateError as error:
            colour = None if os.environ.get("NO_COLOR") else "red"
            click.secho(f"error: {printable(str(error))}", fg=colour, err=True)
            if error.hint:
                click.echo(f"  next: {printable(error.hint)}", err=True)
            ctx.exit(int(error.exit_code))


def printable(text: str) -> str:
    """Text from a hostile file, without control characters or half surrogates."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


@click.group(cls=GateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gate")
def main() -> None:
    """Fail the change that makes a GPU kernel wrong, slower, or less able to use the machine.

    Exit codes: 0 passed, 2 usage, 3 regressed, 4 incorrect, 5 inconclusive, 6 environment, 7
    invalid data.
    """


def measuring_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.argument("kernels", nargs=-1),
        click.option(
            "--gpu",
            type=click.Choice(["auto", "require", "skip"]),
            help="auto measures where there is a GPU; the default is require when CI=true.",
        ),
        click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Repeat a run's inputs."),
        click.option(
            "--processes",
            type=click.IntRange(3, 100),
            help="Fresh processes that time each workload.",
        ),
    ):
        command = option(command)
    return command


def report_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--json", "json_file", type=FILE, help="Write the verdict as JSON."),
        click.option("--markdown", "markdown_file", type=FILE, help="Write it as Markdown."),
        click.option("--junit", "junit_file", type=FILE, help="Write it as JUnit XML."),
    ):
        command = option(command)
    return command


@main.command()
@measuring_options
@report_options
@click.option("-o", "--output", type=FILE, help="Keep the measurement in this file.")
def check(
    kernels: tuple[str, ...],
    gpu: GpuMode | None,
    seed: int | None,
    processes: int | None,
    output: Path | None,
    **reports: Path | None,
) -> None:
    """Measure KERNELS (all without arguments) and judge them against their baselines."""
    from gate.check import baselines_for, verdict_of

    config, plan, folders = plan_now(kernels, gpu, seed, processes)
    # What a kernel's code could rewrite is read before any of it runs.
    baselines = baselines_for(plan.gpu, config).snapshot(folder.name for folder in folders)
    measurement = measure_now(folders, plan, config)
    if output:
        write_measurement(output, measurement)
    verdict = verdict_of(
        measurement, config, baselines, require_gpu=plan.gpu is not None, whole=not kernels
    )
    finish(verdict, **reports)


@main.command()
@measuring_options
@click.option("-o", "--output", type=FILE, required=True, help="Where the measurement goes.")
def measure(
    kernels: tuple[str, ...],
    gpu: GpuMode | None,
    seed: int | None,
    processes: int | None,
    output: Path,
) -> None:
    """Measure KERNELS (all without arguments) without judging them."""
    config, plan, folders = plan_now(kernels, gpu, seed, processes)
    measurement = measure_now(folders, plan, config)
    write_measurement(output, measurement)
    click.echo(f"{len(measurement.results)} results in {output}; judge them: gate judge {output}")


@main.command()
@click.argument("measurement_file", metavar="FILE", type=FILE)
@click.option(
    "--baselines",
    "baselines_dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the baselines lie, instead of the configured folder.",
)
@click.option("--all", "whole", is_flag=True, help="Demand every kernel that has a baseline.")
@click.option(
    "--gpu",
    type=click.Choice(["auto", "require"]),
    help="auto judges what the measurement's scope names; the default is require when CI=true.",
)
@report_options
def judge(
    measurement_file: Path,
    baselines_dir: Path | None,
    gpu: str | None,
    *,
    whole: bool,
    **reports: Path | None,
) -> None:
    """Judge a measurement (or a baseline) against the stored baselines."""
    from dataclasses import replace

    from gate.check import baselines_for, verdict_of
    from gate.config import load_config
    from gate.documents import load_measurement

    # What is read here lives until the exit: looking for garbage in it is a third of the time.
    gc.disable()
    config = load_config(Path.cwd())
    if baselines_dir:
        config = replace(config, baselines=baselines_dir.resolve())
    # A stored baseline may be judged by itself anywhere: the path is the caller's word.
    stored = measurement_file.resolve().is_relative_to(config.baselines)
    required = not stored and default_mode(gpu) == "require"
    measurement = load_measurement(measurement_file)
    baselines = baselines_for(measurement.environment.gpu, config)
    verdict = verdict_of(measurement, config, baselines, require_gpu=required, whole=whole)
    finish(verdict, **reports)


@main.group()
def baseline() -> None:
    """Store, show and explain baselines."""


@baseline.command("refresh")
@measuring_options
@click.option("--reason", help="Why the baseline changes; it is stored and reviewed.")
@click.option("--accept-regression", is_flag=True, help="Store it although it is worse.")
def baseline_refresh(
    kernels: tuple[str, ...],
    gpu: GpuMode | None,
    seed: int | None,
    processes: int | None,
    reason: str | None,
    *,
    accept_regression: bool,
) -> None:
    """Measure KERNELS at this commit and store the result as their baselines."""
    from gate.check import baselines_for
    from gate.config import load_config
    from gate.refresh import propose, refuse_dirty_tree, require_reason

    if reason is None:
        if not sys.stdin.isatty():
            raise click.UsageError('--reason "why it changes" is needed')
        reason = click.prompt("Reason for the change", type=str)
    reason = require_reason(reason)
    commit = refuse_dirty_tree(load_config(Path.cwd()))
    config, plan, folders = plan_now(kernels, gpu, seed, processes)
    baselines = baselines_for(plan.gpu, config)
    before = baselines.snapshot(folder.name for folder in folders)
    measurement = measure_now(folders, plan, config)
    for proposal in propose(
        measurement,
        folders,
        config,
        before,
        commit=commit,
        reason=reason,
        accept_regression=accept_regression,
    ):
        click.echo(proposal.diff())
        if proposal.verdict:
            click.echo("Judged against the baseline that it replaces:")
            render(proposal.verdict)
        file = baselines.write(proposal.baseline)
        click.echo(f"wrote {config.relative(file)}; commit it, and its owners will review it")


@baseline.command("show")
@click.argument("kernels", nargs=-1)
def baseline_show(kernels: tuple[str, ...]) -> None:
    """What is stored for KERNELS (all without arguments), on every GPU."""
    from gate.baselines import load_all
    from gate.config import load_config
    from gate.report import stored

    config = load_config(Path.cwd())
    stored.render(load_all(config.baselines, config.target, kernels), console())


@main.command()
def doctor() -> None:
    """Can this machine measure? Where not: the exact mend."""
    from gate.doctor import examine
    from gate.report import checks as report

    found = examine()
    report.render(found, console())
    click.get_current_context().exit(int(report.exit_code_of(found)))


# --------------------------------------------------------------------------------- shared


def console() -> Console:
    return Console(highlight=False)


def default_mode(given: str | None) -> str:
    """`require` under CI, where a machine that cannot measure must not look green."""
    under_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return given or ("require" if under_ci else "auto")


def plan_now(
    kernels: tuple[str, ...], gpu: GpuMode | None, seed: int | None, processes: int | None
) -> tuple[Config, Plan, tuple[KernelFolder, ...]]:
    """Configure and plan. Raises MissingExtra where the extra `gpu` is not installed."""
    from importlib.util import find_spec

    from gate.config import load_config
    from gate.kernels import discover

    missing = [name for name in ("torch", "triton", "pytest") if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"measuring needs {', '.join(missing)}",
            hint="pip install 'gpu-regression-gate[gpu]'",
        )
    from gate import measure as steps

    config = load_config(Path.cwd())
    folders = discover(config.kernels, kernels)
    plan = steps.make_plan(default_mode(gpu), config, seed=seed, processes=processes)  # type: ignore[arg-type]
    click.echo(f"seed {plan.seed} (repeat with --seed {plan.seed})", err=True)
    return config, plan, folders


def measure_now(folders: tuple[KernelFolder, ...], plan: Plan, config: Config) -> Measurement:
    from gate import measure as steps
    from gate.documents import validate
    from gate.progress import Progress

    return validate(steps.measure(folders, plan, config, Progress()))


def write_measurement(file: Path, measurement: Measurement) -> None:
    from gate.documents import measurement_json, write_atomically

    write_atomically(file, measurement_json(measurement))


def finish(
    verdict: Verdict,
    *,
    json_file: Path | None = None,
    markdown_file: Path | None = None,
    junit_file: Path | None = None,
) -> None:
    """Write the reports that were asked for, render the verdict, and exit with its code."""
    from gate.documents import verdict_json, write_atomically
    from gate.report import junit, markdown

    renderers: tuple[tuple[Path | None, Callable[[Verdict], str]], ...] = (
        (json_file, verdict_json),
        (markdown_file, markdown.render),
        (junit_file, junit.render),
    )
    render(verdict)
    for file, renderer in renderers:
        if file:
            write_atomically(file, renderer(verdict))
    click.get_current_context().exit(int(verdict.exit_code))


def render(verdict: Verdict) -> None:
    from gate.report import terminal

    terminal.render(verdict, console())
