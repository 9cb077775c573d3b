"""The timing step, child's side: one fork, one fresh CUDA context, one workload.

Torch is imported once and CUDA is started only in the forks, so a further process costs the start
of a context and not the import. Workloads do not share a context: what one leaves behind in the
allocator moved the next by up to 9 % (benchmarks/RESULTS.md).

A sample is the GPU time of one forward call with a cold L2: a CUDA graph of (flush, forward)
repeated, less a graph of the flushes alone, over the repetitions. What a graph cannot capture is
timed by events while a spin kernel holds the queue, so that the host's launch jitter stays out
there too; the two differ by a constant, hence `method`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gate.environment import read_state
from gate.kernels import Workload
from gate.problem import construct_candidate, describe, draw_inputs, load_reference
from gate.processes import die_with_parent, signal_name

if TYPE_CHECKING:
    from collections.abc import Iterator

# Warm-up goes on until two neighbouring windows agree: clocks need 0.3 s on an H100.
WINDOW_SECONDS = 0.1
MIN_WINDOWS = 3
MAX_WINDOWS = 20
STEADY = 0.02
SAMPLES = 10
# One replay of a batch should be long against the events' resolution and short against a budget.
BATCH_SECONDS = 0.02
MAX_BATCH = 50
# Host time allowed to enqueue one call of a held batch, generous by an order of magnitude.
ENQUEUE_SECONDS = 200e-6
SPIN_CLOCK_HZ = 2e9
CAPTURE_FAILED = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is timed: the forward call and the flush before it, both only enqueueing work."""

    forward: Callable[[], Any]
    flush: Callable[[], Any]
    batch: int


def main(request_file: str) -> None:
    die_with_parent()
    request = json.loads(Path(request_file).read_text())
    workloads = [Workload.from_json(plain) for plain in request["workloads"]]
    methods = dict.fromkeys((w.name for w in workloads), "cuda_graph")
    order = random.Random(request["seed"])
    for index in range(request["processes"]):
        order.shuffle(workloads)
        # One that failed has too few processes already; the others go on.
        workloads = [w for w in workloads if _time_in_fork(request, w, methods, index)]


def _time_in_fork(
    request: dict[str, Any], workload: Workload, methods: dict[str, str], index: int
) -> bool:
    """One line of the answer; a workload that a graph cannot capture starts over without one."""
    work = partial(_measure, request, workload, methods[workload.name], request["seed"] + index)
    status = _in_fork(work)
    if status == CAPTURE_FAILED and methods[workload.name] == "cuda_graph":
        methods[workload.name] = "held_queue"
        return _time_in_fork(request, workload, methods, index)
    if status != 0:
        how = f"was ended by {signal_name(-status)}" if status < 0 else f"exited with {status}"
        print(f"{workload.name}: process {index} {how}", file=sys.stderr, flush=True)  # noqa: T201
    return status == 0


def _in_fork(work: Callable[[], None]) -> int:
    """Run `work` in a forked child; its exit code, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            die_with_parent()
            work()
            sys.stdout.flush()
            os._exit(0)
        except SystemExit as request:
            os._exit(request.code if isinstance(request.code, int) else 1)
        except BaseException:  # noqa: BLE001 - a fork must never return into its parent's code
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _measure(request: dict[str, Any], workload: Workload, method: str, seed: int) -> None:
    folder = Path(request["folder"])
    module = load_reference(folder / "reference.py", workload.constants)
    inputs, init = draw_inputs(module, workload, device="cuda", seed=seed)
    candidate = construct_candidate(folder, init, workload, device="cuda", seed=seed)
    buffer = torch.empty(request["l2_bytes"], dtype=torch.int8, device="cuda")
    with torch.no_grad():
        forward = partial(candidate, *inputs)
        subject = Subject(forward=forward, flush=buffer.zero_, batch=_warm_up(forward))
        sample = _graph_sampler(workload, subject) if method == "cuda_graph" else None
        sample = sample or partial(_held_samples, subject)
        samples = [value for _ in range(SAMPLES) for value in sample()]
        for _ in range(subject.batch):
            forward()
        state = read_state(request["gpu"])  # while the GPU works on what was just enqueued
    torch.cuda.synchronize()
    line = {
        "workload": workload.name,
        "signature": describe([*inputs, *init]),
        "method": method,
        "samples_ns": [max(value, 1.0) for value in samples],
        "batch": subject.batch,
        "l2_flush_bytes": buffer.numel(),
        "state": asdict(state),
    }
    with Path(request["answer"]).open("a") as stream:
        stream.write(json.dumps(line) + "\n")


def _warm_up(forward: Callable[[], Any]) -> int:
    """Run until the pace is steady; how many calls make one batch."""
    forward()
    torch.cuda.synchronize()
    before, rate = 0.0, 0.0
    for window in range(MAX_WINDOWS):
        before, rate = rate, _calls_per_second(forward)
        if window >= MIN_WINDOWS and abs(rate / before - 1) < STEADY:
            break
    return max(1, min(MAX_BATCH, round(BATCH_SECONDS * rate)))


def _calls_per_second(forward: Callable[[], Any]) -> float:
    started, calls = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < WINDOW_SECONDS:
        forward()
        torch.cuda.synchronize()
        calls += 1
    return calls / elapsed


def _graph_sampler(workload: Workload, subject: Subject) -> Callable[[], list[float]]:
    try:
        full, flushes = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(full):
            for _ in range(subject.batch):
                subject.flush()
                subject.forward()
        with torch.cuda.graph(flushes):
            for _ in range(subject.batch):
                subject.flush()
    except RuntimeError as error:
        # A context that failed to capture is not trusted with a timing: start over without graphs.
        print(f"{workload.name} cannot be captured: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(CAPTURE_FAILED)
    for graph in (full, flushes):
        graph.replay()
    return partial(_graph_sample, full, flushes, subject.batch)


def _graph_sample(
    full: torch.cuda.CUDAGraph, flushes: torch.cuda.CUDAGraph, batch: int
) -> list[float]:
    both = [(full, 1.0), (flushes, -1.0)]
    random.shuffle(both)
    return [sum(sign * _replay_ns(graph) for graph, sign in both) / batch]


def _replay_ns(graph: torch.cuda.CUDAGraph) -> float:
    with _events() as (start, stop):
        start.record()
        graph.replay()
        stop.record()
    return float(start.elapsed_time(stop)) * 1e6


def _held_samples(subject: Subject) -> list[float]:
    """One batch of event pairs, all enqueued before the GPU is let go."""
    pairs = [_event_pair() for _ in range(subject.batch)]
    spin_cycles = int(SPIN_CLOCK_HZ * ENQUEUE_SECONDS * subject.batch)
    torch.cuda._sleep(spin_cycles)  # type: ignore[no-untyped-call]  # noqa: SLF001
    for start, stop in pairs:
        subject.flush()
        start.record()
        subject.forward()
        stop.record()
    torch.cuda.synchronize()
    times = sorted(float(start.elapsed_time(stop)) * 1e6 for start, stop in pairs)
    return [times[len(times) // 2]]


@contextlib.contextmanager
def _events() -> Iterator[tuple[torch.cuda.Event, torch.cuda.Event]]:
    pair = _event_pair()
    yield pair
    torch.cuda.synchronize()


def _event_pair() -> tuple[torch.cuda.Event, torch.cuda.Event]:
    event: Any = torch.cuda.Event  # untyped in torch
    return event(enable_timing=True), event(enable_timing=True)


if __name__ == "__main__":
    main(sys.argv[1])
