"""The rule on runtime, held to a pool of fresh processes on four H100s (benchmarks/RESULTS.md)."""

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
# Of the first kernel as it is now; the other pools are of a revision before.
TODAY = ("medium", "small")


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
    assert len(unchanged) == 2
    assert sum(map(len, unchanged.values())) >= (160 if size in TODAY else 200)
    for mine in unchanged.values():
        assert 0 < log_deviation(medians(mine)) < DEVIATIONS[size]


@pytest.mark.parametrize("floor", [0.01, 0.005])
@pytest.mark.parametrize("size", DEVIATIONS)
def test_nobody_is_blamed_for_an_unchanged_kernel(size, floor):
    said = verdicts(size, floor=floor, planted=False)
    assert len(said) == 4
    assert set().union(*said.values()) == {"not slower"}


@pytest.mark.parametrize(
    ("size", "least"), [("large", 1.9), ("58 us", 1.9), ("medium", 2.2), ("5 us", 4.7)]
)
def test_what_is_slower_by_its_true_size_is_caught(size, least):
    said = verdicts(size, floor=0.01, planted=True)
    large_enough = {case: s for case, s in said.items() if size_of(case) >= least}
    assert len(large_enough) >= (1 if size in TODAY else 2)
    assert set().union(*large_enough.values()) == {"slower"}


@pytest.mark.parametrize("size", ["large", "58 us"])
def test_half_the_floor_catches_half_the_slowdown(size):
    said = verdicts(size, floor=0.005, planted=True)
    assert min(map(size_of, said)) <= 1.1
    assert set().union(*said.values()) == {"slower"}


def test_fewer_samples_make_more_noise_and_not_too_much():
    lines = fewer_samples(load([POOL])).splitlines()[2:]
    assert len(lines) == 6  # two machines each of the sizes that took four samples a round
    for line in lines:
        size, _, *deviations = (cell.strip() for cell in line.strip("|").split("|"))
        four, two, _ = (float(each.removesuffix(" %")) / 100 for each in deviations)
        assert four <= two < DEVIATIONS[size]


def size_of(case):
    return float(case.arm.strip("+%"))
