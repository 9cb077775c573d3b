"""Reports: fakes with the faults that ncu_report hides, real files that are none, recorded ones."""

import math
import sys

import pytest
from ncu_fakes import LOGS, NAMES, FakeAction, FakeMetric, FakeRange, FakeReport

from gate import ncu_report_reader
from gate.metrics import DURATION, GRID_SIZE, REQUIRED
from gate.ncu_failures import ProfilingFailed
from gate.ncu_launches import MISSING, NOT_A_NUMBER, merge, split
from gate.ncu_report_reader import launches_of, package_problem, read_report

RECORDED = sorted(LOGS.glob("h100_*.ncu-rep"))


def reason_of(action, *arguments):
    with pytest.raises(ProfilingFailed) as caught:
        action(*arguments)
    return caught.value.failure.reason


def test_launches_come_in_the_order_of_all_ranges():
    first = FakeRange(FakeAction("a"), FakeAction("b"))
    launches = launches_of(FakeReport(first, FakeRange(FakeAction("c"))), [])
    assert [x.name for x in launches] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("metric", "fault"),
    [
        (None, MISSING),
        (FakeMetric(None), NOT_A_NUMBER),
        (FakeMetric("n/a", kind=2), NOT_A_NUMBER),
        (FakeMetric(1.0, kind=0), NOT_A_NUMBER),
        (FakeMetric(1.0, kind=1), NOT_A_NUMBER),
        (FakeMetric(math.nan), NOT_A_NUMBER),
        (FakeMetric(math.inf), NOT_A_NUMBER),
    ],
)
def test_what_is_no_finite_number_is_a_fault(metric, fault):
    metrics = {DURATION: metric} if metric else {}
    (launch,) = launches_of(FakeReport(FakeRange(FakeAction("k", **metrics))), [DURATION])
    assert launch.faults == {DURATION: fault}
    assert launch.values == {}


@pytest.mark.parametrize("metric", [FakeMetric(7.0, 3), FakeMetric(7.0), FakeMetric(7, 5)])
def test_numbers_of_every_kind_are_read(metric):
    (launch,) = launches_of(FakeReport(FakeRange(FakeAction("k", grid=metric))), ["grid"])
    assert launch.values == {"grid": 7.0}


def test_a_launch_that_is_not_there_has_no_name():
    launches = launches_of(FakeReport(FakeRange(None, FakeAction(""))), [DURATION])
    assert [x.name for x in launches] == ["", ""]


def test_a_report_without_ranges_is_none():
    assert reason_of(launches_of, FakeReport(), []) == "report_unreadable"


def test_a_report_without_launches_has_profiled_nothing():
    assert reason_of(launches_of, FakeReport(FakeRange()), []) == "no_kernels_profiled"


def test_a_report_that_was_not_written_is_unreadable(tmp_path):
    assert reason_of(read_report, tmp_path / "absent.ncu-rep", NAMES) == "report_unreadable"
    (tmp_path / "empty.ncu-rep").touch()
    assert reason_of(read_report, tmp_path / "empty.ncu-rep", NAMES) == "report_unreadable"


@pytest.mark.parametrize("content", [b"hello", bytes(5000), bytes(range(256)) * 50])
def test_a_file_that_is_no_report_is_unreadable(tmp_path, content):
    pytest.importorskip("ncu_report")
    file = tmp_path / "garbage.ncu-rep"
    file.write_bytes(content)
    assert reason_of(read_report, file, NAMES) == "report_unreadable"


def test_ncus_own_copy_serves_where_the_package_is_missing(tmp_path, monkeypatch):
    toolkit = tmp_path / "nsight-compute-2025.3.1"
    copy = toolkit / "extras" / "python"
    copy.mkdir(parents=True)
    (copy / "ncu_report.py").write_text("raise ImportError('for another Python')")
    wrapper = tmp_path / "bin" / "ncu"
    wrapper.parent.mkdir()
    wrapper.touch()
    monkeypatch.setattr(ncu_report_reader, "OPT", tmp_path / "nowhere")
    # The package itself is hidden behind one that cannot be imported either.
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "ncu_report.py").write_text("raise ImportError('hidden')")
    monkeypatch.syspath_prepend(str(hidden))
    monkeypatch.delitem(sys.modules, "ncu_report", raising=False)
    assert "not installed" in package_problem(wrapper)
    (copy / "ncu_report.py").write_text("load_report = 'own'")
    assert package_problem(wrapper) == ""
    assert sys.modules["ncu_report"].load_report == "own"
    monkeypatch.delitem(sys.modules, "ncu_report")
    assert str(copy) not in sys.path


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_a_recorded_report_gives_every_required_metric(file):
    pytest.importorskip("ncu_report")
    (calls,) = split(read_report(file, NAMES), [3])
    block, *_ = merge(calls, NAMES)
    for values in block.values():
        assert values.keys() >= REQUIRED
        assert type(values[GRID_SIZE]) is int
        assert values[DURATION] > 0
