"""Each gated metric over the versions of a baseline, and how that is shown."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from gate.history import Version, series
from gate.model import DRAM_THROUGHPUT, RUNTIME, SM_THROUGHPUT, Anchor
from gate.report import history as report
from tests.factories import (
    FUNCTION,
    METRICS,
    TEST_ONLY,
    baseline,
    result,
    static_result,
    timing,
)


def anchored(document, value):
    anchors = {"flagship": {RUNTIME: Anchor(value=value, commit="a" * 40, date="2026-11-20")}}
    return replace(document, baseline=replace(document.baseline, anchors=anchors))


def version(number, document=None, unreadable=""):
    return Version(
        commit=f"{number:040d}",
        date=f"2026-11-{number:02d}T08:00:00Z",
        baseline=document,
        unreadable=unreadable,
    )


def measured(runtime, **changes):
    return result(timing=timing((runtime,) * 3), **changes)


def points(versions, metric=RUNTIME):
    (found,) = (s for s in series(versions) if s.metric == metric)
    return found.points


THREE = (
    version(1, anchored(baseline(measured(100.0)), 100.0)),
    version(2, unreadable="$.schema_version: this gate reads version 1 only"),
    version(3, anchored(baseline(measured(110.0)), 100.0)),
    version(4, anchored(baseline(measured(99.0)), 99.0)),
)


def test_a_point_is_told_against_the_one_before_and_against_the_best():
    found = points(THREE)
    assert [p.value for p in found] == [100.0, 110.0, 99.0]
    assert [p.version.commit for p in found] == [THREE[n].commit for n in (0, 2, 3)]
    assert [p.change for p in found] == [None, pytest.approx(0.1), pytest.approx(-0.1)]
    assert [p.from_anchor for p in found] == [0.0, pytest.approx(0.1), 0.0]


def test_every_gated_metric_has_a_series_and_others_have_none():
    assert [s.metric for s in series(THREE)] == [RUNTIME, SM_THROUGHPUT, DRAM_THROUGHPUT]
    only = version(5, baseline(result(gates=(RUNTIME,))))
    assert [s.metric for s in series([only])] == [RUNTIME]
    bare = version(5, baseline(result(timing=TEST_ONLY, static=TEST_ONLY, ncu=TEST_ONLY)))
    assert series([bare]) == ()


def test_the_least_busy_function_speaks_for_a_workload():
    ncu = {FUNCTION: dict(METRICS), "other": {**METRICS, SM_THROUGHPUT: 12.5}}
    assert points([version(1, baseline(result(ncu=ncu)))], SM_THROUGHPUT)[0].value == 12.5


def test_another_definition_or_signature_is_no_change():
    for redefined in ({"definition": "e" * 64}, {"signature": ("float32[1]",)}):
        last = version(2, baseline(measured(50.0, **redefined)))
        found = points([version(1, baseline(measured(100.0))), last])
        assert [(p.change, p.redefined) for p in found] == [(None, False), (None, True)]


def test_compiled_figures_have_series_of_their_own():
    found = series([version(n, baseline(static_result(), gpu=None)) for n in (1, 2)])
    assert {s.metric for s in found} >= {"static.spill_bytes", "static.theoretical_occupancy"}
    spills = next(s for s in found if s.metric == "static.spill_bytes")
    assert [p.change for p in spills.points] == [None, 0.0]


def test_a_workload_that_is_gone_comes_last():
    before = version(1, baseline(result(workload="a"), result(workload="b")))
    found = series([before, version(2, baseline(result(workload="b")))])
    assert list(dict.fromkeys(s.workload for s in found)) == ["b", "a"]


def shown(*histories, encoding="utf-8"):
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    report.render(histories, Console(file=out, width=110))
    return raw.getvalue().decode(encoding)


def test_a_table_names_commit_date_value_changes_and_reason():
    text = shown(("gpu/conv", THREE))
    assert "gpu/conv: 4 versions" in text
    assert "000000000000 2026-11-02 does not read: $.schema_version" in text
    assert "flagship runtime  \u2582\u2588\u2581" in text
    row = next(line for line in text.splitlines() if "110.0 ns" in line)
    assert row.split() == [*("0" * 12, "2026-11-03", "110.0", "ns", "+10.0", "%", "+10.0", "%")]
    assert "000000000000 2026-11-03 first baseline" in text


def test_a_terminal_without_bars_gets_digits_and_hostile_words_are_spelt_out():
    nasty = baseline(measured(100.0))
    nasty = replace(nasty, baseline=replace(nasty.baseline, reason="[red]\x1b[31m\nnext"))
    text = shown(
        ("gpu/conv", (version(1, nasty), version(2, unreadable="\x1b[2J"))), encoding="ascii"
    )
    assert "flagship runtime  4" in text
    assert "[red]\\x1b[31m next" in text
    assert "\x1b" not in text


def test_a_redefined_workload_says_so_and_nothing_stored_names_the_command():
    both = (
        version(1, baseline(measured(100.0))),
        version(2, baseline(measured(9.0, signature=()))),
    )
    assert "redefined" in shown(("gpu/conv", both))
    assert "gate baseline refresh" in shown()
    assert "it was never committed" in shown(("gpu/conv", ()))


@pytest.mark.parametrize(
    ("values", "line"), [([1.0], "4"), ([2.0, 2.0], "44"), ([1.0, 2.0, 8.0], "128")]
)
def test_a_sparkline_spans_its_own_values(values, line):
    assert report.sparkline(values, report.DIGITS) == line
