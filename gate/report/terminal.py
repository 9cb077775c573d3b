"""A verdict for the person who has to act on it: what broke, by how much, what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from gate.errors import ExitCode
from gate.report import proposals
from gate.report.figures import sentence
from gate.report.headline import context, headline, status_word, tolerances
from gate.report.ordering import (
    attention,
    causes,
    next_steps,
    place,
    rows,
    subject,
    unproven,
    with_status,
)
from gate.report.table import STYLES, print_table, select
from gate.report.text import count, harmless, name, one_line, paragraph
from gate.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from gate.report.ordering import Cause
    from gate.verdict import Verdict

MAX_CAUSES = 20
MAX_ACCEPTED = 10
MAX_PROPOSED = 20
MAX_STEPS = 10
MAX_UNPROVEN = 20
_MAX_MESSAGE = 1200
MAX_MESSAGE_LINES = 12
_MAX_SENTENCE = 600
# A CI runner obeys `::command::` at a line's start whatever blanks come first. A kernel's words
# therefore stand behind a bar, which also shows whose words they are.
_BAR = "  | "


def render(verdict: Verdict, console: Console) -> None:
    """Print `verdict`. Every line that is to be copied or searched for is kept whole."""
    of_rows = rows(verdict)
    _headline(verdict, console)
    selection = select(of_rows)
    if selection.shown or selection.counted:
        console.print()
        print_table(selection, console)
    allowed = "".join(span.text for span in tolerances(verdict))
    if allowed:
        _line(Text(_shown(allowed, console), style="dim"), console)
    open_findings = attention(of_rows)
    accepted = causes(with_status(of_rows, Status.ACCEPTED))
    _causes(causes(open_findings), MAX_CAUSES, "finding", console)
    _causes(accepted, MAX_ACCEPTED, "accepted change", console)
    _proposals(verdict, console)
    _labelled("next", next_steps(open_findings), MAX_STEPS, "bold", console)
    _labelled("not checked", unproven(verdict, of_rows), MAX_UNPROVEN, "yellow", console)


def _headline(verdict: Verdict, console: Console) -> None:
    head = headline(verdict)
    style = "bold green" if verdict.exit_code is ExitCode.PASSED else "bold red"
    line = Text(_shown(head.plain(), console))
    line.stylize(style, 0, len(head.answer))
    _line(line, console)
    where = "".join(span.text for span in context(verdict, head))
    _line(Text(_shown(where, console), style="dim"), console)


def _causes(found: Sequence[Cause], limit: int, noun: str, console: Console) -> None:
    for cause in found[:limit]:
        console.print()
        _cause(cause, console)
    if len(found) > limit:
        console.print()
        more = count(len(found) - limit, f"more {noun}")
        _line(Text(f"... and {more}, all in --json"), console)


def _cause(cause: Cause, console: Console) -> None:
    first = cause.first
    status = (status_word(first.status), STYLES[first.status])
    what = f"{place(first)}{cause.elsewhere}: {subject(first)} "
    _line(Text.assemble((what, "bold"), status, f" ({name(first.reason.code)})"), console)
    of_function = f" of {name(first.function)}" if first.function else ""
    if of_function or name(first.subject) != subject(first):
        _line(Text(f"  {name(first.subject)}{of_function}", style="dim"), console)
    if first.comparison is not None:
        _line(Text(f"  {sentence(first.comparison)}"), console)
    _message(first.reason.message, console)


def _proposals(verdict: Verdict, console: Console) -> None:
    """A table whose lines stay whole; of many kernels the first rows, as everywhere."""
    found = proposals.rows(verdict)
    if not verdict.proposals:
        return
    console.print()
    _line(Text(f"{proposals.TITLE}:", style="bold cyan"), console)
    lines: list[tuple[str, ...]] = [("", "", *proposals.COLUMNS)]
    lines += [(row.place, row.metric, *row.figures) for row in found[:MAX_PROPOSED]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        _line(Text(f"  {'  '.join(cells)}".rstrip()), console)
    if len(found) > MAX_PROPOSED:
        _line(Text(f"... and {len(found) - MAX_PROPOSED:,} more, all in --json"), console)
    for of, reason in list(proposals.reasons(verdict))[:MAX_PROPOSED]:
        _line(Text(f"{of}:"), console)
        _message(reason, console)


def _message(message: str, console: Console) -> None:
    text = Text(_shown(paragraph(message, _MAX_MESSAGE), console))
    width = max(console.width - len(_BAR), 1)
    lines = text.wrap(console, width, overflow="fold")
    for line in lines[:MAX_MESSAGE_LINES]:
        line.rstrip()
        _line(Text.assemble((_BAR, "dim"), line), console)
    if len(lines) > MAX_MESSAGE_LINES:
        more = count(len(lines) - MAX_MESSAGE_LINES, "more line")
        _line(Text(f"{_BAR}... and {more}, all in --json", style="dim"), console)


def _labelled(
    label: str, sentences: Sequence[str], limit: int, style: str, console: Console
) -> None:
    """One `label: sentence` a line, so that a command can be copied whole."""
    if sentences:
        console.print()
    for said in sentences[:limit]:
        shown = _shown(one_line(said, _MAX_SENTENCE), console)
        _line(Text.assemble((f"{label}: ", style), shown), console)
    if len(sentences) > limit:
        _line(Text(f"{label}: ... and {len(sentences) - limit:,} more, all in --json"), console)


def _line(line: Text, console: Console) -> None:
    console.print(line, soft_wrap=True, highlight=False)


def _shown(text: str, console: Console) -> str:
    """`text` without commands to a CI runner, in characters that the console's encoding has."""
    encoding = console.encoding
    return harmless(text).encode(encoding, "backslashreplace").decode(encoding)
