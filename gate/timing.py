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
from statistics import median
from typing import TYPE_CHECKING, Any

import cattrs

from gate import processes
from gate.environment import HARMFUL_REASONS, worker_environment
from gate.model import GpuState
from gate.sampling import CANARY, Lost, Order, Rules, Sampled, Sampler, TimedProcess, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gate.git import BaseKernel
    from gate.kernels import KernelFolder, Workload
    from gate.model import Canary, Gpu

# Figures finer than this are below the resolution of GPU events (half a microsecond over a batch).
DIGITS = 2
# What a measurement may hold; a hostile answer may hold anything.
MAX_DURATION_NS = 1e13
# One process at the longest: a compilation with autotuning, or a forward call of seconds.
PROCESS_SECONDS = 120.0
LAST_WORDS = 2000

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
    ends as a NotMeasured.
    """
    started = time.monotonic()
    with _worker(folder, workloads, gpu=gpu, base=base, seed=seed) as worker:
        return Sampler(
            worker.take,
            rules,
            order=random.Random(seed),
            say=say,
            overdue=lambda: time.monotonic() - started > timeout_s,
        ).run([w.name for w in workloads], canary=canary, moved=moved)


@contextmanager
def _worker(
    folder: KernelFolder,
    workloads: Sequence[Workload],
    *,
    gpu: Gpu,
    base: BaseKernel | None,
    seed: int,
) -> Iterator[Worker]:
    with tempfile.TemporaryDirectory(prefix="gate-") as name:
        scratch = Path(name)
        folders = {"candidate": folder.path.resolve()}
        if base:
            folders["base"] = scratch / "base" / folder.name
            folders["base"].mkdir(parents=True)
            (folders["base"] / "kernel.py").write_bytes(base.source)
        with processes.Conversation(
            [sys.executable, "-m", "gate.timing_worker"],
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
    """Turns orders into the worker's requests, and its lines into what a process measured."""

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
        self._folders, self._reference = folders, reference
        self._workloads, self._seed = workloads, seed

    def take(self, orders: Sequence[Order]) -> Iterator[tuple[Order, TimedProcess | Lost]]:
        """One answer for each order, in the order that they come; what is not answered is lost."""
        requests = [self._request(number, order) for number, order in enumerate(orders)]
        self._seed += len(orders)
        self._conversation.ask(json.dumps(requests))
        open_orders = dict(enumerate(orders))
        while open_orders:
            line = self._conversation.listen(timeout_s=3 * PROCESS_SECONDS)
            if line is None:
                break
            number, answer = read_answer(line)
            if number in open_orders:
                yield open_orders.pop(number), answer
        if open_orders:
            reason = "timed_out" if self._conversation.timed_out else "crashed"
            lost = Lost(reason=reason, message=self._conversation.describe_end())
            yield from ((order, lost) for order in open_orders.values())

    def _request(self, number: int, order: Order) -> dict[str, Any]:
        about: dict[str, Any] = {
            "id": number,
            "workload": order.workload,
            "method": order.method,
            "seed": self._seed + number,
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
                "folder": str(self._folders[order.arm]),
            }
        return about


def read_answer(line: str) -> tuple[int, TimedProcess | Lost]:
    """One line of the worker; what is not one belongs to no order (-1).

    The candidate ran beside what wrote this, so nothing in it is believed unseen.
    """
    try:
        plain = json.loads(line)
        match plain:
            case {"id": int(number), "failed": str(reason), "message": str(message)}:
                return number, Lost(reason=_known(reason), message=message[:LAST_WORDS])
            case {"id": int(number)}:
                return number, _timed(plain)
    except (ValueError, RecursionError):
        pass
    return -1, Lost(reason="crashed", message="")


def _known(reason: str) -> str:
    """The reasons that a worker may give; what a fork invents is a crash."""
    return reason if reason in {"method", "timed_out", "wrong_timed_output"} else "crashed"


def _timed(plain: dict[str, Any]) -> TimedProcess | Lost:
    try:
        answer = _CONVERTER.structure(plain, Answer)
    except (cattrs.BaseValidationError, AttributeError):
        return Lost(reason="crashed", message="its answer is not in order")
    every = [x for samples in answer.samples_ns.values() for x in samples]
    if not every or not all(samples for samples in answer.samples_ns.values()):
        return Lost(reason="crashed", message="its answer holds no samples")
    if not all(0 < x < MAX_DURATION_NS for x in every):
        return Lost(
            reason="no_duration",
            message="a sample is not a positive duration: the forward call takes no GPU time",
        )
    clocks = [state.sm_clock_mhz for state in answer.states if state.sm_clock_mhz is not None]
    reasons = {r for state in answer.states for r in state.throttle_reasons}
    summaries = {
        name: summarise(samples, round(median(clocks)) if clocks else None, DIGITS)
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
