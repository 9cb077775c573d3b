"""Two thousand results with figures recorded on an H100, judged, through every renderer."""

import time
from dataclasses import replace
from io import StringIO
from itertools import cycle
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from report_samples import verdict
from rich.console import Console
from test_report_annotations import assert_only_its_own_commands, nowhere
from test_report_hostile import (
    HOSTILE,
    assert_harmless_in_a_terminal,
    assert_harmless_in_markdown,
    everywhere,
)

from gate.documents import load_measurement
from gate.errors import ExitCode
from gate.judge import Stored, judge
from gate.model import Timing
from gate.report import annotations, junit, markdown, terminal
from tests.judging import RULES

ROOT = Path(__file__).parents[2]
RECORDED = load_measurement(ROOT / "tests" / "data" / "h100" / "measurement.json")
TIMED = [result for result in RECORDED.results if isinstance(result.timing, Timing)]
RESULTS = 2_000
# GitHub's: of a comment, in characters, and of a step's summary, in bytes.
COMMENT, SUMMARY = 65_536, 2**20
# .github/scripts/publish.sh adds a line that names two commits and the run.
ADDED = 500
SECONDS = 2.0
DURATIONS = ("min_ns", "q1_ns", "median_ns", "q3_ns", "max_ns")


def slowed(result, factor):
    timing = result.timing
    medians = tuple(median * factor for median in timing.process_medians_ns)
    samples = tuple(
        replace(s, **{key: getattr(s, key) * factor for key in DURATIONS}) for s in timing.samples
    )
    return replace(result, timing=replace(timing, process_medians_ns=medians, samples=samples))


def judged(*, share):
    """2,000 workloads as they were recorded, of which this share is slower, each by more."""
    stored = [replace(result, workload=f"w{i}") for i, result in zip(range(RESULTS), cycle(TIMED))]
    slower = [
        slowed(result, 1.05 + i / RESULTS) if i % 100 < share * 100 else result
        for i, result in enumerate(stored)
    ]
    baseline = replace(RECORDED, results=tuple(stored))
    return judge(
        replace(RECORDED, results=tuple(slower)),
        stored=Stored(load=lambda _kernel: baseline, folder="baselines/nvidia-h100-80gb-hbm3"),
        required=(),
        rules=RULES,
    )


def hostile():
    """The same number of findings, every name and word of which somebody made up."""
    every = [everywhere(text) for text in HOSTILE.values()]
    findings = [
        replace(finding, workload=f"w{i}{finding.workload[:99]}")
        for i, given in zip(range(RESULTS), cycle(every))
        for finding in given.findings
    ]
    return verdict(
        ExitCode.INCORRECT,
        *findings,
        not_checked=tuple(HOSTILE.values()),
        proposals=tuple(proposal for given in every for proposal in given.proposals),
    )


@pytest.fixture(scope="module", params=[0, 0.5, 1, "hostile"])
def given(request):
    return hostile() if request.param == "hostile" else judged(share=request.param)


def in_seconds(render, *arguments):
    """What it gives and the least of three times: what else the machine does is not its own."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        rendered = render(*arguments)
        seconds.append(time.perf_counter() - started)
    return rendered, min(seconds)


def in_terminal(given):
    console = Console(file=StringIO(), width=120)
    terminal.render(given, console)
    return console.file.getvalue()


def test_the_summary_and_the_comment_are_within_githubs_limits_in_time(given):
    text, seconds = in_seconds(markdown.render, given)
    assert seconds < SECONDS
    assert len(text) + ADDED < COMMENT
    assert len(text.encode()) + ADDED < SUMMARY


def test_a_terminal_shows_the_worst_in_time(given):
    text, seconds = in_seconds(in_terminal, given)
    assert seconds < SECONDS
    assert len(text.splitlines()) < 500


def test_there_are_ten_annotations_at_most_in_time(given):
    lines, seconds = in_seconds(annotations.commands, given, nowhere)
    assert seconds < SECONDS
    assert len(lines) == (0 if given.exit_code is ExitCode.PASSED else annotations.MAX_SHOWN + 1)


def test_junit_has_every_finding_in_time(given):
    text, seconds = in_seconds(junit.render, given)
    assert seconds < 2 * SECONDS
    cases = len(list(ET.fromstring(text.encode()).iter("testcase")))
    assert cases == len(given.findings) + len(given.not_checked)


def test_nothing_in_two_thousand_hostile_results_gets_out_of_its_place():
    given = hostile()
    assert_harmless_in_markdown(markdown.render(given), folds=2)
    assert_harmless_in_a_terminal(in_terminal(given))
    assert_only_its_own_commands("\n".join(annotations.commands(given, nowhere)))
