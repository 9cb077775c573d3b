"""The command line: parse, call, render, exit. Whatever is heavy is imported inside a command."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.console import Console

from gate import __version__
from gate.cli_hook import hook
from gate.destinations import source, takes_stdout, width_of_lines, write
from gate.errors import GateError, MachineUnfit, MissingExtra
from gate.options import (
    baselines_option,
    binding_option,
    expecting_options,
    measuring_options,
    output_option,
    report_options,
)
from gate.report.text import count, harmless
from gate.streams import steady_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.baselines import Snapshot
    from gate.config import Config
    from gate.kernels import KernelFolder
    from gate.measure import GpuMode, Plan
    from gate.model import Binding, Measurement, Verdict

# What to do about a file that does not hold what it must; the message names file and place.
MEASURE_AGAIN = "write it with this version of the gate: gate measure -o FILE"
CI_WITHOUT_GPU = (
    "CI is set, so a GPU is required: run this on the GPU runner (gate doctor says what is missing)"
    ", or add --gpu skip to check what needs none"
)
RESTORE = "restore that file from version control, or: gate baseline refresh KERNEL"


class GateGroup(click.Group):
    """Turns a GateError into its sentence, hint and exit code; bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        from gate.processes import end_on_termination

        end_on_termination()
        with steady_streams():
            try:
                return super().invoke(ctx)
            except GateError as error:
                colour = None if os.environ.get("NO_COLOR") else "red"
                click.secho(f"error: {printable(str(error))}", fg=colour, err=True)
                if error.hint:
                    click.echo(f"  next: {printable(error.hint)}", err=True)
                ctx.exit(int(error.exit_code))


def printable(text: str) -> str:
    """Text from a hostile file: no control character, half surrogate or command to a CI runner."""
    return harmless("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


@click.group(cls=GateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gate")
def main() -> None:
    """Fail the change that makes a GPU kernel wrong, slower, or less able to use the machine.

    Exit codes: 0 passed, 2 usage, 3 regressed, 4 incorrect, 5 inconclusive, 6 environment, 7
    invalid data.
    """


@main.command()
@measuring_options
@report_options
@output_option(required=False)
@binding_option
def check(
    kernels: tuple[str, ...],
    *,
    output: Path | None,
    json_file: Path | None,
    markdown_file: Path | None,
    junit_file: Path | None,
    annotations: bool,
    binding_file: Path | None,
    **asked: Any,
) -> None:
    """Measure KERNELS, or all, and judge them against their baselines."""
    from gate.check import baselines_for, verdict_of

    binding = binding_of(binding_file)
    config, plan, folders = plan_now(kernels, **asked)
    # What a kernel's code could rewrite is read before any of it runs.
    with hinting(RESTORE):
        baselines = baselines_for(plan.gpu, config).snapshot(folder.name for folder in folders)
    measurement = measure_now(folders, plan, config, baselines, binding)
    if output:
        write_measurement(output, measurement)
    verdict = verdict_of(
        measurement, config, baselines, require_gpu=plan.gpu is not None, whole=not kernels
    )
    finish(
        verdict,
        json_file=json_file,
        markdown_file=markdown_file,
        junit_file=junit_file,
        annotated=config.kernels if annotations else None,
    )


@main.command()
@measuring_options
@output_option(required=True)
@binding_option
def measure(
    kernels: tuple[str, ...], output: Path, binding_file: Path | None, **asked: Any
) -> None:
    """Measure KERNELS, or all, without judging them."""
    from gate.check import baselines_for

    binding = binding_of(binding_file)
    config, plan, folders = plan_now(kernels, **asked)
    with hinting(RESTORE):
        baselines = baselines_for(plan.gpu, config).snapshot(folder.name for folder in folders)
    measurement = measure_now(folders, plan, config, baselines, binding)
    write_measurement(output, measurement)
    on_stdout = takes_stdout(click.get_current_context())
    where = "on stdout" if on_stdout else f"in {output}; next: gate judge {output}"
    click.echo(f"{count(len(measurement.results), 'result')} {where}", err=on_stdout)


@main.command()
@click.argument(
    "measurement_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=source,
)
@baselines_option
@click.option("--all", "whole", is_flag=True, help="Demand every kernel that has a baseline.")
@click.option(
    "--gpu",
    type=click.Choice(["auto", "require"]),
    help="auto judges what the measurement's scope names; the default is require when CI=true.",
)
@expecting_options
@report_options
def judge(
    measurement_file: Path,
    baselines_dir: Path | None,
    gpu: str | None,
    expected_binding: Path | None,
    expected_gpu: str | None,
    *,
    proposed: Path | None,
    whole: bool,
    annotations: bool,
    **reports: Path | None,
) -> None:
    """Judge FILE, a measurement (- is stdin), by the stored baselines."""
    from gate.check import baselines_for, verdict_of
    from gate.documents import STDIN, load_measurement
    from gate.expectations import Expected

    # What is read here lives until the exit: looking for garbage in it is a third of the time.
    gc.disable()
    config = config_now(baselines_dir)
    # A stored baseline may be judged by itself anywhere: the path is the caller's word.
    named = measurement_file != STDIN
    stored = named and measurement_file.resolve().is_relative_to(config.baselines)
    required = not stored and (gpu or default_mode()) == "require"
    expected = Expected(binding=binding_of(expected_binding), gpu=expected_gpu)
    with hinting(RESTORE if stored else MEASURE_AGAIN):
        measurement = load_measurement(measurement_file)
    baselines = baselines_for(measurement.environment.gpu, config)
    with hinting(RESTORE):
        verdict = verdict_of(
            measurement,
            config,
            baselines,
            require_gpu=required,
            whole=whole,
            expected=expected,
            proposed=proposed,
        )
    finish(verdict, annotated=config.kernels if annotations else None, **reports)


@main.group()
def baseline() -> None:
    """Store, show and explain baselines."""


@baseline.command("refresh")
@measuring_options
@click.option("--reason", help="Why the baseline changes; it is stored and reviewed.")
@click.option("--accept-regression", is_flag=True, help="Store it although it is worse.")
@click.option(
    "--new-anchor", is_flag=True, help="Store it although it crept beyond the cap from its best."
)
def baseline_refresh(
    kernels: tuple[str, ...],
    reason: str | None,
    *,
    accept_regression: bool,
    new_anchor: bool,
    **asked: Any,
) -> None:
    """Measure KERNELS, or all, and store the result as baselines."""
    from gate.check import baselines_for
    from gate.refresh import propose, refuse_dirty_tree, require_reason
    from gate.report import stored
    from gate.sequential import CALIBRATION

    if reason is None:
        if not sys.stdin.isatty():
            raise click.UsageError('--reason "why it changes" is needed')
        reason = click.prompt("Reason for the change", type=str)
    reason = require_reason(reason)
    commit = refuse_dirty_tree(config_now(asked["baselines_dir"]))
    asked["processes"] = asked["processes"] or CALIBRATION
    config, plan, folders = plan_now(kernels, **asked)
    baselines = baselines_for(plan.gpu, config)
    with hinting(RESTORE):
        before = baselines.snapshot(folder.name for folder in folders)
    measurement = measure_now(folders, plan, config, before)
    for proposal in propose(
        measurement,
        folders,
        config,
        before,
        commit=commit,
        reason=reason,
        accept_regression=accept_regression,
        new_anchor=new_anchor,
    ):
        if proposal.before:
            click.echo(proposal.diff())
        else:  # all of a first file is new: its figures say more than its thousand lines
            stored.render([(proposal.file.parent.name, proposal.baseline)], console())
        if proposal.verdict:
            click.echo("Judged against the baseline that it replaces:")
            render(proposal.verdict)
        file = baselines.write(proposal.baseline)
        click.echo(f"wrote {config.relative(file)}; commit it, and its owners will review it")


@baseline.command("show")
@click.argument("kernels", nargs=-1)
def baseline_show(kernels: tuple[str, ...]) -> None:
    """What is stored for KERNELS, or all, on every GPU."""
    from gate.baselines import load_all
    from gate.config import load_config
    from gate.report import stored

    config = load_config(Path.cwd())
    with hinting(RESTORE):
        baselines = load_all(config.baselines, config.target, names(kernels, config))
    stored.render(baselines, console())


@baseline.command("history")
@click.argument("kernels", nargs=-1)
def baseline_history(kernels: tuple[str, ...]) -> None:
    """How the gated metrics of KERNELS, or all, moved by commit."""
    from gate.baselines import load_histories
    from gate.config import load_config
    from gate.report import history

    config = load_config(Path.cwd())
    history.render(load_histories(config.baselines, config.target, kernels), console())


@main.command()
def doctor() -> None:
    """Can this machine measure? Where not: the exact mend."""
    from gate.doctor import examine
    from gate.report import checks as report

    found = examine()
    report.render(found, console())
    click.get_current_context().exit(int(report.exit_code_of(found)))


main.add_command(hook)


# --------------------------------------------------------------------------------- shared


def console() -> Console:
    ctx = click.get_current_context()
    return Console(highlight=False, stderr=takes_stdout(ctx), width=width_of_lines(ctx))


@contextmanager
def hinting(hint: str) -> Iterator[None]:
    """What to do next, for an error of the block that does not say it."""
    try:
        yield
    except GateError as error:
        error.hint = error.hint or hint
        raise


def names(given: tuple[str, ...], config: Config) -> tuple[str, ...]:
    """The kernels' names, also where their folders' paths were given, as a shell completes them."""
    paths = (Path.cwd() / text for text in given)
    folder = config.kernels.resolve()
    return tuple(
        path.name if path.parent.resolve() == folder else text.rstrip("/")
        for text, path in zip(given, paths, strict=True)
    )


def default_mode() -> Literal["auto", "require"]:
    """`require` under CI, where a machine that cannot measure must not look green."""
    under_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return "require" if under_ci else "auto"


def config_now(baselines_dir: Path | None) -> Config:
    """What is configured here, with the baselines' folder of the command line."""
    from dataclasses import replace

    from gate.config import load_config

    config = load_config(Path.cwd())
    return replace(config, baselines=baselines_dir) if baselines_dir else config


def plan_now(
    kernels: tuple[str, ...],
    *,
    gpu: GpuMode | None,
    seed: int | None,
    processes: int | None,
    base: str | None,
    lock_clocks_mhz: int | None,
    baselines_dir: Path | None,
) -> tuple[Config, Plan, tuple[KernelFolder, ...]]:
    """Configure and plan. Raises MissingExtra where the extra `gpu` is not installed."""
    from gate.git import base_commit
    from gate.kernels import discover

    require_extra()
    from gate import measure as steps

    config = config_now(baselines_dir)
    with hinting("the gate's README says what belongs into a kernel's folder"):
        folders = discover(config.kernels, names(kernels, config))
    mode: GpuMode = gpu or default_mode()
    try:
        plan = steps.make_plan(
            mode,
            seed=seed,
            processes=processes or config.processes,
            base=base_commit(config.root, base),
            lock_clocks_mhz=lock_clocks_mhz,
        )
    except MachineUnfit as error:
        if gpu is None:
            error.hint = CI_WITHOUT_GPU
        raise
    click.echo(f"seed {plan.seed} (repeat with --seed {plan.seed})", err=True)
    return config, plan, folders


def require_extra() -> None:
    """Raises MissingExtra."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "triton", "pytest") if find_spec(name) is None]
    if missing:
        raise MissingExtra(f"measuring needs {', '.join(missing)}")


def binding_of(file: Path | None) -> Binding | None:
    from gate.documents import load_binding

    return load_binding(file) if file else None


def measure_now(
    folders: tuple[KernelFolder, ...],
    plan: Plan,
    config: Config,
    baselines: Snapshot,
    binding: Binding | None = None,
) -> Measurement:
    from dataclasses import replace

    from gate import measure as steps
    from gate.documents import validate
    from gate.progress import Progress

    measurement = steps.measure(folders, plan, config, Progress(), baselines.load)
    return validate(replace(measurement, binding=binding))


def write_measurement(file: Path, measurement: Measurement) -> None:
    from gate.documents import measurement_json

    write(file, measurement_json(measurement))


def finish(
    verdict: Verdict,
    *,
    json_file: Path | None = None,
    markdown_file: Path | None = None,
    junit_file: Path | None = None,
    annotated: Path | None = None,
) -> None:
    """Write the reports that were asked for, render the verdict, and exit with its code.

    `annotated` is where the kernels lie that GitHub is to mark; None where it is not asked to.
    """
    from gate.documents import verdict_json
    from gate.report import junit, markdown

    renderers: tuple[tuple[Path | None, Callable[[Verdict], str]], ...] = (
        (json_file, verdict_json),
        (markdown_file, markdown.render),
        (junit_file, junit.render),
    )
    if annotated:
        annotate(verdict, annotated)
    else:
        render(verdict)
    for file, renderer in renderers:
        if file:
            write(file, renderer(verdict))
    click.get_current_context().exit(int(verdict.exit_code))


def render(verdict: Verdict) -> None:
    from gate.report import terminal

    terminal.render(verdict, console())


def annotate(verdict: Verdict, kernels: Path) -> None:
    """Render it where a runner reads commands in what is printed."""
    from gate.definitions import Definitions
    from gate.report import annotations

    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd())
    with annotations.stopped(console()):
        render(verdict)
    annotations.render(verdict, console(), Definitions(kernels, workspace).locate)
