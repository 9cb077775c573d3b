"""How often the rule on runtime errs, by simulated sessions judged by the functions that judge.

`python -m benchmarks.error_rates [SESSIONS]` prints the tables of RESULTS.md: sessions as noisy as
their baseline, then noisier ones. The suite holds the rule to them with fewer sessions
(tests/unit/test_error_rates.py). A session draws a stored baseline
and then processes of the candidate look by look; noise has the named deviation from one fresh
process to the next, whatever its shape.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gate.compare import status_of
from gate.model import RUNTIME, BaseTiming
from gate.runtime import compare_in_turn, compare_with_stored, judge_runtime
from gate.sequential import CALIBRATION, LOOKS, next_look
from gate.verdict import Status
from tests.factories import result, timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gate.verdict import Comparison

DEVIATIONS = (0.0001, 0.001, 0.003, 0.005, 0.008)
# How many times its baseline's deviation a noisier session has, and at which of these.
NOISIER = (2, 3, 5, 20)
NOISIER_AT = (0.001, 0.003, 0.008)
MOST = LOOKS[-1]
SEED = 20261122
# A second mode: one process of five is slower by four deviations of the first.
SLOWER_SHARE, SLOWER_BY = 0.2, 4.0
BIMODAL = math.sqrt(1 + SLOWER_SHARE * (1 - SLOWER_SHARE) * SLOWER_BY**2)
SHAPES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda draw, size: draw.standard_normal(size),
    "heavy tails": lambda draw, size: draw.standard_t(3, size) / math.sqrt(3),
    "two modes": lambda draw, size: (
        (draw.standard_normal(size) + SLOWER_BY * (draw.random(size) < SLOWER_SHARE)) / BIMODAL
    ),
}
# What the machine does by itself over the slots of a session, relative.
DRIFTS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "none": lambda _draw, slots: np.zeros(slots),
    "trend": lambda draw, slots: np.linspace(0, draw.choice((-0.04, 0.04)), slots),
    "walk": lambda draw, slots: np.cumsum(draw.normal(0, 0.002, slots)),
    "steps": lambda draw, slots: np.cumsum(
        draw.normal(0, 0.01, slots) * (draw.random(slots) < 0.1)
    ),
}


@dataclass(frozen=True, kw_only=True)
class World:
    """What is true of a session, in relative units.

    `shift` is the deviation of what sessions differ by, in process deviations; `noisier` is how
    many times the baseline's deviation the candidate's session has; at `at_tolerance` the true
    change is the tolerance that the baseline's own noise bought.
    """

    deviation: float
    shape: str = "normal"
    change: float = 0.0
    floor: float = 0.01
    shift: float = 0.0
    noisier: float = 1.0
    drift: str = "none"
    at_tolerance: bool = False

    def stored(self, draw: np.random.Generator) -> list[float]:
        return times(self.deviation * SHAPES[self.shape](draw, CALIBRATION))

    def true_change(self, stored: list[float]) -> float:
        if self.at_tolerance:
            return compare_with_stored(stored, stored, floor=self.floor).tolerance
        return self.change

    def machine(self, draw: np.random.Generator, slots: int) -> np.ndarray:
        """Logarithms of what an unchanged kernel takes in each slot of a later session."""
        moved = self.shift * self.deviation * draw.standard_normal()
        noise = self.noisier * self.deviation * SHAPES[self.shape](draw, slots)
        return moved + DRIFTS[self.drift](draw, slots) + noise


def times(logarithms: np.ndarray) -> list[float]:
    return list(np.exp(logarithms).tolist())


def look_by_look(
    compare: Callable[[int], Comparison], *, most: int = MOST
) -> tuple[Comparison, int]:
    """The comparison of the first n processes that ends the looks, and n: as the gate takes them.

    It decides, or no look (or process) is left.
    """
    look = LOOKS[0]
    while True:
        compared = compare(look)
        following = next_look(look)
        decided = status_of(RUNTIME, compared) is not Status.INCONCLUSIVE
        if decided or following is None or following > most:
            return compared, look
        look = following


def against_stored(draw: np.random.Generator, world: World) -> tuple[Status, int]:
    """Stored figures alone: the status, and how many processes it took."""
    stored = world.stored(draw)
    ours = times(math.log1p(world.true_change(stored)) + world.machine(draw, MOST))
    compared, look = look_by_look(
        lambda n: compare_with_stored(stored, ours[:n], floor=world.floor)
    )
    return status_of(RUNTIME, compared), look


def against_base(draw: np.random.Generator, world: World) -> tuple[Status, int]:
    """Two revisions in turn alone, under the tolerance of a stored baseline."""
    stored = world.stored(draw)
    like = compare_with_stored(stored, stored, floor=world.floor)
    ours, base = in_turn(draw, world.machine(draw, 2 * MOST), world.true_change(stored))
    compared, look = look_by_look(lambda n: compare_in_turn(base[:n], ours[:n], like=like))
    return status_of(RUNTIME, compared), 2 * look


def whole_session(draw: np.random.Generator, world: World) -> tuple[Status, int]:
    """Stored figures, then for a suspect a base arm in turn: the finding's status."""
    stored = world.stored(draw)
    machine, change = world.machine(draw, 3 * MOST), world.true_change(stored)
    ours = times(math.log1p(change) + machine[:MOST])
    like, look = look_by_look(lambda n: compare_with_stored(stored, ours[:n], floor=world.floor))
    measured, pairs = timing(ours[:look]), 0
    if status_of(RUNTIME, like) in (Status.REGRESSED, Status.INCONCLUSIVE):
        again, base = in_turn(draw, machine[MOST:], change)
        _, pairs = look_by_look(lambda n: compare_in_turn(base[:n], again[:n], like=like))
        measured = replace(measured, base=base_timing(base[:pairs], again[:pairs]))
    finding = judge_runtime(
        result(timing=timing(stored)), result(timing=measured), floor=world.floor
    )
    return finding.status, look + 2 * pairs


def in_turn(
    draw: np.random.Generator, machine: np.ndarray, change: float
) -> tuple[list[float], list[float]]:
    """Candidate's and base's times in the slots of `machine`, two a pair in random order."""
    pairs = draw.permuted(machine.reshape(-1, 2), axis=1)
    return times(math.log1p(change) + pairs[:, 0]), times(pairs[:, 1])


def base_timing(base: Sequence[float], again: Sequence[float]) -> BaseTiming:
    return BaseTiming(
        commit="a" * 40,
        kernel_sha256="b" * 64,
        process_medians_ns=tuple(base),
        candidate_medians_ns=tuple(again),
    )


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of sessions by what was said and by the first look, and the mean of processes."""

    slower: float
    passed: float
    undecided: float
    at_once: float
    processes: float


def rates(
    world: World,
    sessions: int,
    judge: Callable[[np.random.Generator, World], tuple[Status, int]] = against_stored,
) -> Rates:
    draw = np.random.default_rng(SEED)
    said = [judge(draw, world) for _ in range(sessions)]
    by_status = Counter(status for status, _ in said)
    slower = by_status[Status.REGRESSED] / sessions
    passed = (by_status[Status.UNCHANGED] + by_status[Status.IMPROVED]) / sessions
    return Rates(
        slower=slower,
        passed=passed,
        undecided=1 - slower - passed,
        at_once=sum(processes == LOOKS[0] for _, processes in said) / sessions,
        processes=sum(processes for _, processes in said) / sessions,
    )


COLUMNS: dict[str, Callable[[World, int], Rates]] = {
    "unchanged": rates,
    "sessions differ by 0.3": lambda w, n: rates(replace(w, shift=0.3), n),
    "the same, with a base arm": lambda w, n: rates(replace(w, shift=0.3), n, whole_session),
    "slower by the tolerance": lambda w, n: rates(replace(w, at_tolerance=True), n),
    "+2 %": lambda w, n: rates(replace(w, change=0.02), n),
    "+5 %": lambda w, n: rates(replace(w, change=0.05), n),
}
NOISIER_COLUMNS = {name: COLUMNS[name] for name in ("unchanged", "slower by the tolerance", "+2 %")}


def main(sessions: int) -> None:
    print(f"{sessions} sessions a cell; slower / passed / undecided in %, processes (at once)\n")
    table(
        COLUMNS,
        (World(deviation=each, shape=shape) for shape in SHAPES for each in DEVIATIONS),
        sessions,
    )
    print()
    table(
        NOISIER_COLUMNS,
        (
            World(deviation=deviation, shape=shape, noisier=times)
            for shape in SHAPES
            for deviation in NOISIER_AT
            for times in NOISIER
        ),
        sessions,
    )


def table(
    columns: dict[str, Callable[[World, int], Rates]], worlds: Iterable[World], sessions: int
) -> None:
    print(f"| noise | deviation | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 2) + "|")
    for world in worlds:
        cells = (cell(column(world, sessions)) for column in columns.values())
        noisier = f", {world.noisier:g} times" if world.noisier != 1 else ""
        noise = f"{100 * world.deviation:g} %{noisier}"
        print(f"| {world.shape} | {noise} | {' | '.join(cells)} |", flush=True)


def cell(found: Rates) -> str:
    shares = (found.slower, found.passed, found.undecided)
    spelt = " / ".join(f"{100 * share:.2f}" for share in shares)
    return f"{spelt}, {found.processes:.1f} ({100 * found.at_once:.0f} %)"


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 5000)
