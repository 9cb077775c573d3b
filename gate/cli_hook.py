"""`gate hook`: the check of a push, before it leaves. Whatever is heavy waits for a kernel."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gate.cli_steps import (
    RESTORE,
    hinting,
    measure_now,
    project_here,
    render,
    require_extra,
)
from gate.errors import PUSH_ANYWAY, ExitCode, GateError, most_severe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.config import Config
    from gate.hook import Change, Repository
    from gate.verdict import Finding, Verdict


@click.group()
def hook() -> None:
    """Check the kernels that a push changes, before it leaves."""


@hook.command()
def install() -> None:
    """Write git's pre-push hook.

    One that is there already is kept and called first.
    """
    from gate import hook_file

    _, file = hook_file.find(Path.cwd())
    kept = hook_file.install(file, project=project_here())
    click.echo(f"wrote {file}" + (f"; {kept} is called first" if kept else ""))


@hook.command()
def uninstall() -> None:
    """Take the hook away, and put back what was there before."""
    from gate import hook_file

    _, file = hook_file.find(Path.cwd())
    if hook_file.uninstall(file):
        click.echo(f"restored {file}" if file.exists() else f"removed {file}")
    else:
        why = f"{file} is not the gate's" if file.exists() else f"there is no {file}"
        click.echo(f"{why}; nothing was changed")


@hook.command()
@click.argument("remote", default="")
@click.argument("url", default="", expose_value=False)
@click.option("--project", default=".", help="The project's folder in the repository.")
def run(remote: str, project: str) -> None:
    """What git calls: check the push that stdin tells of.

    It goes to REMOTE, at URL.
    """
    from gate.hook import changes, find_repository
    from gate.pushed import read_updates, update_from_pre_commit

    lines = _stdin()
    with _saying_how_to_push_anyway():
        updates = read_updates(lines) or update_from_pre_commit(os.environ)
        repository = find_repository(Path.cwd())
        remote = remote or os.environ.get("PRE_COMMIT_REMOTE_NAME", "")
        found = changes(repository, updates, remote=remote, project=project)
        if updates and not found:
            click.echo("gate: this push changes no kernel")
        codes = [_check(repository, change) for change in found]
    code = most_severe((ExitCode.PASSED, *codes))
    if code:
        click.echo(f"gate: this push stops here; to push anyway: {PUSH_ANYWAY}", err=True)
    click.get_current_context().exit(int(code))


def _stdin() -> str:
    if sys.stdin.isatty() and "PRE_COMMIT" not in os.environ:
        raise click.UsageError("git runs this, and tells on stdin what is pushed")
    # Git waits for nobody who leaves lines unread, and a ref's name need not be UTF-8.
    return sys.stdin.buffer.read().decode(errors="replace")


@contextmanager
def _saying_how_to_push_anyway() -> Iterator[None]:
    try:
        yield
    except GateError as error:
        error.hint = f"{error.hint}; or push anyway: {PUSH_ANYWAY}" if error.hint else PUSH_ANYWAY
        raise


def _check(repository: Repository, change: Change) -> ExitCode:
    """`gate check` of the commit's files, by the baselines and the configuration in it."""
    from gate.hook import exported

    names = ", ".join(sorted(change.kernels))
    why = "" if change.base else ", since nothing is known here of what the remote has"
    click.echo(f"gate: checking {names} of {change.commit[:12]}{why}")
    with exported(repository, change) as config, _errors_without(config.root):
        return _verdict(change, config)


@contextmanager
def _errors_without(root: Path) -> Iterator[None]:
    """The copies of the files are gone when an error is read: it names them as they are here."""
    try:
        yield
    except GateError as error:
        error.args = (str(error).replace(f"{root}/", ""),)
        raise


def _without(root: Path, verdict: Verdict) -> Verdict:
    """The same for what the findings say."""

    def told(finding: Finding) -> Finding:
        message = finding.reason.message.replace(f"{root}/", "")
        return replace(finding, reason=replace(finding.reason, message=message))

    return replace(verdict, findings=tuple(map(told, verdict.findings)))


def _verdict(change: Change, config: Config) -> ExitCode:
    from gate.check import baselines_for, verdict_of
    from gate.kernels import discover

    require_extra()
    from gate.measure import make_plan

    folders = discover(config.kernels, () if change.whole else sorted(change.kernels))
    plan = make_plan("auto", seed=None, processes=config.processes, base=change.base)
    click.echo(f"seed {plan.seed} (repeat with --seed {plan.seed})", err=True)
    with hinting(RESTORE):
        baselines = baselines_for(plan.gpu, config).snapshot(folder.name for folder in folders)
    measurement = measure_now(folders, plan, config, baselines)
    verdict = verdict_of(
        measurement, config, baselines, require_gpu=plan.gpu is not None, whole=change.whole
    )
    render(_without(config.root, verdict))
    return verdict.exit_code
