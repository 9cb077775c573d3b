"""The verdict in one sentence, and one workload in a few words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.errors import ExitCode
from gate.model import GATED_METRICS
from gate.report.figures import moved, origin, tolerance
from gate.report.ordering import attention, causes, place, rows, subject, unproven
from gate.report.text import count, first_line, name, one_line
from gate.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.report.ordering import Cause, Row
    from gate.verdict import Finding, Verdict

_MAX_QUOTE = 200  # holds what correctness says of a wrong output
_MAX_PATH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of a sentence; `foreign` where the words are not the gate's own."""

    text: str
    foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """`answer`, such as `PASSED`, and the spans that follow its colon."""

    answer: str
    spans: tuple[Span, ...]

    def plain(self) -> str:
        return f"{self.answer}: {''.join(span.text for span in self.spans)}"


def headline(verdict: Verdict) -> Headline:
    of_rows = rows(verdict)
    open_causes = causes(attention(of_rows))
    code = verdict.exit_code
    if code is ExitCode.PASSED:
        return Headline(answer="PASSED", spans=_passed(verdict, of_rows, open_causes))
    answer = f"FAILED {code.name.lower()} (exit {code.value})"
    if open_causes:
        return Headline(answer=answer, spans=_failed(open_causes[0], len(open_causes) - 1))
    why = next(iter(unproven(verdict, of_rows)), "no finding says why")
    return Headline(answer=answer, spans=(Span(text=one_line(why, _MAX_QUOTE), foreign=True),))


def context(verdict: Verdict, head: Headline) -> tuple[Span, ...]:
    """The GPU, and the folder of baselines where the headline does not name it."""
    gpu = Span(text=one_line(verdict.gpu or "", _MAX_PATH), foreign=True)
    where = (Span(text="On "), gpu) if verdict.gpu else (Span(text=_without_gpu(verdict)),)
    folder = _folder(verdict)
    return where if folder in head.spans else (*where, Span(text=", against "), folder)


def _without_gpu(verdict: Verdict) -> str:
    """The judge lets no other tests than the interpreter's pass without a GPU."""
    ended = (Status.PASSED, Status.FAILED)
    tested = any(f.subject == "correctness" and f.status in ended for f in verdict.findings)
    return "Without a GPU" + (", tested in Triton's interpreter" if tested else "")


def _folder(verdict: Verdict) -> Span:
    return Span(text=one_line(verdict.baseline_folder, _MAX_PATH), foreign=True)


def _failed(cause: Cause, others: int) -> tuple[Span, ...]:
    compared = cause.first.comparison
    where = Span(text=place(cause.first), foreign=True)
    what = Span(text=subject(cause.first), foreign=True)
    rest = Span(text=f"; and {count(others, 'more finding')}" if others else "")
    if compared is None:
        said = Span(text=first_line(cause.first.reason.message, _MAX_QUOTE), foreign=True)
        return (where, Span(text=f"{cause.elsewhere}: "), what, Span(text=": "), said, rest)
    by = Span(text=f" {moved(compared)} (")
    if cause.first.status is Status.MISSING:
        # It moved and is not judged: not by how much, but why, is what broke.
        code = Span(text=name(cause.first.reason.code), foreign=True)
        return (where, Span(text=" "), what, by, code, Span(text=")"), rest)
    within = Span(text=f"tolerance {tolerance(compared)})")
    return (where, Span(text=" "), what, by, within, rest)


def _passed(
    verdict: Verdict, of_rows: Sequence[Row], warnings: Sequence[Cause]
) -> tuple[Span, ...]:
    """Claims only what was proven, and says in the same breath that something was not."""
    correct = sum(map(_is_correct, of_rows))
    findings = [f for row in of_rows for f in row.findings]
    parts = (
        f"{count(correct, 'workload')} correct" if correct else "",
        count(len(warnings), "warning") if warnings else "",
        _accepted_words(findings),
        _compared_words(findings, "gated metric"),
    )
    claim = ", ".join(filter(None, parts)) or "nothing was proven"
    open_end = "; not everything was checked, see below" if unproven(verdict, of_rows) else ""
    if not any(map(_is_compared, findings)):
        return (Span(text=claim + open_end),)
    return (Span(text=f"{claim} against "), _folder(verdict), Span(text=open_end))


def tolerances(verdict: Verdict) -> tuple[Span, ...]:
    """How much each metric was allowed to move, the widest by name; empty where nothing passed.

    A failed comparison tells its own tolerance; what passed, passed within one nobody else says.
    """
    if verdict.exit_code is not ExitCode.PASSED:
        return ()
    spans: list[Span] = []
    for metric in GATED_METRICS:
        found = [f for f in verdict.findings if f.subject == metric and f.comparison]
        if found:
            spans += (Span(text=", " if spans else "tolerances: "), *_range(found, verdict))
    return tuple(spans)


def _range(found: Sequence[Finding], verdict: Verdict) -> tuple[Span, ...]:
    """`runtime 1.0 to 2.47 % (small, baseline's noise)`."""
    by_width = sorted((f for f in found if f.comparison), key=_tolerance)
    least, widest = by_width[0].comparison, by_width[-1].comparison
    assert least is not None
    assert widest is not None
    lowest, highest = tolerance(least), tolerance(widest)
    if lowest == highest:
        return (Span(text=f"{subject(by_width[-1])} {highest} ({origin(widest)})"),)
    one_kernel = len({f.kernel for f in verdict.findings}) == 1
    where = name(by_width[-1].workload) if one_kernel else place(by_width[-1])
    return (
        Span(text=f"{subject(by_width[-1])} {lowest.removesuffix(' %')} to {highest} ("),
        Span(text=where, foreign=True),
        Span(text=f", {origin(widest)})"),
    )


def _tolerance(finding: Finding) -> float:
    return finding.comparison.tolerance if finding.comparison else 0.0


def row_words(row: Row) -> str:
    """What is known of a workload whose figures are not shown."""
    if row.needs_attention:
        return status_word(row.status)
    skipped = sorted({subject(f) for f in row.findings if f.status is Status.NOT_CHECKED})
    parts = (
        "correct" if _is_correct(row) else "",
        _compared_words(row.findings, "metric"),
        _accepted_words(row.findings),
        f"{', '.join(skipped)} not checked" if skipped else "",
    )
    return ", ".join(filter(None, parts)) or status_word(row.status)


def status_word(status: Status) -> str:
    return status.value.replace("_", " ")


def _is_correct(row: Row) -> bool:
    finding = row.find("correctness")
    return finding is not None and finding.status is Status.PASSED


def _is_compared(finding: Finding) -> bool:
    return finding.status in (Status.UNCHANGED, Status.IMPROVED)


def _compared_words(findings: Iterable[Finding], noun: str) -> str:
    compared = [f for f in findings if _is_compared(f)]
    if not compared:
        return ""
    better = " or improved" if any(f.status is Status.IMPROVED for f in compared) else ""
    # What a compiler made is no proof of speed, and must not sound like one.
    compiled = all(f.subject.startswith("static.") for f in compared)
    of_code = " of compiled code" if compiled else ""
    return f"{count(len(compared), noun)}{of_code} unchanged{better}"


def _accepted_words(findings: Iterable[Finding]) -> str:
    accepted = sum(f.status is Status.ACCEPTED for f in findings)
    return f"{count(accepted, 'change')} accepted" if accepted else ""
