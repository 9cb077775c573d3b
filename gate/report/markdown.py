"""A verdict as a GitHub comment: GitHub flavoured Markdown, bounded whatever the input.

GitHub turns `@name`, `#1` and addresses into links after it has rendered the Markdown, so that no
backslash or entity helps. What it leaves alone is code: every word that is not the gate's own
stands in a code span or a fenced block.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from gate.report import proposals
from gate.report.figures import change_with_interval, quantity, tolerance_with_origin
from gate.report.headline import context, headline, status_word, tolerances
from gate.report.ordering import (
    KERNEL_LEVEL,
    Cause,
    attention,
    causes,
    next_steps,
    place,
    rows,
    split_step,
    subject,
    unproven,
    with_status,
)
from gate.report.text import count, name, one_line, paragraph
from gate.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.report.headline import Span
    from gate.verdict import Verdict

MARKER = "<!-- gpu-regression-gate -->"
# GitHub refuses comments of more than 65,536 characters.
MAX_CHARACTERS = 65_000
# What stands open, so that the next step is in sight; the rest is folded.
MAX_OPEN_ROWS = 10
MAX_OPEN_REASONS = 3
# Each section keeps its worst within its share; the green rows take what the others leave.
_SHARE_OPEN = 14_000
_SHARE_REASONS = 6_000
_SHARE_REST = 12_000
_SHARE_REST_REASONS = 6_000
_SHARE_STEPS = 4_000
_SHARE_ACCEPTED = 6_000
_SHARE_PROPOSED = 4_000
_SHARE_UNPROVEN = 4_000
# For the headers, the titles and the sentences on what was left out.
_RESERVE = 2_000
_MAX_MESSAGE = 1_000
_MAX_SENTENCE = 500
# A fenced block scrolls sideways instead of wrapping.
_WRAP = 100
# A table that is wider than its place hides its last columns, so cells do break, but not between a
# figure and its unit.
_UNBROKEN = "\N{NO-BREAK SPACE}"
# Words in which neither Markdown nor GitHub sees anything but words.
_PLAIN = re.compile(r"[A-Za-z ,']*")
_HEADER = """\
| kernel | workload | metric | baseline | candidate | change | tolerance | reason |
| --- | --- | --- | ---: | ---: | ---: | --- | --- |"""


def render(verdict: Verdict) -> str:
    """The comment, below MAX_CHARACTERS. MARKER, its first line, is invisible."""
    of_rows = rows(verdict)
    red = attention(of_rows)
    # One row a finding, so that each workload is named; elsewhere what is alike is one row.
    red_rows, reasons = [Cause(findings=(finding,)) for finding in red], causes(red)
    accepted = causes(with_status(of_rows, Status.ACCEPTED), by_kernel=True)
    quiet = with_status(of_rows, Status.IMPROVED, Status.UNCHANGED, Status.PASSED)
    green = causes(quiet, by_kernel=True)
    head, several = headline(verdict), _several(verdict)
    sections = [
        f"{MARKER}\n### {head.answer}: {_sentence(head.spans)}",
        _sentence(context(verdict, head)),
        _sentence(tolerances(verdict)),
        _table("", red_rows[:MAX_OPEN_ROWS], _SHARE_OPEN, several),
        _reasons(reasons[:MAX_OPEN_REASONS], _SHARE_REASONS),
        _steps(next_steps(red), _SHARE_STEPS),
        _table("**Accepted changes**", accepted, _SHARE_ACCEPTED, several),
        _reasons(accepted, _SHARE_ACCEPTED),
        _proposals(verdict, _SHARE_PROPOSED),
        _unproven(unproven(verdict, of_rows), _SHARE_UNPROVEN),
        _rest(red_rows[MAX_OPEN_ROWS:], reasons[MAX_OPEN_REASONS:], several),
    ]
    left = MAX_CHARACTERS - _RESERVE - sum(map(len, sections))
    sections.append(_green(green, left, several))
    return "\n\n".join(filter(None, sections)) + "\n"


# ----------------------------------------------------------------------------------- sections


def _several(verdict: Verdict) -> frozenset[str]:
    """The kernels of more than one JIT function: a row has to say which it is about."""
    named = {(finding.kernel, finding.function) for finding in verdict.findings if finding.function}
    numbers = Counter(kernel for kernel, _ in named)
    return frozenset(kernel for kernel, number in numbers.items() if number > 1)


def _table(title: str, found: Sequence[Cause], share: int, several: frozenset[str]) -> str:
    if not found:
        return ""
    rows_of = (_row(cause, named=cause.first.kernel in several) for cause in found)
    kept, more = _within(rows_of, len(found), share)
    table = "\n".join((_HEADER, *kept))
    return "\n\n".join(filter(None, (title, table, more)))


def _row(cause: Cause, *, named: bool) -> str:
    finding = cause.first
    compared = finding.comparison
    figures = ("-", "-", "-", "-")
    if compared is not None:
        figures = (
            quantity(compared.baseline, compared.unit).replace(" ", _UNBROKEN),
            quantity(compared.candidate, compared.unit).replace(" ", _UNBROKEN),
            change_with_interval(compared).replace(" %", f"{_UNBROKEN}%"),
            tolerance_with_origin(compared).replace(" %", f"{_UNBROKEN}%"),
        )
    workload = "all" if finding.workload == KERNEL_LEVEL else _code(name(finding.workload))
    metric = _words(subject(finding))
    if named and finding.function:
        metric += f" of {_code(name(finding.function))}"
    status = f"{status_word(finding.status)}: {_words(name(finding.reason.code).replace('_', ' '))}"
    cells = (_code(name(finding.kernel)), workload + cause.elsewhere, metric, *figures, status)
    return f"| {' | '.join(cells)} |"


def _proposals(verdict: Verdict, share: int) -> str:
    if not verdict.proposals:
        return ""
    title = f"**{proposals.TITLE.replace('baselines/', _code('baselines/'))}**"
    header = f"| workload | metric | {' | '.join(proposals.COLUMNS)} |"
    lines = (header, "| --- | --- | ---: | ---: | ---: | ---: |")
    found = proposals.rows(verdict)
    kept, more = _within(map(_proposed, found), len(found), share)
    said = [
        f"{_code(of)}:\n{_fenced(_wrapped(reason))}" for of, reason in proposals.reasons(verdict)
    ]
    why, unsaid = _within(iter(said), len(said), share)
    return "\n\n".join(filter(None, (title, "\n".join((*lines, *kept)), more, *why, unsaid)))


def _proposed(row: proposals.Row) -> str:
    of = f" of {_code(row.function)}" if row.function else ""
    figures = " | ".join(figure.replace(" ", _UNBROKEN) for figure in row.figures)
    return f"| {_code(row.place)} | {_words(row.metric)}{of} | {figures} |"


def _reasons(found: Sequence[Cause], share: int) -> str:
    kept, more = _within(map(_reason, found), len(found), share)
    return "\n\n".join(filter(None, (*kept, more)))


def _reason(cause: Cause) -> str:
    finding = cause.first
    where = f"{_code(place(finding))}{cause.elsewhere}"
    status = f"{status_word(finding.status)} ({_code(name(finding.reason.code))})"
    what = f"{where}: {_words(subject(finding))} {status}"
    of = f" of {_code(name(finding.function))}" if finding.function else ""
    if of or name(finding.subject) != subject(finding):
        what += f", {_code(name(finding.subject))}{of}"
    return f"{what}\n{_fenced(_wrapped(finding.reason.message))}"


def _wrapped(message: str) -> Iterator[str]:
    lines = (textwrap.wrap(line, _WRAP) for line in paragraph(message, _MAX_MESSAGE).split("\n"))
    return (line for wrapped in lines for line in wrapped or [""])


def _steps(steps: Sequence[str], share: int) -> str:
    if not steps:
        return ""
    kept, more = _within((one_line(s, _MAX_SENTENCE) for s in steps), len(steps), share)
    commands: dict[str, list[str]] = {}
    for part in (part for step in kept for part in step.split("; ")):
        when, command = split_step(part)
        typed = commands.setdefault(when, [])
        typed.extend([command] if command and command not in typed else [])
    blocks = (_block(when, typed) for when, typed in commands.items())
    return "\n\n".join(filter(None, ("**What to do next**", *blocks, more)))


def _block(when: str, commands: Sequence[str]) -> str:
    """What is to be typed stands alone, so that it can be copied; on what condition, before it."""
    prose = f"{_words(when)}:" if when else ""
    if not commands:
        return _words(when)
    return "\n\n".join(filter(None, (prose, _fenced(commands))))


def _unproven(sentences: Sequence[str], share: int) -> str:
    if not sentences:
        return ""
    items = (f"- {_code(one_line(s, _MAX_SENTENCE))}" for s in sentences)
    kept, more = _within(items, len(sentences), share)
    return "\n\n".join(filter(None, ("**Not checked**", "\n".join(kept), more)))


def _rest(of_table: Sequence[Cause], of_reasons: Sequence[Cause], several: frozenset[str]) -> str:
    """The red that does not stand open."""
    parts = (
        _table("", of_table, _SHARE_REST, several),
        _reasons(of_reasons, _SHARE_REST_REASONS),
    )
    numbers = (len(of_table), "more row"), (len(of_reasons), "more reason")
    summary = " and ".join(count(number, noun) for number, noun in numbers if number)
    return _folded(f"{summary}, worst first", *parts)


def _green(green: Sequence[Cause], share: int, several: frozenset[str]) -> str:
    number = sum(len(cause.findings) for cause in green)
    summary = f"{count(number, 'finding')} passed, unchanged or improved"
    return _folded(summary, _table("", green, share, several))


def _folded(summary: str, *parts: str) -> str:
    body = "\n\n".join(filter(None, parts))
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>" if body else ""


def _within(blocks: Iterator[str], total: int, share: int) -> tuple[list[str], str]:
    """The first blocks that fit into `share` characters, and a sentence on those that do not."""
    kept: list[str] = []
    for block in blocks:
        share -= len(block) + 2
        if share < 0:
            break
        kept.append(block)
    left_out = total - len(kept)
    return kept, f"... and {left_out:,} more, left out here; the JSON has all." if left_out else ""


# ----------------------------------------------------------------------------------- escaping


def _sentence(spans: Sequence[Span]) -> str:
    return "".join(_code(span.text) if span.foreign else span.text for span in spans)


def _words(text: str) -> str:
    return text if text.strip() and _PLAIN.fullmatch(text) else _code(text)


def _code(text: str) -> str:
    """A code span of one line. Names have no pipe, so that it can stand in a table."""
    return f"`{text.replace('`', chr(39))}`" if text.strip() else "`-`"


def _fenced(lines: Iterator[str] | Sequence[str]) -> str:
    text = "\n".join(lines)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
