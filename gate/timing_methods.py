"""The three ways to time one forward call. Runs in a fork, beside the code that is timed.

A sample is the GPU time of one call with a cold L2, in nanoseconds:

- `cuda_graph`: a CUDA graph of (flush, forward) repeated, less a graph of the flushes alone, over
  the repetitions. Nothing of the host is in it.
- `held_queue`: event pairs around each call, all enqueued while a spin kernel holds the GPU, so
  that the host's launch jitter stays out; for what a graph cannot capture. It reads a constant of
  3 to 4 us more, hence the method is part of a timing's identity.
- `events`: event pairs around one call at a time; for what makes the host wait inside, whose
  round trips belong to its time.

The names of torch that are used after the candidate's code ran are bound here, before it did.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from gate.model import Method

# Clocks need 0.3 s of work on an H100 until they stay; then two neighbouring samples must agree.
WARM_SECONDS = 0.3
MAX_WARM_SECONDS = 1.5
STEADY = 0.01
SAMPLES = 10
MIN_SAMPLES = 3
SAMPLING_SECONDS = 2.0
# One replay of a batch should be long against the events' resolution and short against a budget.
BATCH_SECONDS = 0.02
MAX_BATCH = 50
ESTIMATING_CALLS = 3
# Host time allowed to enqueue one call of a held batch, generous by an order of magnitude.
ENQUEUE_SECONDS = 200e-6
SPIN_CLOCK_HZ = 2e9

_Event: Any = torch.cuda.Event
_elapsed_ms: Any = torch.cuda.Event.elapsed_time
_record: Any = torch.cuda.Event.record
_done: Any = torch.cuda.Event.query
_Graph: Any = torch.cuda.CUDAGraph
_replay: Any = torch.cuda.CUDAGraph.replay
_capture: Any = torch.cuda.graph
_synchronize: Any = torch.cuda.synchronize
_spin: Any = torch.cuda._sleep  # noqa: SLF001 - the one kernel of torch that just takes time
_clock = time.perf_counter


class MethodFails(Exception):
    """This way of timing does not work for this forward call; another may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is timed: `forward` and the `flush` before it only enqueue work.

    `refresh` writes fresh values into the memory of `inputs` and takes `refresh_seconds`.
    """

    forward: Callable[[], Any]
    flush: Callable[[], Any]
    refresh: Callable[[], None]
    refresh_seconds: float
    batch: int
    inputs: tuple[torch.Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A subject made ready to be timed by one method.

    `sample` gives nanoseconds; `last` repeats the last timed call and gives its outputs.
    """

    sample: Callable[[], float]
    last: Callable[[], Any]


def estimate_batch(forward: Callable[[], Any]) -> int:
    """How many calls make one batch; the first call, which compiles, is over."""
    _synchronize()
    started = _clock()
    for _ in range(ESTIMATING_CALLS):
        forward()
    _synchronize()
    return max(1, min(MAX_BATCH, round(BATCH_SECONDS * ESTIMATING_CALLS / (_clock() - started))))


def prepare(subject: Subject, method: Method) -> Prepared:
    """Raises MethodFails where the method does not work for this subject."""
    match method:
        case "cuda_graph":
            return _prepare_graph(subject)
        case "held_queue":
            return Prepared(lambda: _held_sample(subject), subject.forward)
        case "events":
            return Prepared(lambda: _event_sample(subject), subject.forward)


def take_samples(
    subject: Subject, prepared: Prepared, after_each: Callable[[], None]
) -> list[float]:
    """Warm up, then sample, each time on other values as far as drawing them is cheap."""
    seconds = _warm_up(prepared.sample)
    count = max(MIN_SAMPLES, min(SAMPLES, int(SAMPLING_SECONDS / seconds)))
    refreshed_every = 1 + int(count * subject.refresh_seconds / SAMPLING_SECONDS)
    samples = []
    for index in range(count):
        if index % refreshed_every == 0:
            subject.refresh()
        samples.append(prepared.sample())
        after_each()
    return samples


def _warm_up(sample: Callable[[], float]) -> float:
    """Sample until the pace is steady; the seconds that one sample takes."""
    started = now = _clock()
    before, last, taken = 0.0, sample(), 1
    while (elapsed := (now := _clock()) - started) < MAX_WARM_SECONDS:
        if elapsed >= WARM_SECONDS and abs(last - before) <= STEADY * abs(last):
            break
        before, last, taken = last, sample(), taken + 1
    return (now - started) / taken


# -------------------------------------------------------------------------------- cuda_graph


def _prepare_graph(subject: Subject) -> Prepared:
    output: Any = None
    try:
        full, flushes = _Graph(), _Graph()
        with _capture(full):
            for _ in range(subject.batch):
                output = None  # its memory is the next call's again
                subject.flush()
                output = subject.forward()
        with _capture(flushes):
            for _ in range(subject.batch):
                subject.flush()
    except RuntimeError as error:
        raise MethodFails(f"it cannot be captured: {error}") from error

    def sample() -> float:
        parts = [(full, 1.0), (flushes, -1.0)]
        random.shuffle(parts)
        return sum(sign * _replay_ns(graph) for graph, sign in parts) / subject.batch

    def last() -> Any:
        _replay(full)
        return output

    return Prepared(sample, last)


def _replay_ns(graph: Any) -> float:
    start, stop = _pair()
    _record(start)
    _replay(graph)
    _record(stop)
    _synchronize()
    return float(_elapsed_ms(start, stop)) * 1e6


# --------------------------------------------------------------------- held_queue and events


def _held_sample(subject: Subject) -> float:
    """One batch of event pairs, all enqueued before the GPU is let go."""
    pairs = [_pair() for _ in range(subject.batch)]
    released = _Event()
    _spin(int(SPIN_CLOCK_HZ * ENQUEUE_SECONDS * subject.batch))
    _record(released)
    for start, stop in pairs:
        subject.flush()
        _record(start)
        subject.forward()
        _record(stop)
    held = not _done(released)
    _synchronize()
    if not held:
        raise MethodFails("the host waits inside of it, so that the queue cannot be held")
    return _median_ns(pairs)


def _event_sample(subject: Subject) -> float:
    pairs = [_pair() for _ in range(subject.batch)]
    for start, stop in pairs:
        subject.flush()
        _record(start)
        subject.forward()
        _record(stop)
        _synchronize()
    return _median_ns(pairs)


def _median_ns(pairs: list[tuple[Any, Any]]) -> float:
    return median(float(_elapsed_ms(start, stop)) * 1e6 for start, stop in pairs)


def _pair() -> tuple[Any, Any]:
    return _Event(enable_timing=True), _Event(enable_timing=True)
