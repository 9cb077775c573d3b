"""The parent's side of timing, with a stand-in for the processes that measure."""

import json
from pathlib import Path

import pytest

from gate import timing
from gate.kernels import KernelFolder, Workload
from gate.model import NotMeasured, Timing
from gate.processes import Completed
from tests.factories import H100

STATE = {
    "sm_clock_mhz": 1980,
    "memory_clock_mhz": 2619,
    "temperature_c": 40,
    "power_w": 300.0,
    "throttle_reasons": [],
    "other_processes": 0,
}
LINE = {
    "workload": "flagship",
    "signature": ["float32[4]", "3"],
    "method": "cuda_graph",
    "samples_ns": [101.0, 100.0, 102.0, 103.0, 104.0],
    "batch": 50,
    "l2_flush_bytes": 1000,
    "state": STATE,
}


@pytest.fixture
def worker(monkeypatch):
    """`worker(lines, ...)` makes the next worker write these lines and end so."""

    def answer(lines, *, returncode=0, timed_out=False, stderr=""):
        def run(argv, **_how):
            file = Path(json.loads(Path(argv[-1]).read_text())["answer"])
            file.write_text(
                "".join(x if isinstance(x, str) else json.dumps(x) + "\n" for x in lines)
            )
            return Completed(
                returncode=returncode, stdout="", stderr=stderr, timed_out=timed_out, seconds=1.0
            )

        monkeypatch.setattr(timing.processes, "run", run)

    return answer


def measured(tmp_path, *names):
    workloads = tuple(Workload(name=name) for name in names or ("flagship",))
    return timing.measure(
        KernelFolder(name="conv", path=tmp_path, workloads=workloads),
        workloads,
        gpu=H100,
        fresh_processes=3,
        seed=1,
        timeout_s=10.0,
    )


def test_each_process_gives_its_median_and_a_summary(tmp_path, worker):
    worker([LINE] * 3)
    timings, signatures = measured(tmp_path)
    assert timings["flagship"].process_medians_ns == (102.0, 102.0, 102.0)
    summary = timings["flagship"].samples[0]
    assert (summary.min_ns, summary.q1_ns, summary.q3_ns, summary.max_ns) == (100, 101, 103, 104)
    assert (summary.count, summary.sm_clock_mhz) == (5, 1980)
    assert signatures == {"flagship": ("float32[4]", "3")}


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [LINE] * 2,
        [LINE] * 4,
        [LINE, LINE, "not json\n"],
        [LINE, LINE, "[" * 100_000],
        [LINE, LINE, "3\n"],
        [LINE, LINE, {**LINE, "samples_ns": []}],
        [LINE, LINE, {**LINE, "samples_ns": [-1.0]}],
        [LINE, LINE, {**LINE, "samples_ns": ["x"]}],
        [LINE, LINE, '{"samples_ns": NaN}\n'],
        [LINE, LINE, {**LINE, "samples_ns": [float("nan")]}],
        [LINE, LINE, {**LINE, "samples_ns": [float("inf")]}],
        [LINE, LINE, {**LINE, "method": "guess"}],
        [LINE, LINE, {**LINE, "method": "held_queue"}],
        [LINE, LINE, {**LINE, "state": None}],
        [LINE, LINE, {**LINE, "extra": 1}],
        [LINE, LINE, {**LINE, "state": 5}],
        [LINE, LINE, {**LINE, "signature": 5}],
    ],
)
def test_too_few_too_many_and_unlike_lines_are_no_timing(tmp_path, worker, lines):
    worker(lines, stderr="flagship: process 2 was ended by SIGSEGV")
    gap = measured(tmp_path)[0]["flagship"]
    assert isinstance(gap, NotMeasured)
    assert (gap.status, gap.reason) == ("failed", "crashed")
    assert "SIGSEGV" in gap.message


def test_a_hang_is_told_apart_from_a_crash(tmp_path, worker):
    worker([LINE], returncode=-9, timed_out=True)
    assert measured(tmp_path)[0]["flagship"].reason == "timed_out"


def test_one_workload_that_breaks_does_not_take_the_others_with_it(tmp_path, worker):
    worker([LINE] * 3 + [{**LINE, "workload": "small"}])
    timings, _ = measured(tmp_path, "flagship", "small")
    assert isinstance(timings["flagship"], Timing)
    assert timings["small"].reason == "crashed"


@pytest.mark.parametrize(
    ("reason", "harmful"),
    [("hw_thermal_slowdown", True), ("hw_slowdown", True), ("sw_power_cap", False)],
)
def test_figures_of_a_gpu_that_slowed_itself_down_do_not_count(tmp_path, worker, reason, harmful):
    throttled = {**LINE, "state": {**STATE, "throttle_reasons": [reason]}}
    worker([LINE, LINE, throttled])
    timed = measured(tmp_path)[0]["flagship"]
    assert isinstance(timed, NotMeasured) == harmful
    assert not harmful or (timed.reason == "throttled" and reason in timed.message)
