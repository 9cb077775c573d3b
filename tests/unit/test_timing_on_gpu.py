"""Which method times what, and which cheats end how: real forks on a real GPU."""

import random
from pathlib import Path

import pytest

from gate import timing
from gate.correctness import detect_device
from gate.environment import find_gpu
from gate.kernels import load_folder
from gate.model import NotMeasured
from gate.sampling import CANARY_PROCESSES, Rules

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(detect_device() != "cuda", reason="no GPU here"),
]
FOLDERS = Path(__file__).parents[1] / "broken_kernels" / "timing"
# 8 MB at 3 TB/s take 2.7 us and at 1 TB/s 8 us; a launch adds some.
PLAUSIBLE_NS = (1_500, 40_000)


@pytest.fixture(scope="module")
def timed():
    known = {}

    def of(name):
        if name not in known:
            folder = load_folder(FOLDERS / name)
            known[name] = timing.measure(
                folder,
                folder.workloads,
                gpu=find_gpu(),
                rules=Rules(stored={}, floor=0.01, processes=3),
                base=None,
                seed=random.randrange(2**31),
                timeout_s=120.0,
                canary=name == "good",
                moved=lambda _: "",
                say=lambda _: None,
            )
        return known[name]

    return of


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("good", "cuda_graph"),
        ("patches_the_timer", "cuda_graph"),
        ("no_capture", "held_queue"),
        ("synchronises", "events"),
        ("waits_for_a_value", "events"),
    ],
)
def test_each_forward_gets_a_method_that_works(timed, name, method):
    made = timed(name).timings["default"]
    assert not isinstance(made, NotMeasured), made.message
    assert made.method == method
    assert all(PLAUSIBLE_NS[0] < m for m in made.process_medians_ns)
    assert method == "events" or max(made.process_medians_ns) < PLAUSIBLE_NS[1]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("skips_while_captured", {"wrong_timed_output", "no_duration"}),
        ("skips_after_a_while", {"wrong_timed_output", "no_duration"}),
        ("copies_an_old_result", {"wrong_timed_output"}),
        ("crashes", {"crashed"}),
    ],
)
def test_a_cheat_has_no_time(timed, name, reason):
    made = timed(name).timings["default"]
    assert isinstance(made, NotMeasured), made
    assert made.reason in reason, made.message


def test_the_canary_is_measured_beside_the_kernels(timed):
    canary = timed("good").canary
    assert len(canary.copy_ns) == len(canary.compute_ns) == CANARY_PROCESSES
    assert max(canary.copy_ns) / min(canary.copy_ns) < 1.05
    assert max(canary.compute_ns) / min(canary.compute_ns) < 1.05
