"""`benchmarks.kernel` from end to end without a GPU: Triton interpreted, time made up.

Run by `test_benchmark.py` with TRITON_INTERPRET=1. Replaces what the benchmark and the gate's timer
ask of CUDA, and nothing else; a competitor takes a microsecond more than the one before it.
"""

import contextlib
import itertools
import sys
import types

import torch

from benchmarks import (
    kernel,
    kernel_competitors,
    kernel_overhead,
    kernel_padded_copy,
    kernel_tiles,
)
from benchmarks.kernel_cases import Case
from gate import timing_methods

CASES = (
    Case(n=2, c=3, h=9, w=17),
    Case(n=1, c=2, h=11, w=13, k=5, stride=2, dilation=2, same=True, bias=True, dtype="float16"),
    Case(n=1, c=4, h=8, w=6, same=True, channels_last=True, dtype="bfloat16"),
    Case(n=4, c=2, h=20, w=16, k=11, same=True, bias=True, dtype="float16"),
)


class Event:
    def __init__(self, **_):
        self.at = 0.0


class Graph:
    def __init__(self, number):
        self.cost = float(number)


class Clock:
    """Milliseconds that only replays take."""

    def __init__(self):
        self.now = 0.0
        self.numbers = itertools.count()

    def new_graph(self):
        return Graph(next(self.numbers))

    @contextlib.contextmanager
    def capture(self, graph):
        yield
        # The graphs with the calls and those of flushes alone are made in turn.
        graph.cost = 1.0 if graph.cost % 2 else 1.001 + graph.cost / 1000

    def replay(self, graph):
        self.now += graph.cost


def install():
    clock = Clock()
    timing_methods._Event = Event
    timing_methods._Graph = clock.new_graph
    timing_methods._capture = clock.capture
    timing_methods._replay = clock.replay
    timing_methods._record = lambda event: setattr(event, "at", clock.now)
    timing_methods._elapsed_ms = lambda a, b: b.at - a.at
    timing_methods._synchronize = lambda: None
    for module in (kernel, kernel_competitors, kernel_padded_copy, kernel_tiles):
        module.DEVICE = "cpu"
    kernel.WARM_SECONDS = 0.0
    kernel_overhead.CALLS = kernel_overhead.TIMES = 1
    torch.compile = lambda call, **_: call
    torch.cuda.synchronize = torch.cuda.empty_cache = lambda: None
    card = types.SimpleNamespace(name="made up", L2_cache_size=64)
    torch.cuda.get_device_properties = lambda _: card


if __name__ == "__main__":
    install()
    if sys.argv[1] == "tiles":
        kernel_tiles.grid = lambda: CASES
        sys.exit(kernel_tiles.main([*sys.argv[2:], "--workers", "1"]))
    if sys.argv[1] == "padded":
        kernel_padded_copy.grid, kernel_padded_copy.LARGE = lambda: CASES, 0.0
        sys.exit(kernel_padded_copy.main(sys.argv[2:]))
    kernel.main([*sys.argv[1:], "--workers", "0"], CASES)
