"""The command line: parse, call, render, exit. Whatever is heavy is imported inside a command."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import click

from gate import __version__
from gate.cli_baseline import baseline
from gate.cli_hook import hook
from gate.cli_plan import plan
from gate.cli_steps import (
    RESTORE,
    binding_of,
    config_now,
    console,
    default_mode,
    finish,
    hinting,
    measure_now,
    plan_now,
    write_measurement,
)
from gate.destinations import source, takes_stdout
from gate.errors import GateError
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

# What to do about a file that does not hold what it must; the message names file and place.
MEASURE_AGAIN = "write it with this version of the gate: gate measure -o FILE"


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
    "--require",
    "demanded",
    multiple=True,
    metavar="NAME",
    help="Demand this kernel, with a baseline or without; can be repeated.",
)
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
    demanded: tuple[str, ...],
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
    named = measurement_file != STDIN
    stored = named and measurement_file.resolve().is_relative_to(config.baselines)
    expected = Expected(binding=binding_of(expected_binding), gpu=expected_gpu)
    with hinting(RESTORE if stored else MEASURE_AGAIN):
        measurement = load_measurement(measurement_file)
    # A stored baseline may be judged by itself anywhere: the path is the caller's word.
    by_itself = stored and measurement.baseline is not None
    baselines = baselines_for(measurement.environment.gpu, config)
    with hinting(RESTORE):
        verdict = verdict_of(
            measurement,
            config,
            baselines,
            require_gpu=(gpu or ("auto" if by_itself else default_mode())) == "require",
            whole=whole,
            demanded=demanded,
            expected=expected,
            proposed=proposed,
        )
    finish(verdict, annotated=config.kernels if annotations else None, **reports)


@main.command()
def doctor() -> None:
    """Can this machine measure? Where not: the exact mend."""
    from gate.doctor import examine
    from gate.report import checks as report

    found = examine()
    report.render(found, console())
    click.get_current_context().exit(int(report.exit_code_of(found)))


main.add_command(baseline)
main.add_command(hook)
main.add_command(plan)
