"""How often a machine that moved is seen by its canary, by simulated sessions.

`python -m benchmarks.canary [SESSIONS]` prints the table of RESULTS.md. A session's canary is taken
as the sampler takes it: few processes, and more where these differ; beside it stands what the few
would have seen alone.
"""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

from gate.model import Canary, SampleSummary
from gate.runtime import machine_moved
from gate.sampling import CANARY_PROCESSES, Order, Rules, Sampler, TimedProcess
from tests.factories import environment

if TYPE_CHECKING:
    from collections.abc import Callable

# Noise from one process to the next, and by how much the machine moved.
WORLDS = (
    (0.0002, 0.0),
    (0.01, 0.0),
    (0.0002, -0.025),
    (0.001, -0.03),
    (0.005, -0.05),
    (0.01, -0.1),
)
COPY_NS, COMPUTE_NS = 178_000.0, 136_000.0
SUMMARY = SampleSummary(
    count=1, min_ns=1, q1_ns=1, median_ns=1, q3_ns=1, max_ns=1, sm_clock_mhz=None
)


def machine(draw: random.Random, noise: float, moved: float) -> Callable[[Order], TimedProcess]:
    def take(_order: Order) -> TimedProcess:
        copy, compute = (
            ns * (1 + moved) * (1 + draw.gauss(0, noise)) for ns in (COPY_NS, COMPUTE_NS)
        )
        return TimedProcess(
            signature=(),
            medians_ns={"copy": copy, "compute": compute},
            summary=SUMMARY,
            batch=1,
            l2_flush_bytes=0,
        )

    return take


def canary(draw: random.Random, noise: float, moved: float) -> Canary:
    take = machine(draw, noise, moved)
    sampler = Sampler(take, Rules(stored={}, floor=0.01), order=draw)
    found = sampler.run([], canary=True, moved=lambda _: "").canary
    assert found is not None
    return found


def seen(stored: Canary, ours: Canary) -> bool:
    return bool(machine_moved(environment(canary=stored), environment(canary=ours)))


def first(whole: Canary) -> Canary:
    return Canary(
        copy_ns=whole.copy_ns[:CANARY_PROCESSES], compute_ns=whole.compute_ns[:CANARY_PROCESSES]
    )


def main(sessions: int) -> None:
    draw = random.Random(20261122)
    print(f"| noise | moved | seen | by {CANARY_PROCESSES} processes alone |\n|---|---|---|---|")
    for noise, moved in WORLDS:
        pairs = [(canary(draw, noise, 0.0), canary(draw, noise, moved)) for _ in range(sessions)]
        whole = sum(seen(*pair) for pair in pairs) / sessions
        few = sum(seen(*map(first, pair)) for pair in pairs) / sessions
        print(f"| {noise:.2%} | {moved:+.1%} | {whole:.1%} | {few:.1%} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)
