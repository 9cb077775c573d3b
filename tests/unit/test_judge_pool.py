"""The rule on runtime, held to a pool of fresh processes on six H100s (benchmarks/RESULTS.md)."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.judge_pool import (
    UNCHANGED_ARM,
    Hand,
    by_arm,
    cases_of,
    fewer_samples,
    load,
    medians,
    verdict_of_ours,
)
from gate.stats import log_deviation

POOL = Path(__file__).parents[1] / "data" / "h100" / "pool.jsonl.gz"
VERDICTS = 150
DEVIATIONS = {"large": 0.0002, "58 us": 0.001, "medium": 0.001, "5 us": 0.01, "small": 0.01}
# It runs `small` 1.7 % slower than the others do, in every process.
SLOW_MACHINE = "NVIDIA H100 80GB HBM3#6"


@cache
def pool_of(size):
    return [process for process in load([POOL]) if process.size == size]


def verdicts(size, *, floor, planted):
    """What the gate says in each case of the pool, `planted` or not."""
    draw = np.random.default_rng(7)
    pool = by_arm(pool_of(size))
    return {
        case: {verdict_of_ours(case, Hand(pool, draw), floor)[0] for _ in range(VERDICTS)}
        for case in cases_of(pool_of(size))
        if (case.arm != UNCHANGED_ARM) is planted
    }


@pytest.mark.parametrize("size", DEVIATIONS)
def test_processes_of_one_machine_hardly_differ(size):
    unchanged = {key: p for key, p in by_arm(pool_of(size)).items() if key[1] == UNCHANGED_ARM}
    assert len(unchanged) >= 2
    assert sum(map(len, unchanged.values())) >= 200
    for mine in unchanged.values():
        assert 0 < log_deviation(medians(mine)) < DEVIATIONS[size]


@pytest.mark.parametrize("floor", [0.01, 0.005])
@pytest.mark.parametrize("size", DEVIATIONS)
def test_nobody_is_blamed_for_an_unchanged_kernel(size, floor):
    said = verdicts(size, floor=floor, planted=False)
    assert len(said) >= 4
    for case, each in said.items():
        moved = case.measured_on == SLOW_MACHINE
        assert each == ({"machine moved"} if moved else {"not slower"}), case


@pytest.mark.parametrize(
    ("size", "least"),
    [("large", 1.9), ("58 us", 1.9), ("medium", 2.2), ("5 us", 4.7), ("small", 4.0)],
)
def test_what_is_slower_by_its_true_size_is_caught(size, least):
    said = verdicts(size, floor=0.01, planted=True)
    large_enough = [each for case, each in said.items() if size_of(case) >= least]
    assert large_enough
    assert set().union(*large_enough) == {"slower"}


@pytest.mark.parametrize("size", ["large", "58 us", "medium"])
def test_half_the_floor_catches_half_the_slowdown(size):
    said = verdicts(size, floor=0.005, planted=True)
    smallest = min(said, key=size_of)
    assert size_of(smallest) <= 1.1
    assert said[smallest] == {"slower"}


def test_fewer_samples_make_more_noise_and_not_too_much():
    lines = fewer_samples(load([POOL])).splitlines()[2:]
    assert len(lines) == 6  # two machines each of the sizes that took four samples a round
    for line in lines:
        size, _, *deviations = (cell.strip() for cell in line.strip("|").split("|"))
        four, two, _ = (float(each.removesuffix(" %")) / 100 for each in deviations)
        assert four <= two < DEVIATIONS[size]


def size_of(case):
    return float(case.arm.strip("+%"))
