"""False alarms and misses of the gate's rule and of others', by verdicts drawn from a pool.

`python -m benchmarks.judge_pool POOL.jsonl.gz... [--verdicts 300]` prints Markdown: one table a
size, what the pools are, what fewer samples would do to them. A pool has one fresh process a line:

    {"size": "large", "arm": "A", "machine": "h100-1", "gpu": "NVIDIA H100 80GB HBM3",
     "samples_ns": [...], "median_ns": 352200.0}

Arm `A` is one kernel throughout, `+2%` the same with a planted slowdown. `gpu` may be left out
where `machine` is its name and a number, `NVIDIA H200 #2`.

A verdict never draws a process twice, but verdicts share a pool: their intervals hold for that pool
and not for all others. Processes and samples are what a verdict on an unchanged kernel measured,
base arm included; the stored baseline is not counted.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field, fields, replace
from itertools import permutations
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.error_rates import base_timing, look_by_look
from benchmarks.rules import RIVALS, Said
from gate.compare import status_of
from gate.model import RUNTIME
from gate.runtime import compare_in_turn, compare_with_stored, judge_runtime
from gate.sequential import CALIBRATION, LOOKS
from gate.stats import log_deviation
from gate.verdict import Status
from tests.factories import result, timing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.rules import Rule
    from gate.verdict import Comparison

OURS = "this gate"
UNCHANGED_ARM = "A"
ROUNDS = 3  # of samples, in which the timer takes them
SAID: dict[Status, Said] = {
    Status.REGRESSED: "slower",
    Status.UNCHANGED: "not slower",
    Status.IMPROVED: "not slower",
}


@dataclass(frozen=True, kw_only=True)
class Process:
    """One line of a pool."""

    size: str
    arm: str
    machine: str
    samples_ns: tuple[float, ...]
    median_ns: float
    gpu: str = ""

    @property
    def kind(self) -> str:
        return self.gpu or self.machine.partition("#")[0].strip()


def load(files: Iterable[Path]) -> list[Process]:
    """Every line of every gzipped file; what else a line says is left out."""
    texts = [gzip.decompress(file.read_bytes()).decode() for file in files]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    known = [each.name for each in fields(Process)]
    rows = [{name: row[name] for name in known if name in row} for row in map(json.loads, lines)]
    return [Process(**{**row, "samples_ns": tuple(row["samples_ns"])}) for row in rows]


class Hand:
    """The processes of one size in random order, each dealt at most once."""

    def __init__(self, pool: dict[tuple[str, str], list[Process]], draw: np.random.Generator):
        self.left = {
            key: [mine[i] for i in draw.permutation(len(mine))] for key, mine in pool.items()
        }

    def deal(self, machine: str, arm: str, number: int) -> list[Process]:
        left = self.left[machine, arm]
        if len(left) < number:
            raise LookupError(f"the pool of {machine}, {arm} has too few processes")
        dealt, self.left[machine, arm] = left[:number], left[number:]
        return dealt

    def has(self, machine: str, arm: str) -> int:
        return len(self.left[machine, arm])


@dataclass(frozen=True)
class Case:
    """Where a verdict's processes come from."""

    stored_on: str
    measured_on: str
    arm: str


@dataclass
class Tally:
    """What was said of some cases, and what each verdict measured beside the stored baseline."""

    said: Counter[Said] = field(default_factory=Counter)
    processes: list[int] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)

    def add(self, said: Said, measured: Sequence[Process]) -> None:
        self.said[said] += 1
        self.processes.append(len(measured))
        self.samples.append(sum(len(p.samples_ns) for p in measured))

    def rate(self, said: Said) -> str:
        """`0.3 % [0.1, 1.9]`: the share with Wilson's 95 % interval; `-` without a verdict."""
        total = self.said.total()
        if not total:
            return "-"
        low, high = wilson(self.said[said], total)
        return f"{100 * self.said[said] / total:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share (JASA 22, 1927)."""
    share, squared = hits / total, z * z / total
    centre = (share + squared / 2) / (1 + squared)
    half = z * math.sqrt(share * (1 - share) / total + squared / (4 * total)) / (1 + squared)
    return max(0.0, centre - half), min(1.0, centre + half)


# --------------------------------------------------------------------------------- verdicts


def verdict_of_rival(rule: Rule, case: Case, hand: Hand) -> tuple[Said, list[Process]]:
    baseline = hand.deal(case.stored_on, UNCHANGED_ARM, rule.processes)
    candidate = hand.deal(case.measured_on, case.arm, rule.processes)
    return rule.says(*([p.samples_ns for p in side] for side in (baseline, candidate))), candidate


def verdict_of_ours(case: Case, hand: Hand, floor: float) -> tuple[Said, list[Process]]:
    """Look by look against a stored baseline; a suspect is held against a base arm."""
    stored = medians(hand.deal(case.stored_on, UNCHANGED_ARM, CALIBRATION))
    candidate: list[Process] = []

    def against(look: int) -> Comparison:
        candidate.extend(hand.deal(case.measured_on, case.arm, look - len(candidate)))
        return compare_with_stored(stored, medians(candidate), floor=floor)

    compared, _ = look_by_look(against, most=hand.has(case.measured_on, case.arm))
    suspect = status_of(RUNTIME, compared) in (Status.REGRESSED, Status.INCONCLUSIVE)
    base, again = measure_in_turn(case, hand, compared) if suspect else ([], [])
    measured = replace(
        timing(medians(candidate)),
        base=base_timing(medians(base), medians(again)) if base else None,
    )
    finding = judge_runtime(result(timing=timing(stored)), result(timing=measured), floor=floor)
    moved = finding.reason.code == "environment_drift"
    said = "machine moved" if moved else SAID.get(finding.status, "undecided")
    return said, [*candidate, *base, *again]


def measure_in_turn(
    case: Case, hand: Hand, like: Comparison
) -> tuple[list[Process], list[Process]]:
    """Base and candidate processes in pairs; none where the pool cannot fill a first look."""
    base: list[Process] = []
    again: list[Process] = []

    def in_turn(look: int) -> Comparison:
        missing = look - len(base)
        base.extend(hand.deal(case.measured_on, UNCHANGED_ARM, missing))
        again.extend(hand.deal(case.measured_on, case.arm, missing))
        return compare_in_turn(medians(base), medians(again), like=like)

    left = hand.has(case.measured_on, UNCHANGED_ARM)
    most = (
        left // 2 if case.arm == UNCHANGED_ARM else min(left, hand.has(case.measured_on, case.arm))
    )
    if most >= LOOKS[0]:
        look_by_look(in_turn, most=most)
    return base, again


def medians(processes: Iterable[Process]) -> tuple[float, ...]:
    return tuple(process.median_ns for process in processes)


# ----------------------------------------------------------------------------------- tables


def cases_of(processes: Sequence[Process]) -> list[Case]:
    """A/A on each machine and between machines of one kind, and each planted arm by machine.

    A machine with too few processes for a stored baseline and a candidate of its own is left out of
    the first.
    """
    kinds = {p.machine: p.kind for p in processes if p.arm == UNCHANGED_ARM}
    unchanged = Counter(p.machine for p in processes if p.arm == UNCHANGED_ARM)
    alone = [machine for machine in sorted(kinds) if unchanged[machine] >= CALIBRATION + LOOKS[0]]
    planted = sorted({(p.machine, p.arm) for p in processes if p.arm != UNCHANGED_ARM})
    across = [pair for pair in permutations(sorted(kinds), 2) if kinds[pair[0]] == kinds[pair[1]]]
    return [
        *(Case(machine, machine, UNCHANGED_ARM) for machine in alone),
        *(Case(stored, measured, UNCHANGED_ARM) for stored, measured in across),
        *(Case(machine, machine, arm) for machine, arm in planted if machine in kinds),
    ]


def by_arm(processes: Sequence[Process]) -> dict[tuple[str, str], list[Process]]:
    """By machine and arm."""
    pool: dict[tuple[str, str], list[Process]] = defaultdict(list)
    for process in processes:
        pool[process.machine, process.arm].append(process)
    return pool


def tallies(
    processes: Sequence[Process], *, verdicts: int, floor: float, seed: int
) -> dict[tuple[str, Case], Tally]:
    """By rule and case, `verdicts` each, for the processes of one size."""
    pool = by_arm(processes)
    found: dict[tuple[str, Case], Tally] = defaultdict(Tally)
    draw = np.random.default_rng(seed)
    for case in cases_of(processes):
        for _ in range(verdicts):
            found[OURS, case].add(*verdict_of_ours(case, Hand(pool, draw), floor))
            for rule in RIVALS:
                found[rule.name, case].add(*verdict_of_rival(rule, case, Hand(pool, draw)))
    return found


def merged(found: Iterable[Tally]) -> Tally:
    whole = Tally()
    for tally in found:
        whole.said += tally.said
        whole.processes += tally.processes
        whole.samples += tally.samples
    return whole


def table(found: dict[tuple[str, Case], Tally]) -> str:
    arms = sorted({case.arm for _, case in found} - {UNCHANGED_ARM})
    header = ["rule", "false alarms", "across machines", "undecided of these", "machine moved"]
    header += [f"{arm} {word}" for arm in arms for word in ("missed", "undecided")]
    header += ["processes", "samples"]
    rules = dict.fromkeys(name for name, _ in found)
    rows = [header, ["---"] * len(header), *([rule, *row_of(rule, found, arms)] for rule in rules)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def row_of(rule: str, found: dict[tuple[str, Case], Tally], arms: Sequence[str]) -> list[str]:
    mine = {case: tally for (name, case), tally in found.items() if name == rule}
    same = merged(
        t for c, t in mine.items() if c.arm == UNCHANGED_ARM and c.stored_on == c.measured_on
    )
    across = merged(t for c, t in mine.items() if c.stored_on != c.measured_on)
    every = merged([same, across])
    cells = [same.rate("slower"), across.rate("slower")]
    cells += [every.rate("undecided"), every.rate("machine moved")]
    for arm in arms:
        planted = merged(t for c, t in mine.items() if c.arm == arm)
        cells += [planted.rate("not slower"), planted.rate("undecided")]
    return [*cells, f"{fmean(every.processes):.1f}", f"{fmean(every.samples):.0f}"]


def pool_table(processes: Sequence[Process]) -> str:
    """What there is: processes, their median, and their deviation from one to the next."""
    pools: dict[tuple[str, str, str], list[Process]] = defaultdict(list)
    for process in processes:
        pools[process.size, process.machine, process.arm].append(process)
    lines = [
        "| size | machine | arm | processes | median us | deviation | against A |",
        "|---" * 7 + "|",
    ]
    for (size, machine, arm), mine in sorted(pools.items()):
        unchanged = medians(pools.get((size, machine, UNCHANGED_ARM), mine))
        change = 100 * (median(medians(mine)) / median(unchanged) - 1)
        lines.append(
            f"| {size} | {machine} | {arm} | {len(mine)} | {median(medians(mine)) / 1e3:.2f} "
            f"| {100 * log_deviation(medians(mine)):.3f} % | {change:+.2f} % |"
        )
    return "\n".join(lines)


def fewer_samples(processes: Sequence[Process]) -> str:
    """What an unchanged kernel's deviation would be with fewer samples of the longest processes."""
    most = max(len(p.samples_ns) for p in processes)
    each = most // ROUNDS
    picks = {
        f"{ROUNDS} rounds of {each}": range(most),
        f"{ROUNDS} rounds of {each // 2}": [i for i in range(most) if i % each < each // 2],
        f"one round of {each}": range(each),
    }
    pools: dict[tuple[str, str], list[Process]] = defaultdict(list)
    for p in processes:
        if p.arm == UNCHANGED_ARM and len(p.samples_ns) == most:
            pools[p.size, p.machine].append(p)
    lines = [f"| size | machine | {' | '.join(picks)} |", "|---" * (len(picks) + 2) + "|"]
    for (size, machine), mine in sorted(pools.items()):
        deviations = (
            log_deviation([median([p.samples_ns[i] for i in pick]) for p in mine])
            for pick in picks.values()
        )
        cells = " | ".join(f"{100 * deviation:.3f} %" for deviation in deviations)
        lines.append(f"| {size} | {machine} | {cells} |")
    return "\n".join(lines)


def report(processes: Sequence[Process], *, verdicts: int, floor: float, seed: int) -> str:
    parts = []
    for size in sorted({p.size for p in processes}):
        mine = [p for p in processes if p.size == size]
        found = tallies(mine, verdicts=verdicts, floor=floor, seed=seed)
        parts += [f"### {size}", table(found)]
    parts += ["### The pools", pool_table(processes), "### Fewer samples", fewer_samples(processes)]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pools", nargs="+", type=Path)
    parser.add_argument("--verdicts", type=int, default=300)
    parser.add_argument("--floor", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=20261122)
    given = parser.parse_args()
    print(report(load(given.pools), verdicts=given.verdicts, floor=given.floor, seed=given.seed))


if __name__ == "__main__":
    main()
