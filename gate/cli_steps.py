"""What the commands share: planning, measuring, rendering, and the errors' next steps."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from rich.console import Console

from gate.destinations import takes_stdout, width_of_lines, write
from gate.errors import GateError, MachineUnfit, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.baselines import Snapshot
    from gate.config import Config
    from gate.kernels import KernelFolder
    from gate.measure import GpuMode, Plan
    from gate.model import Binding, Measurement
    from gate.verdict import Verdict

CI_WITHOUT_GPU = (
    "CI is set, so a GPU is required: run this on the GPU runner (gate doctor says what is missing)"
    ", or add --gpu skip to check what needs none"
)
RESTORE = (
    "restore that file from version control; or remove it, commit, and: gate baseline refresh"
    ' KERNEL --reason "why"'
)


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


def project_here() -> str:
    """The folder of the configuration, from the top of the repository around it."""
    from gate import hook_file
    from gate.config import load_config

    root = load_config(Path.cwd()).root
    top, _ = hook_file.find(Path.cwd())
    # A configuration above the repository is in no commit: the defaults hold there.
    return root.relative_to(top).as_posix() if root.is_relative_to(top) else "."


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
