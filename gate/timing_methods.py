"""The three ways to time one forward call. Runs in a fork, beside the code that is timed.

A sample is the GPU time of one call with a cold L2, in nanoseconds:

- `cuda_graph`: a CUDA graph of (flush, forward) repeated, less a graph of the flushes alone, over
  the repetitions. Nothing of the host is in it: replays follow each other without a gap.
- `held_queue`: event pairs around each call, all enqueued while a spin kernel holds the GPU, so
  that the host's launch jitter stays out; for what a graph cannot capture. It reads a constant of
  3 to 4 us more, hence the method is part of a timing's identity.
- `events`: event pairs around one call at a time; for what makes the host wait inside, whose
  round trips belong to its time.

The names of torch that are used after the candidate's code ran are bound here, before it did.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from gate.model import Method

# Warm-up ends when two neighbouring rounds agree, so that a card whose clocks rise takes longer.
WARM_SECONDS = 0.1
MAX_WARM_SECONDS = 1.5
STEADY = 0.01
# Rounds differ in their inputs; the samples of one follow each other without a gap. Four would take
# a tenth of a second more a process, for deviations lower by 6 to 31 % (RESULTS.md).
ROUNDS = 3
SAMPLES_A_ROUND = 2
# A forward call of a second has to do with fewer.
ROUND_SECONDS = 1.0
# One replay of a batch should be long against the events' resolution and short against a budget.
BATCH_SECONDS = 0.01
MAX_BATCH = 200
MAX_HELD_BATCH = 50
ESTIMATING_CALLS = 3
# Host time allowed to enqueue one call of a held batch, generous by an order of magnitude.
ENQUEUE_SECONDS = 200e-6
SPIN_CLOCK_HZ = 2e9
# Times that the hold is longer when the shorter one was not long enough.
HOLDS = (1, 4, 16)

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

    `refresh` writes fresh values into the memory of `inputs`.
    """

    forward: Callable[[], Any]
    flush: Callable[[], Any]
    refresh: Callable[[], None]
    batch: int
    inputs: tuple[torch.Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A subject made ready to be timed by one method.

    `round` takes so many samples and gives their nanoseconds; `last` repeats the last timed call
    and gives its outputs.
    """

    round: Callable[[int], list[float]]
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
            return Prepared(lambda n: [_held_sample(subject) for _ in range(n)], subject.forward)
        case "events":
            return Prepared(lambda n: [_event_sample(subject) for _ in range(n)], subject.forward)


def take_samples(
    subject: Subject, prepared: Prepared, after_each: Callable[[], None]
) -> list[float]:
    """Warm up, then sample in rounds, each on other values in the inputs' memory."""
    seconds = _warm_up(prepared)
    size = max(1, min(SAMPLES_A_ROUND, int(ROUND_SECONDS / seconds)))
    samples: list[float] = []
    for _ in range(ROUNDS):
        subject.refresh()
        samples += prepared.round(size)
        after_each()
    return samples


def _warm_up(prepared: Prepared) -> float:
    """Go on until the pace is steady; the seconds that one sample takes."""
    started = now = _clock()
    before, last, taken = 0.0, prepared.round(1)[0], 1
    while (elapsed := (now := _clock()) - started) < MAX_WARM_SECONDS:
        if elapsed >= WARM_SECONDS and abs(last - before) <= STEADY * abs(last):
            break
        before, last, taken = last, prepared.round(1)[0], taken + 1
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

    def round_of(samples: int) -> list[float]:
        parts = [full, flushes]
        random.shuffle(parts)
        times = {graph: _replay_ns(graph, samples) for graph in parts}
        pairs = zip(times[full], times[flushes], strict=True)
        return [(whole - flush) / subject.batch for whole, flush in pairs]

    def last() -> Any:
        _replay(full)
        return output

    return Prepared(round_of, last)


def _replay_ns(graph: Any, times: int) -> list[float]:
    """Replays back to back; the one before them takes the launch of an idle GPU on itself."""
    marks = [_Event(enable_timing=True) for _ in range(times + 1)]
    _replay(graph)
    for mark in marks[:-1]:
        _record(mark)
        _replay(graph)
    _record(marks[-1])
    _synchronize()
    return [float(_elapsed_ms(a, b)) * 1e6 for a, b in itertools.pairwise(marks)]


# --------------------------------------------------------------------- held_queue and events


def _held_sample(subject: Subject) -> float:
    """One batch of event pairs, all enqueued before the GPU is let go."""
    pairs = [_pair() for _ in range(min(subject.batch, MAX_HELD_BATCH))]
    # Only a host that waits inside is too slow for the longest hold; the first pass loads kernels.
    if not any(_enqueued_in_time(subject, pairs, hold) for hold in HOLDS):
        raise MethodFails("the host waits inside of it, so that the queue cannot be held")
    return _median_ns(pairs)


def _enqueued_in_time(subject: Subject, pairs: list[tuple[Any, Any]], hold: int) -> bool:
    released = _Event()
    _spin(int(SPIN_CLOCK_HZ * ENQUEUE_SECONDS * hold * len(pairs)))
    _record(released)
    for start, stop in pairs:
        subject.flush()
        _record(start)
        subject.forward()
        _record(stop)
    held = not _done(released)
    _synchronize()
    return held


def _event_sample(subject: Subject) -> float:
    pairs = [_pair() for _ in range(min(subject.batch, MAX_HELD_BATCH))]
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
