"""`gate baseline`: store, show and explain what a kernel is held against."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gate.cli_steps import (
    RESTORE,
    config_now,
    console,
    hinting,
    measure_now,
    names,
    plan_now,
    render,
)
from gate.options import measuring_options

if TYPE_CHECKING:
    from gate.refresh import Proposal


@click.group()
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
    from gate.refresh import propose, refuse_dirty_tree
    from gate.sequential import CALIBRATION

    reason = _reason(reason)
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
        _show(proposal)
        file = baselines.write(proposal.baseline)
        click.echo(f"wrote {config.relative(file)}; commit it, and its owners will review it")


def _reason(given: str | None) -> str:
    from gate.refresh import require_reason

    if given is None:
        if not sys.stdin.isatty():
            raise click.UsageError('--reason "why it changes" is needed')
        given = click.prompt("Reason for the change", type=str)
    return require_reason(given)


def _show(proposal: Proposal) -> None:
    from gate.report import stored

    if proposal.before:
        click.echo(proposal.diff())
    else:  # all of a first file is new: its figures say more than its thousand lines
        stored.render([(proposal.file.parent.name, proposal.baseline)], console())
    if proposal.verdict:
        click.echo("Judged against the baseline that it replaces:")
        render(proposal.verdict)


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
