"""A verdict as JUnit XML, in the shape that Jenkins' and GitLab's readers share.

A kernel is a suite and a finding a case. What broke is a failure, what could not be judged an
error, what was not asked for is skipped: only what was proven passes.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from gate.errors import ExitCode
from gate.report.figures import sentence
from gate.report.headline import headline
from gate.report.ordering import needs_attention, rows
from gate.report.text import first_line, name, one_line, paragraph
from gate.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.verdict import Finding, Verdict

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# The suite of what belongs to no kernel; a kernel's name has no blank.
_OWN_SUITE = "gpu regression gate"
_OUTCOMES = {
    Status.FAILED: "failure",
    Status.REGRESSED: "failure",
    Status.MISSING: "error",
    Status.INCONCLUSIVE: "error",
    Status.NOT_CHECKED: "skipped",
}
_TOTALS = {"failures": "failure", "errors": "error", "skipped": "skipped"}
_MAX_TITLE = 300
_MAX_MESSAGE = 4_000


def render(verdict: Verdict) -> str:
    """The document as text, to be written as UTF-8."""
    root = ET.Element("testsuites", name=_OWN_SUITE)
    by_kernel = sorted((f for row in rows(verdict) for f in row.findings), key=lambda f: f.kernel)
    for kernel, findings in groupby(by_kernel, key=lambda f: f.kernel):
        suite = ET.SubElement(root, "testsuite", name=name(kernel))
        seen: Counter[tuple[str, str]] = Counter()
        for finding in findings:
            suite.append(_case(finding, seen))
    _append_own(root, verdict)
    for suite in root:
        _count(suite, suite, _TOTALS)
    # The common schema knows no skipped cases at the root.
    _count(root, root, {"failures": "failure", "errors": "error"})
    ET.indent(root)
    return _DECLARATION + ET.tostring(root, encoding="unicode") + "\n"


def _case(finding: Finding, seen: Counter[tuple[str, str]]) -> ET.Element:
    function = f"[{name(finding.function)}]" if finding.function else ""
    title = name(finding.subject) + function
    group = f"{name(finding.kernel)}.{name(finding.workload)}"
    seen[group, title] += 1
    # GitLab keeps one case of those that share both names.
    number = seen[group, title]
    case = _new_case(group, title if number == 1 else f"{title} ({number})")
    outcome = _outcome(finding)
    if outcome is not None:
        _conclude(case, outcome, finding.reason.code, _words(finding))
    elif finding.comparison is not None:
        ET.SubElement(case, "system-out").text = sentence(finding.comparison)
    return case


def _outcome(finding: Finding) -> str | None:
    expected = "failure" if needs_attention(finding) else None
    return _OUTCOMES.get(finding.status, expected)


def _append_own(root: ET.Element, verdict: Verdict) -> None:
    """What no finding says, and a verdict that would otherwise look green."""
    suite = ET.Element("testsuite", name=_OWN_SUITE)
    for number, said in enumerate(verdict.not_checked, start=1):
        case = _new_case(_OWN_SUITE, f"not checked {number}")
        _conclude(case, "skipped", "not_checked", said)
        suite.append(case)
    failed = any(map(needs_attention, verdict.findings))
    if verdict.exit_code is not ExitCode.PASSED and not failed:
        case = _new_case(_OWN_SUITE, "verdict")
        _conclude(case, "error", verdict.exit_code.name.lower(), headline(verdict).plain())
        suite.append(case)
    if len(suite):
        root.append(suite)


def _new_case(group: str, title: str) -> ET.Element:
    # A verdict holds no durations of its steps, and some readers stumble where `time` is absent.
    return ET.Element("testcase", classname=group, name=title, time="0")


def _conclude(case: ET.Element, outcome: str, code: str, words: str) -> None:
    element = ET.SubElement(case, outcome, type=name(code), message=first_line(words, _MAX_TITLE))
    element.text = paragraph(words, _MAX_MESSAGE)


def _words(finding: Finding) -> str:
    step = f"next: {one_line(finding.next_step, _MAX_TITLE)}" if finding.next_step else ""
    figures = sentence(finding.comparison) if finding.comparison else ""
    parts = (paragraph(finding.reason.message, _MAX_MESSAGE // 2), figures, step)
    return "\n".join(filter(None, parts))


def _count(element: ET.Element, within: ET.Element, totals: dict[str, str]) -> None:
    element.set("tests", str(_number(within.iter("testcase"))))
    for attribute, outcome in totals.items():
        element.set(attribute, str(_number(within.iter(outcome))))


def _number(elements: Iterator[ET.Element]) -> int:
    return sum(1 for _ in elements)
