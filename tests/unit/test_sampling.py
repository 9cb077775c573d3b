"""How many processes are taken, and of which code; a stand-in for the GPU makes up figures."""

import random
from dataclasses import replace

import pytest

from gate.model import NotMeasured
from gate.sampling import (
    CANARY,
    CANARY_PROCESSES,
    MAX_RETAKEN,
    Base,
    Lost,
    Rules,
    Sampler,
    TimedProcess,
)
from gate.timing import summarise
from tests.factories import timing

STORED = tuple(100_000.0 * (1 + k * 1e-4) for k in (-2, -1, -1, 0, 0, 0, 0, 1, 1, 1, 2, 0))
BASE = Base(commit="a" * 40, kernel_sha256="b" * 64)


def process(median, *, throttled=()):
    return TimedProcess(
        signature=("float32[4]",),
        medians_ns={"forward": median, "copy": 1.8 * median, "compute": 70_000.0},
        summary=summarise([median] * 3, 1980, 2),
        batch=50,
        l2_flush_bytes=1000,
        throttled=throttled,
    )


class Gpu:
    """`speeds` gives each (workload, arm) its nanoseconds, or what else an order comes back as."""

    def __init__(self, **speeds):
        self.speeds, self.seen, self.random = speeds, [], random.Random(1)

    def __call__(self, order):
        self.seen.append(order)
        key = "canary" if order.workload == CANARY else f"{order.workload}_{order.arm}"
        made = self.speeds.get(key, 100_000.0)
        if callable(made):
            made = made(order)
        if isinstance(made, float):
            made = process(made * (1 + self.random.gauss(0, 1e-4)))
        return made

    def count(self, workload, arm="candidate"):
        return sum(order.workload == workload and order.arm == arm for order in self.seen)


def sampled(gpu, *names, canary=False, moved=lambda _: "", overdue=lambda: False, **rules):
    stored = {name: timing(STORED) for name in names}
    rules = Rules(**{"stored": stored, "floor": 0.01, "base": BASE, **rules})
    sampler = Sampler(gpu, rules, order=random.Random(1), overdue=overdue)
    return sampler.run(names, canary=canary, moved=moved)


def test_what_is_plainly_unchanged_takes_one_look():
    gpu = Gpu()
    timings = sampled(gpu, "flagship", "small").timings
    assert {gpu.count("flagship"), gpu.count("small")} == {3}
    assert gpu.count("flagship", "base") == 0
    assert len(timings["flagship"].process_medians_ns) == 3
    assert timings["flagship"].base is None


def test_what_is_near_the_tolerance_takes_more_looks_and_only_that():
    gpu = Gpu(flagship_candidate=100_990.0)
    timings = sampled(gpu, "flagship", "small", base=None).timings
    assert gpu.count("flagship") == len(timings["flagship"].process_medians_ns) == 20
    assert gpu.count("small") == 3


def test_time_that_is_up_ends_the_looks():
    gpu = Gpu(flagship_candidate=100_990.0)
    sampled(gpu, "flagship", base=None, overdue=lambda: True)
    assert gpu.count("flagship") == 3


def test_a_suspect_is_timed_in_turn_with_the_base_revision():
    gpu = Gpu(flagship_candidate=120_000.0)
    made = sampled(gpu, "flagship", "small").timings["flagship"]
    assert gpu.count("flagship", "base") == 3
    assert gpu.count("small", "base") == 0
    assert made.base.commit == BASE.commit
    assert max(made.base.process_medians_ns) < 101_000 < min(made.base.candidate_medians_ns)
    arms = [order.arm for order in gpu.seen[-6:]]
    assert sorted(arms) == ["base"] * 3 + ["candidate"] * 3
    assert arms != sorted(arms), "in turn, not one after the other"


def test_a_machine_that_moved_makes_a_suspect_of_everything():
    gpu = Gpu()
    made = sampled(gpu, "flagship", canary=True, moved=lambda canary: f"{canary.copy_ns}")
    assert made.canary.compute_ns == (70_000.0,) * CANARY_PROCESSES
    assert gpu.count("flagship", "base") == 3


@pytest.mark.parametrize(("noise", "processes"), [(1e-4, 3), (3e-3, 8)])
def test_a_noisy_canary_is_looked_at_again(noise, processes):
    spread = iter([1.0, 1 + noise, 1 - noise] * 3)
    gpu = Gpu(canary=lambda _: process(100_000.0 * next(spread)))
    made = sampled(gpu, "flagship", canary=True)
    assert len(made.canary.copy_ns) == len(made.canary.compute_ns) == processes


def test_another_toolchain_has_code_judged_against_code():
    gpu = Gpu()
    made = sampled(gpu, "flagship", stored={}, suspect="triton 3.6 -> 3.7").timings["flagship"]
    assert len(made.process_medians_ns) == 5
    assert len(made.base.process_medians_ns) == 3


def test_a_number_of_processes_that_was_asked_for_is_kept_to():
    gpu = Gpu(flagship_candidate=100_990.0)
    sampled(gpu, "flagship", processes=12, base=None)
    assert gpu.count("flagship") == 12


def test_a_method_that_fails_is_followed_by_the_next_from_the_start():
    def made(order):
        if order.method == "events":
            return 100_000.0
        return Lost(reason="method", message="it cannot be captured")

    gpu = Gpu(flagship_candidate=made)
    result = sampled(gpu, "flagship").timings["flagship"]
    assert result.method == "events"
    assert len(result.process_medians_ns) == 3


def test_figures_of_two_methods_are_never_mixed():
    calls = []

    def made(order):
        calls.append(order)
        if order.method == "cuda_graph" and len(calls) == 2:
            return Lost(reason="method", message="this once it cannot be captured")
        return 100_000.0 if order.method == "cuda_graph" else 104_000.0

    result = sampled(Gpu(flagship_candidate=made), "flagship").timings["flagship"]
    assert result.method == "held_queue"
    assert min(result.process_medians_ns) > 103_000


@pytest.mark.parametrize("reason", ["crashed", "timed_out", "wrong_timed_output", "no_duration"])
def test_a_lost_process_is_that_workloads_gap_alone(reason):
    gpu = Gpu(flagship_candidate=lambda _: Lost(reason=reason, message="why"))
    timings = sampled(gpu, "flagship", "small").timings
    gap = timings["flagship"]
    assert isinstance(gap, NotMeasured)
    assert (gap.status, gap.reason, gap.message) == ("failed", reason, "why")
    assert not isinstance(timings["small"], NotMeasured)


def test_a_base_revision_that_breaks_does_not_break_the_candidate():
    gpu = Gpu(
        flagship_candidate=120_000.0, flagship_base=lambda _: Lost(reason="crashed", message="x")
    )
    made = sampled(gpu, "flagship").timings["flagship"]
    assert made.base is None
    assert len(made.process_medians_ns) == 3


def test_what_hangs_is_waited_for_once():
    gpu = Gpu(flagship_candidate=lambda _: Lost(reason="timed_out", message="120 s"))
    sampled(gpu, "flagship", "small", processes=20)
    assert (gpu.count("flagship"), gpu.count("small")) == (1, 20)


def test_a_method_that_fails_only_in_turn_leaves_what_the_looks_found():
    def made(_):
        if gpu.count("flagship") > 3:
            return Lost(reason="method", message="this once it cannot be captured")
        return 120_000.0

    gpu = Gpu(flagship_candidate=made)
    timing = sampled(gpu, "flagship").timings["flagship"]
    assert (timing.method, len(timing.process_medians_ns)) == ("cuda_graph", 3)
    assert timing.base is None
    assert gpu.count("flagship") == 4


@pytest.mark.parametrize("taken", range(CANARY_PROCESSES))
def test_a_canary_that_is_not_whole_is_none(taken):
    def made(_):
        lost = Lost(reason="crashed", message="out of memory")
        return 100_000.0 if gpu.count(CANARY, "canary") <= taken else lost

    def moved(_canary):
        raise AssertionError

    gpu = Gpu(canary=made)
    made_of_it = sampled(gpu, "flagship", canary=True, moved=moved)
    assert made_of_it.canary is None
    assert len(made_of_it.timings["flagship"].process_medians_ns) == 3


def test_throttled_figures_are_taken_again_and_counted():
    hot = iter([True, False, False, False, False])

    def made(_):
        return process(130_000.0, throttled=("hw_slowdown",)) if next(hot) else 100_000.0

    result = sampled(Gpu(flagship_candidate=made), "flagship").timings["flagship"]
    assert result.retaken == 1
    assert len(result.process_medians_ns) == 3
    assert max(result.process_medians_ns) < 101_000


def test_a_card_that_goes_on_throttling_is_a_gap():
    hot = process(130_000.0, throttled=("hw_thermal_slowdown",))
    gpu = Gpu(flagship_candidate=lambda _: hot)
    gap = sampled(gpu, "flagship").timings["flagship"]
    assert gap.reason == "throttled"
    assert "hw_thermal_slowdown" in gap.message
    assert gpu.count("flagship") <= MAX_RETAKEN + 3


def test_a_baseline_of_another_method_decides_nothing():
    gpu = Gpu()
    stored = {"flagship": replace(timing(STORED), method="events")}
    made = sampled(gpu, "flagship", stored=stored).timings["flagship"]
    assert made.method == "cuda_graph"
    assert gpu.count("flagship", "base") == 0


def test_a_summary_holds_five_points():
    summary = summarise([104.0, 100.0, 102.0, 103.0, 101.0], 1980, 2)
    assert (summary.min_ns, summary.q1_ns, summary.median_ns) == (100, 101, 102)
    assert (summary.q3_ns, summary.max_ns, summary.count) == (103, 104, 5)
    even = summarise([1.0, 2.0], None, 2)
    assert (even.median_ns, even.q1_ns, even.sm_clock_mhz) == (1.5, 1.25, None)
