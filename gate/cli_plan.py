"""`gate plan`: which kernels a change concerns."""

from __future__ import annotations

from pathlib import Path

import click

from gate.cli_steps import project_here


@click.command()
@click.option("--base", required=True, metavar="REF", help="The branch or commit it goes to.")
@click.option("--head", default="HEAD", show_default=True, metavar="REF", help="The change.")
@click.option(
    "--project",
    metavar="FOLDER",
    help="The project's, from the top of the repository; the default is the one around here.",
)
def plan(base: str, head: str, project: str | None) -> None:
    """Print which kernels a change concerns, by git alone.

    Two lines for a workflow's outputs: `kernels=` with the names of what changed since HEAD left
    BASE, files or baselines, and `whole=true` where that cannot be told by kernel: the
    configuration changed, a kernel is gone, a baseline was written that no kernel has, or both
    have several last common commits.
    """
    from gate.hook import between, find_repository

    repository = find_repository(Path.cwd())
    change = between(repository, base, head, project=project or project_here())
    click.echo(f"kernels={' '.join(sorted(change.kernels))}")
    click.echo(f"whole={'true' if change.whole else 'false'}")
