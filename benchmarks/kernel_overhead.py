"""What one call costs the host, from the call to its return: wrapper, bare launch, F.conv2d."""

from __future__ import annotations

import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F  # noqa: N812

from benchmarks.kernel_cases import Case
from benchmarks.kernel_competitors import kernel, tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A launch queue holds 1024; so few calls of a small case never wait for a place in it.
CALLS, TIMES = 100, 20
SMALL = Case(n=1, c=8, h=32, w=32)
FUNCTION = "depthwise_conv_h_kernel"


class Recorder:
    """In place of a jitted function: launches it, and remembers the launch."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.launch: Callable[[], Any] | None = None

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., Any]:
        def launch(*args: Any, **kwargs: Any) -> Any:
            self.launch = partial(self.function[grid], *args, **kwargs)
            return self.launch()

        return launch


def overheads() -> dict[str, float]:
    """Median nanoseconds of one call by name."""
    module = kernel()
    x, weight, _ = tensors(SMALL)
    wrapper = partial(module.depthwise_conv_h, x, weight, None, stride=1, padding=0, dilation=1)
    calls = {
        "the kernel's wrapper": wrapper,
        "its bare Triton launch": recorded_launch(module, wrapper),
        "F.conv2d": partial(F.conv2d, x, weight, groups=SMALL.c),
    }
    return host_ns(calls)


def recorded_launch(module: Any, call: Callable[[], Any]) -> Callable[[], Any]:
    """The launch that `call` ends in, with the same arguments each time."""
    function = getattr(module, FUNCTION)
    recorder = Recorder(function)
    setattr(module, FUNCTION, recorder)
    try:
        call()
    finally:
        setattr(module, FUNCTION, function)
    assert recorder.launch is not None
    return recorder.launch


def host_ns(calls: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Medians over TIMES turns of CALLS calls each, so that a host that slows down slows all."""
    taken: dict[str, list[int]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(TIMES):
        for name, call in calls.items():
            torch.cuda.synchronize()
            for _ in range(CALLS):
                started = time.perf_counter_ns()
                call()
                taken[name].append(time.perf_counter_ns() - started)
    torch.cuda.synchronize()
    return {name: median(each) for name, each in taken.items()}


def overhead_markdown(figures: dict[str, float]) -> str:
    lines = [f"| {name} | {ns / 1e3:.1f} us |" for name, ns in figures.items()]
    return "\n".join(["| one call on the host | median |", "| --- | ---: |", *lines, ""])
