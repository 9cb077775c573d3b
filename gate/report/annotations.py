"""A verdict at the lines that it is about: commands that GitHub's runner reads from the log."""

from __future__ import annotations

import re
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from gate.errors import ExitCode
from gate.report.figures import sentence
from gate.report.headline import headline, status_word
from gate.report.ordering import Cause, attention, causes, place, rows, subject
from gate.report.text import count, harmless, paragraph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from gate.verdict import Finding, Verdict

    # The kernel file as GitHub names it, and the line where `function`, else the model, is defined.
    Locate = Callable[[str, str | None], tuple[str, int]]

# GitHub shows ten errors of a step; the tenth counts those that it would drop unsaid.
MAX_SHOWN = 9
_MAX_MESSAGE = 1_000
_VIOLATION = re.compile(r"kernel\.py:(\d{1,6}): (.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One annotation; `line` where the finding names it, else its function's or its model's."""

    cause: Cause
    message: str
    line: int | None = None


def commands(verdict: Verdict, locate: Locate) -> tuple[str, ...]:
    """One line each, the worst first; empty where there is nothing to mend."""
    found = causes(attention(rows(verdict)), by_kernel=True)
    marks = [mark for cause in found for mark in _marks(cause)]
    shown = [_at_kernel(mark, locate) for mark in marks[:MAX_SHOWN]]
    if len(marks) > MAX_SHOWN:
        more = f"and {count(len(marks) - MAX_SHOWN, 'more finding')}; the report has them"
        shown.append(command("error", more, title=_answer(verdict)))
    if not marks and verdict.exit_code is not ExitCode.PASSED:
        shown.append(command("error", headline(verdict).plain(), title=_answer(verdict)))
    return tuple(shown)


def render(verdict: Verdict, console: Console, locate: Locate) -> None:
    for line in commands(verdict, locate):
        _print(line, console)


@contextmanager
def stopped(console: Console) -> Iterator[None]:
    """The runner reads no command in what the block prints, until a word that nobody can guess."""
    token = secrets.token_hex(16)
    _print(f"::stop-commands::{token}", console)
    try:
        yield
    finally:
        _print(f"::{token}::", console)


def command(kind: str, message: str, **properties: str) -> str:
    """`::error file=kernel.py,line=3::message`, on one line whatever the words are."""
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{kind} {given}::{_data(message)}"


def _print(line: str, console: Console) -> None:
    known = line.encode(console.encoding, "backslashreplace").decode(console.encoding)
    console.print(Text(known), soft_wrap=True)


def _marks(cause: Cause) -> Iterator[Mark]:
    finding = cause.first
    if finding.comparison is not None:
        yield Mark(cause=cause, message=sentence(finding.comparison))
        return
    # Only the contract names lines; elsewhere such words are a kernel's own.
    lines = finding.reason.message.split("\n") if finding.subject == "contract" else []
    violations = [found for found in map(_VIOLATION.fullmatch, lines) if found]
    for found in violations:
        yield Mark(cause=cause, message=found[2], line=int(found[1]))
    if not violations:
        yield Mark(cause=cause, message=finding.reason.message)


def _at_kernel(mark: Mark, locate: Locate) -> str:
    finding = mark.cause.first
    file, line = locate(finding.kernel, finding.function)
    return command(
        "warning" if finding.exit_code is ExitCode.PASSED else "error",
        mark.message,
        file=file,
        line=str(mark.line or line),
        title=_title(finding, mark.cause.elsewhere),
    )


def _title(finding: Finding, elsewhere: str) -> str:
    return f"{place(finding)}{elsewhere}: {subject(finding)} {status_word(finding.status)}"


def _answer(verdict: Verdict) -> str:
    return headline(verdict).answer


def _data(text: str) -> str:
    shown = harmless(paragraph(text, _MAX_MESSAGE)) or "no word was given"
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
