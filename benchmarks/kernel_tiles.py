"""Which tiles of the first kernel are fastest, on a GPU: what its tile functions are made of.

`python -m benchmarks.kernel_tiles OUT.jsonl [--seconds 240] [--only TEXT] [--tiles 24]` times the
cases of `kernel_cases` as the kernel plans them and with tiles drawn at random, all interleaved, by
the gate's own method with a cold L2; every tile's output is held against F.conv2d's. OUT.jsonl gets
a line a case; the fastest few are printed as WIDTH x ROWS, BLOCK / warps, "stacked" where a program
goes on with the next rows of a plane. Where an output is lower than ROWS, the kernel takes fewer.
Halves are tried on tensor cores too, a strip of rows a program, by its columns, and all as
`kernel_variants` has it where that fits.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from concurrent import futures
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F  # noqa: N812

from benchmarks.kernel import FAILURES, agree, interleaved, prepare
from benchmarks.kernel_cases import BOTH, ITEM_BYTES, Case, grid
from benchmarks.kernel_competitors import DEVICE, kernel, require_gpu, tensors
from benchmarks.kernel_variants import variants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Tile = tuple[int, int, int, int, bool]

PLANNED = "planned"
ROWS = (1, 2, 3, 4, 6, 7, 8, 12, 14, 16, 20, 22, 24, 28)
BLOCKS = (32, 64, 128, 256, 512)
WARPS = (1, 2, 4, 8)
# Of the input, that a program on tensor cores takes.
COLUMNS = (32, 64, 128, 256)
# Sums that a thread may keep, and groups of columns that it may have.
MOST_SUMS, MOST_GROUPS = 64, 4


def tiles(case: Case, count: int) -> list[Tile]:
    """At most `count` tiles that the registers hold, the same ones each time."""
    vector = 16 // ITEM_BYTES[case.dtype]
    widths = [width for width in (1, 2, 4, 8) if width <= vector and fits(case, width)]
    every = [
        (width, rows, block, warps, stacked)
        for width, rows, block, warps, stacked in product(widths, ROWS, BLOCKS, WARPS, BOTH)
        if 1 <= block // (32 * warps) <= MOST_GROUPS
        and 4 <= width * rows * (block // (32 * warps)) <= MOST_SUMS
        and rows <= case.output_shape[2]
    ]
    return random.Random(case.name).sample(every, min(count, len(every)))


def fits(case: Case, width: int) -> bool:
    return (case.c if case.channels_last else case.w) % width == 0


def calls(case: Case, count: int) -> tuple[Callable[[], Any], dict[str, Callable[[], Any]]]:
    """F.conv2d's call; the kernel's as it plans the case, and with each of the tiles."""
    module = kernel()
    x, weight, bias = tensors(case)
    sizes = {"stride": case.stride, "padding": case.padding, "dilation": case.dilation}
    call = partial(module.depthwise_conv_h, x, weight, bias, **sizes)
    names = ("tile", "banded_block", "strips_launch", "planes_launch")
    own = {name: getattr(module, name) for name in names}

    def planned_with(tile: Tile | None, block: int) -> Any:
        module.PLANS.clear()
        for name, given in zip(names, (tile, block, None, None), strict=True):
            setattr(module, name, lambda *_, given=given: given)
        try:
            return call()
        finally:
            module.PLANS.clear()
            for name, function in own.items():
                setattr(module, name, function)

    named = {shown(tile): partial(planned_with, tile, 0) for tile in tiles(case, count)}
    if fits_tensor_cores(case):
        named |= {f"tensor cores, {each}": partial(planned_with, None, each) for each in COLUMNS}
    conv2d = partial(F.conv2d, x, weight, bias, groups=case.c, **sizes)
    return conv2d, {PLANNED: call, **named, **variants(case, (x, weight, bias))}


def fits_tensor_cores(case: Case) -> bool:
    """Whether the kernel's product of matrices could compute it, however slowly."""
    vectors = case.stride == 1 and not case.channels_last and case.w % 8 == 0
    return vectors and ITEM_BYTES[case.dtype] == 2 and max(case.k - 1, case.padding) <= 32


def shown(tile: Tile) -> str:
    width, rows, block, warps, stacked = tile
    return f"{width}x{rows}, {block}/{warps}" + " stacked" * stacked


def compiled(case: Case, count: int) -> None:
    """Leave every tile in Triton's cache; one that fails fails again, and is told, when timed."""
    with torch.no_grad():
        for call in calls(case, count)[1].values():
            call()


def timed(case: Case, count: int, order: random.Random) -> dict[str, float]:
    """Median nanoseconds of each tile that gives what F.conv2d gives."""
    conv2d, ours = calls(case, count)
    expected = conv2d()
    size = torch.cuda.get_device_properties(0).L2_cache_size
    flush = torch.empty(size, dtype=torch.int8, device=DEVICE).zero_
    ready = {}
    for name, call in ours.items():
        try:
            agree(case, call, expected)
            ready[name] = prepare(call, flush)
        except FAILURES as error:
            print(f"{case.name}, {name}: {error}")
    return {name: median(taken) for name, taken in interleaved(ready, order).items()}


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse(argv)
    require_gpu()
    started, order = time.monotonic(), random.Random(0)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False
    cases = [case for case in grid() if arguments.only in case.name]
    with futures.ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        futures.wait([pool.submit(compiled, case, arguments.tiles) for case in cases])
    for case in cases:
        if time.monotonic() - started > arguments.seconds:
            break
        with torch.no_grad():
            ns = timed(case, arguments.tiles, order)
        torch.cuda.empty_cache()
        with arguments.out.open("a") as stream:
            stream.write(json.dumps({"case": case.name, "ns": ns}) + "\n")
        fastest = sorted(ns, key=lambda name: ns[name])[:5]
        figures = "  ".join(f"{name} {ns[name] / 1e3:.2f}" for name in fastest)
        own = f"{ns[PLANNED] / 1e3:.2f}" if PLANNED in ns else "failed"
        print(f"{case.name}: planned {own}, fastest {figures} us", flush=True)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernel_tiles")
    parser.add_argument("out", type=Path, help="JSON lines")
    parser.add_argument("--seconds", type=float, default=240.0, help="begin no case after these")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--tiles", type=int, default=24, help="tiles a case")
    parser.add_argument("--workers", type=int, default=8, help="processes that compile beforehand")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
