"""Where reports and measurements go: refused before anything is measured, not minutes later."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import MutableMapping

STDOUT = Path("-")
# As wide as any line: what is no terminal has no width, and is searched line by line.
WHOLE = 10_000
_META = "gate.destinations"


def destination(ctx: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Click's callback for a file to be written. Raises CannotWrite and UsageError."""
    if path is not None:
        from gate.documents import refuse_unwritable

        named_once(ctx, option, path)
        if path != STDOUT:
            refuse_unwritable(path)
    return path


def named_once(ctx: click.Context, parameter: click.Parameter, path: Path) -> Path:
    """The same path. Raises UsageError where another parameter of this command has it too."""
    name = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.make_metavar(ctx)
    other = _taken(ctx).setdefault(path if path == STDOUT else path.resolve(), name)
    if other != name:
        raise click.UsageError(f"{other} and {name} name the same file: {path}", ctx)
    return path


def source(ctx: click.Context, argument: click.Parameter, path: Path) -> Path:
    """Click's callback for a file to be read, in whose place nothing is written."""
    reads_stdin = path == STDOUT  # the same dash, and another stream
    return path if reads_stdin else named_once(ctx, argument, path)


def takes_stdout(ctx: click.Context) -> bool:
    """Whether a report goes to stdout, so that everything else belongs on stderr."""
    return STDOUT in _taken(ctx)


def width_of_lines(ctx: click.Context) -> int | None:
    """Where lines are folded; None for the width of the terminal that they go to."""
    stream = sys.stderr if takes_stdout(ctx) else sys.stdout
    return None if stream and stream.isatty() else WHOLE


def write(path: Path, text: str) -> None:
    """Write one report. Raises CannotWrite."""
    from gate.documents import write_atomically

    if path == STDOUT:
        click.echo(text.encode(), nl=False)
    else:
        write_atomically(path, text)


def _taken(ctx: click.Context) -> MutableMapping[Path, str]:
    taken: MutableMapping[Path, str] = ctx.meta.setdefault(_META, {})
    return taken
