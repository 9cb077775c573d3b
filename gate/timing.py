"""The timing step, parent's side: fresh processes measure, this reads what they say."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cattrs

from gate import processes
from gate.environment import HARMFUL_REASONS, worker_environment
from gate.model import GpuState, NotMeasured, SampleSummary, Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.kernels import KernelFolder, Workload
    from gate.model import Gpu

# Figures finer than this are below the resolution of GPU events (half a microsecond over a batch).
DIGITS = 2
# What a measurement may hold; a hostile answer may hold anything.
MAX_DURATION_NS = 1e13

_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedProcess:
    """What one fresh process says of one workload: a line of the worker's answer."""

    workload: str
    signature: tuple[str, ...]
    method: Literal["cuda_graph", "held_queue"]
    samples_ns: tuple[float, ...]
    batch: int
    l2_flush_bytes: int
    state: GpuState


def measure(
    folder: KernelFolder,
    workloads: Sequence[Workload],
    *,
    gpu: Gpu,
    fresh_processes: int,
    seed: int,
    timeout_s: float,
) -> tuple[dict[str, Timing | NotMeasured], dict[str, tuple[str, ...]]]:
    """Time one forward call of each workload in `fresh_processes` fresh processes.

    Returns the timings and the signatures of the arguments, both by workload name. Whatever the
    candidate's code does ends as a NotMeasured.
    """
    with tempfile.TemporaryDirectory(prefix="gate-") as name:
        scratch = Path(name)
        request, answer = scratch / "request.json", scratch / "answer.jsonl"
        request.write_text(
            json.dumps(
                {
                    "folder": str(folder.path.resolve()),
                    "workloads": [workload.to_json() for workload in workloads],
                    "processes": fresh_processes,
                    "seed": seed,
                    "gpu": gpu.uuid,
                    "l2_bytes": gpu.l2_bytes,
                    "answer": str(answer),
                }
            )
        )
        ended = processes.run(
            [sys.executable, "-m", "gate.timing_worker", str(request)],
            timeout_s=timeout_s,
            env=worker_environment(scratch, gpu),
            cwd=scratch,
        )
        lines = read_answer(answer)
    gap = _gap(ended)
    timings = {w.name: _timing(lines.get(w.name, []), fresh_processes, gap) for w in workloads}
    signatures = {name: mine[0].signature for name, mine in lines.items()}
    return timings, signatures


def read_answer(answer: Path) -> dict[str, list[TimedProcess]]:
    """What the worker's processes wrote, by workload; half a line and what is not ours is dropped.

    The candidate ran beside what writes this, so nothing in it is believed unseen.
    """
    found: dict[str, list[TimedProcess]] = {}
    text = answer.read_text(errors="replace") if answer.exists() else ""
    for line in text.splitlines():
        timed = _timed_process(line)
        if timed and timed.samples_ns and all(0 < x < MAX_DURATION_NS for x in timed.samples_ns):
            found.setdefault(timed.workload, []).append(timed)
    return found


def _timed_process(line: str) -> TimedProcess | None:
    try:
        plain = json.loads(line)
        return _CONVERTER.structure(plain, TimedProcess) if isinstance(plain, dict) else None
    except (ValueError, RecursionError, AttributeError, cattrs.BaseValidationError):
        return None


def _gap(ended: processes.Completed) -> NotMeasured:
    reason = "timed_out" if ended.timed_out else "crashed"
    last_words = ended.stderr.strip()[-2000:]
    return NotMeasured(
        status="failed",
        reason=reason,
        message=f"the timing process {ended.describe_end()}: {last_words or 'it said nothing'}",
    )


def _timing(mine: list[TimedProcess], expected: int, gap: NotMeasured) -> Timing | NotMeasured:
    if len(mine) != expected or len({x.method for x in mine}) != 1:
        return gap
    harmful = {reason for x in mine for reason in x.state.throttle_reasons} & HARMFUL_REASONS
    if harmful:
        return NotMeasured(
            status="failed",
            reason="throttled",
            message=f"the GPU slowed itself down ({', '.join(sorted(harmful))})",
        )
    summaries = tuple(_summary(x) for x in mine)
    return Timing(
        method=mine[0].method,
        process_medians_ns=tuple(summary.median_ns for summary in summaries),
        samples=summaries,
        batch=mine[0].batch,
        l2_flush_bytes=mine[0].l2_flush_bytes,
    )


def _summary(timed: TimedProcess) -> SampleSummary:
    ordered = sorted(timed.samples_ns)
    last = len(ordered) - 1

    def at(share: float) -> float:
        position = share * last
        below = int(position)
        above = min(below + 1, last)
        weight = position - below
        return round(ordered[below] * (1 - weight) + ordered[above] * weight, DIGITS)

    return SampleSummary(
        count=len(ordered),
        min_ns=at(0.0),
        q1_ns=at(0.25),
        median_ns=at(0.5),
        q3_ns=at(0.75),
        max_ns=at(1.0),
        sm_clock_mhz=timed.state.sm_clock_mhz,
    )
