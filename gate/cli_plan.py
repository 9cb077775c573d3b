"""`gate plan`: which kernels a change concerns."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--base", required=True, metavar="REF", help="The branch or commit it goes to.")
@click.option("--head", default="HEAD", show_default=True, metavar="REF", help="The change.")
@click.option(
    "--project",
    default=".",
    metavar="FOLDER",
    help="The folder of pyproject.toml, from the top of the repository.",
)
def plan(base: str, head: str, project: str) -> None:
    """Print which kernels a change concerns, by git alone.

    Two lines for a workflow's outputs: `kernels=` with the names of what changed since HEAD left
    BASE, files or baselines, and `whole=true` where that cannot be told by kernel: the
    configuration changed, a kernel is gone, a baseline was written that no kernel has, or both
    have several last common commits.
    """
    from gate.hook import between, find_repository

    change = between(find_repository(Path.cwd()), base, head, project=project)
    click.echo(f"kernels={' '.join(sorted(change.kernels))}")
    click.echo(f"whole={'true' if change.whole else 'false'}")
