"""The profiling step, parent's side: fresh processes under ncu, and what their reports say.

Every launch of a forward call is profiled, with no filter by name: a kernel that was renamed,
split, left out or replaced by torch's own shows as a launch set unlike the baseline's. So each
function that ran has an entry in the block and in `launches`; a foreign one stands there under its
own name, with `_` for whatever cannot stand in an identifier.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gate import metrics
from gate.contract.kernel_file import read_kernel_file
from gate.contract.syntax import UnreadableSource
from gate.environment import driver_version, find_gpu
from gate.model import NcuBlock, NotMeasured, Profile
from gate.ncu_attempt import Job, attempt
from gate.ncu_failures import PROFILER_BUSY, ProfilingFailed
from gate.ncu_launches import counts, merge, refuse_other_counts
from gate.ncu_program import CACHE_CONTROL, CLOCK_CONTROL, REPLAY_MODE, find_ncu, ncu_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gate.kernels import KernelFolder, Workload
    from gate.ncu_launches import Forward

__all__ = ["NcuOutcome", "collect", "find_ncu", "ncu_version", "profile"]

# DCGM samples in bursts: what it holds now may be free a moment later.
BUSY_RETRIES = 1
BUSY_WAIT_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NcuOutcome:
    """The two parts of a result that this step fills; `profile` is None where nothing was."""

    ncu: NcuBlock | NotMeasured
    profile: Profile | None


def profile(
    folder: KernelFolder,
    workloads: Sequence[Workload],
    *,
    ncu: Path,
    processes: int,
    forwards: Mapping[str, int],
    seed: int,
    timeout_s: float,
    keep: Path | None = None,
) -> dict[str, NcuOutcome]:
    """As `collect`, with whatever the candidate or the machine did wrong as a NotMeasured.

    Where profiling all workloads together failed, each is profiled alone: one that breaks is then
    the only one without figures. `timeout_s` bounds each of these.
    """
    collecting = partial(
        collect,
        folder,
        ncu=ncu,
        processes=processes,
        forwards=forwards,
        seed=seed,
        timeout_s=timeout_s,
        keep=keep,
    )
    return _outcomes(collecting, workloads)


def _outcomes(
    collecting: Callable[[Sequence[Workload]], dict[str, tuple[NcuBlock, Profile]]],
    workloads: Sequence[Workload],
) -> dict[str, NcuOutcome]:
    try:
        collected = collecting(workloads)
        return {name: NcuOutcome(ncu=b, profile=made) for name, (b, made) in collected.items()}
    except ProfilingFailed as failed:
        if len(workloads) == 1:
            reason, message = failed.failure.reason, str(failed.failure)
            gap = NotMeasured(status="failed", reason=reason, message=message)
            return {workloads[0].name: NcuOutcome(ncu=gap, profile=None)}
    outcomes: dict[str, NcuOutcome] = {}
    for workload in workloads:
        outcomes |= _outcomes(collecting, [workload])
    return outcomes


def collect(
    folder: KernelFolder,
    workloads: Sequence[Workload],
    *,
    ncu: Path,
    processes: int,
    forwards: Mapping[str, int],
    seed: int,
    timeout_s: float,
    keep: Path | None = None,
) -> dict[str, tuple[NcuBlock, Profile]]:
    """Profile forward calls of each workload in each of `processes` fresh processes.

    `forwards` says by name how many. `timeout_s` bounds all of them together. `keep` is a folder
    that gets each process's report and log. Raises ProfilingFailed, and MachineUnfit where the GPU
    cannot be described.
    """
    gpu = find_gpu()
    job = Job(
        folder=folder,
        workloads=tuple(workloads),
        forwards=tuple(forwards[workload.name] for workload in workloads),
        kernels=_kernels(folder),
        ncu=ncu,
        gpu=gpu,
        driver=driver_version() if gpu else None,
        seed=seed,
        timeout_s=timeout_s,
        deadline=time.monotonic() + timeout_s,
        keep=keep,
    )
    names = metrics.wanted(gpu.compute_capability if gpu else None)
    measured: list[tuple[tuple[Forward, ...], ...]] = []
    for index in range(processes):
        shares, names = _one_process(job, names, index)
        measured.append(shares)
    return {
        workload.name: _summary([shares[i] for shares in measured], names)
        for i, workload in enumerate(workloads)
    }


def _summary(
    measured: Sequence[tuple[Forward, ...]], names: Sequence[str]
) -> tuple[NcuBlock, Profile]:
    """One workload's figures from all its processes."""
    refuse_other_counts(measured)
    calls = [call for forwards in measured for call in forwards]
    merged = merge(calls, names)
    return merged.block, Profile(
        processes=len(measured),
        forwards=len(calls),
        launches=counts(calls[0]),
        spread=merged.spread,
        deviation=merged.deviation,
        clock_control=CLOCK_CONTROL,
        cache_control=CACHE_CONTROL,
        replay_mode=REPLAY_MODE,
    )


def _kernels(folder: KernelFolder) -> frozenset[str]:
    """The `@triton.jit` functions of the kernel file; none where it cannot be read."""
    try:
        return frozenset(read_kernel_file(folder.source()).kernels)
    except UnreadableSource:
        return frozenset()


def _one_process(
    job: Job, names: tuple[str, ...], index: int
) -> tuple[tuple[tuple[Forward, ...], ...], tuple[str, ...]]:
    """Each workload's forward calls in one process, and the metrics that it took.

    Started again without optional metrics that ncu does not know, and once where the counters are
    held by another.
    """
    retries = BUSY_RETRIES
    while True:
        try:
            return attempt(job, names, index), names
        except ProfilingFailed as failed:
            unknown = set(failed.failure.metrics)
            if unknown and not unknown & metrics.REQUIRED:
                names = metrics.without(names, unknown)
            elif failed.failure.reason == PROFILER_BUSY and retries:
                retries -= 1
                time.sleep(BUSY_WAIT_SECONDS)
            else:
                raise
