"""The timing step, parent's side: a worker forks fresh processes, this reads what they say."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, median_low
from typing import TYPE_CHECKING, Any

import cattrs

from gate import processes
from gate.environment import HARMFUL_REASONS, worker_environment
from gate.model import GpuState, SampleSummary
from gate.sampling import CANARY, Lost, Order, Rules, Sampled, Sampler, TimedProcess
from gate.tree import TreeChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gate.git import BaseKernel
    from gate.kernels import KernelFolder, Workload
    from gate.model import Canary, Gpu

# Figures finer than this are below the resolution of GPU events (half a microsecond over a batch).
DIGITS = 2
# Nothing on a GPU takes less, and what a measurement may hold; a hostile answer may hold anything.
MIN_DURATION_NS, MAX_DURATION_NS = 1.0, 1e13
# One process at the longest: a compilation with autotuning, or a forward call of seconds.
PROCESS_SECONDS = 120.0
KERNEL_FILE = "kernel.py"
LAST_WORDS = 2000
REASONS = frozenset({"method", "timed_out", "wrong_timed_output", "out_of_memory"})
# What an answer holds samples of: a workload's, and the canary's.
NAMES, CANARY_NAMES = frozenset({"forward"}), frozenset({"copy", "compute"})

_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A line of the worker about an order that it carried out."""

    id: int
    signature: tuple[str, ...]
    samples_ns: dict[str, list[float]]
    batch: int
    l2_flush_bytes: int
    states: list[GpuState]


def measure(
    folder: KernelFolder,
    workloads: Sequence[Workload],
    *,
    gpu: Gpu,
    rules: Rules,
    base: BaseKernel | None,
    seed: int,
    timeout_s: float,
    canary: bool,
    moved: Callable[[Canary], str],
    say: Callable[[str], None],
) -> Sampled:
    """Time one forward call of each workload, in as many fresh processes as a verdict takes.

    `timeout_s` bounds it: looks that begin later are left out. Whatever the candidate's code does
    ends as a NotMeasured. Raises TreeChanged where the base revision's kernel was rewritten.
    """
    started = time.monotonic()
    with _worker(folder, workloads, gpu=gpu, base=base, seed=seed) as worker:
        sampled = Sampler(
            worker.take,
            rules,
            order=random.Random(seed),
            say=say,
            overdue=lambda: time.monotonic() - started > timeout_s,
        ).run([w.name for w in workloads], canary=canary, moved=moved)
        if base:
            worker.refuse_other_base(base)
        return sampled


@contextmanager
def _worker(
    folder: KernelFolder,
    workloads: Sequence[Workload],
    *,
    gpu: Gpu,
    base: BaseKernel | None,
    seed: int,
) -> Iterator[Worker]:
    with tempfile.TemporaryDirectory(prefix="gate-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        folders = {"candidate": folder.path.resolve()}
        if base:
            folders["base"] = scratch / "base" / folder.name
            folders["base"].mkdir(parents=True)
            (folders["base"] / KERNEL_FILE).write_bytes(base.source)
        with processes.Conversation(
            [sys.executable, "-I", "-m", "gate.timing_worker"],
            env=worker_environment(scratch, gpu),
            cwd=scratch,
        ) as conversation:
            yield Worker(
                conversation,
                gpu,
                folders,
                reference=folder.reference_file.resolve(),
                workloads={w.name: w for w in workloads},
                seed=seed,
            )


class Worker:
    """Turns each order into a request, and the line that answers it into what was measured."""

    def __init__(
        self,
        conversation: processes.Conversation,
        gpu: Gpu,
        folders: dict[str, Path],
        *,
        reference: Path,
        workloads: dict[str, Workload],
        seed: int,
    ) -> None:
        self._conversation, self._gpu = conversation, gpu
        # As it is before any kernel runs, which could make its own inputs smaller.
        self._source = reference.read_bytes().decode("latin-1")
        self._folders, self._reference = folders, reference
        self._workloads, self._seed = workloads, seed
        self._taken = 0

    def take(self, order: Order) -> TimedProcess | Lost:
        """What one fresh process says; a worker that is gone or silent has lost it."""
        self._taken += 1
        self._conversation.ask(json.dumps(self._request(order)))
        line = self._conversation.listen(timeout_s=3 * PROCESS_SECONDS)
        if line is None:
            reason = "timed_out" if self._conversation.timed_out else "crashed"
            return Lost(reason=reason, message=self._conversation.describe_end())
        return read_answer(line, self._taken, CANARY_NAMES if order.arm == "canary" else NAMES)

    def refuse_other_base(self, base: BaseKernel) -> None:
        """Raises TreeChanged where the candidate was timed against code of its own making."""
        file = self._folders["base"] / KERNEL_FILE
        if not file.is_file() or file.read_bytes() != base.source:
            raise TreeChanged(
                f"the base revision's {KERNEL_FILE} changed while the gate was timing"
            )

    def _request(self, order: Order) -> dict[str, Any]:
        about: dict[str, Any] = {
            "id": self._taken,
            "workload": order.workload,
            "method": order.method,
            "seed": self._seed + self._taken,
            "gpu": self._gpu.uuid,
            "sm_count": self._gpu.sm_count,
            "l2_bytes": self._gpu.l2_bytes,
            "compute_capability": self._gpu.compute_capability,
            "timeout_s": PROCESS_SECONDS,
        }
        if order.workload != CANARY:
            about |= {
                "definition": self._workloads[order.workload].to_json(),
                "reference": str(self._reference),
                "reference_source": self._source,
                "folder": str(self._folders[order.arm]),
            }
        return about


def read_answer(line: str, number: int, names: frozenset[str]) -> TimedProcess | Lost:
    """The line that answers order `number`, with samples of exactly `names`.

    The candidate ran beside what wrote this, so nothing in it is believed unseen.
    """
    try:
        plain = json.loads(line)
        match plain:
            case {"id": known, "failed": str(reason), "message": str(message)} if known == number:
                return Lost(reason=_known(reason), message=message[:LAST_WORDS])
            case {"id": known} if known == number:
                return _timed(plain, names)
    except (ValueError, RecursionError):
        pass
    return Lost(reason="crashed", message="its answer cannot be read")


def _known(reason: str) -> str:
    """The reasons that a worker may give; what a fork invents is a crash."""
    return reason if reason in REASONS else "crashed"


def _timed(plain: dict[str, Any], names: frozenset[str]) -> TimedProcess | Lost:
    try:
        answer = _CONVERTER.structure(plain, Answer)
    except (cattrs.BaseValidationError, AttributeError):
        return Lost(reason="crashed", message="its answer is not in order")
    every = [x for samples in answer.samples_ns.values() for x in samples]
    if answer.samples_ns.keys() != names or not all(answer.samples_ns.values()):
        return Lost(reason="crashed", message="its answer does not hold the samples asked for")
    if not all(MIN_DURATION_NS <= x < MAX_DURATION_NS for x in every):
        return Lost(
            reason="no_duration",
            message="a sample is not a positive duration: the forward call takes no GPU time",
        )
    clocks = [state.sm_clock_mhz for state in answer.states if state.sm_clock_mhz is not None]
    reasons = {r for state in answer.states for r in state.throttle_reasons}
    summaries = {
        name: summarise(samples, median_low(clocks) if clocks else None, DIGITS)
        for name, samples in answer.samples_ns.items()
    }
    return TimedProcess(
        signature=answer.signature,
        medians_ns={name: summary.median_ns for name, summary in summaries.items()},
        summary=next(iter(summaries.values())),
        batch=answer.batch,
        l2_flush_bytes=answer.l2_flush_bytes,
        throttled=tuple(sorted(reasons & HARMFUL_REASONS)),
        samples_ns=answer.samples_ns,
    )


def summarise(samples_ns: Sequence[float], sm_clock_mhz: int | None, digits: int) -> SampleSummary:
    """Five points of one process's samples, in nanoseconds to `digits` decimals."""
    ordered = sorted(samples_ns)
    last = len(ordered) - 1

    def at(share: float) -> float:
        position = share * last
        below = int(position)
        weight = position - below
        value = ordered[below] * (1 - weight) + ordered[min(below + 1, last)] * weight
        return round(value, digits)

    return SampleSummary(
        count=len(ordered),
        min_ns=at(0.0),
        q1_ns=at(0.25),
        median_ns=round(median(ordered), digits),
        q3_ns=at(0.75),
        max_ns=at(1.0),
        sm_clock_mhz=sm_clock_mhz,
    )
