"""The first kernel against F.conv2d, torch.compile, a seed-style kernel and a copy, on a GPU.

`python -m benchmarks.kernel OUT.jsonl [--seconds 240] [--compile N] [--only TEXT]` times the cases
of `kernel_cases` in random order, each competitor by the gate's own method with a cold L2, their
rounds interleaved, and prints Markdown (also into OUT.md). OUT.jsonl gets a line a case as soon as
it is timed, and what it holds is not timed again: a run that was cut short goes on. With
`--seconds 0` it only prints what is there and needs no GPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from concurrent import futures
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
import triton

from benchmarks.kernel_cases import Case, grid
from benchmarks.kernel_competitors import DEVICE, competitors, compile_kernels, require_gpu
from benchmarks.kernel_overhead import overhead_markdown, overheads
from benchmarks.kernel_table import COPIES, Row, markdown
from gate import timing_methods as methods

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 4
SAMPLES_A_ROUND = 2
# The gate's batches take 15 ms each; here there are many more of them.
SHORTER = 3
# Clocks fall while the host compiles and captures.
WARM_SECONDS = 0.06
# Relative to the largest value: what one rounding to the dtype costs, and room for another order.
AGREEMENT = {"float32": 1e-4, "float16": 4e-3, "bfloat16": 3e-2}
# What leaves the other competitors to be timed.
FAILURES = (RuntimeError, ValueError, TypeError, triton.TritonError, methods.MethodFails)


def timed(case: Case, *, compiled: bool, order: random.Random) -> Row:
    """One case: the median of interleaved rounds of every competitor that works."""
    failed: dict[str, str] = {}
    calls = competitors(case, compiled=compiled)
    expected = attempt(failed, "conv2d", calls["conv2d"])
    for name in calls:
        if name not in {"conv2d", *COPIES}:
            attempt(failed, name, partial(agree, case, calls[name], expected))
    expected = None
    card = torch.cuda.get_device_properties(0)
    flush = torch.empty(card.L2_cache_size, dtype=torch.int8, device=DEVICE).zero_
    ready = {
        name: attempt(failed, name, partial(prepare, call, flush))
        for name, call in calls.items()
        if name not in failed
    }
    samples = interleaved({name: each for name, each in ready.items() if each}, order)
    ns = {name: round(median(taken), 1) for name, taken in samples.items()}
    return Row(case=case.name, device=card.name, ns=ns, failed=failed)


def attempt(failed: dict[str, str], name: str, call: Callable[[], Any]) -> Any:
    """What `call` returns; None where it fails, which `failed` then says."""
    try:
        return call()
    except FAILURES as error:
        words = str(error).strip().splitlines() or [""]
        failed[name] = f"{type(error).__name__}: {words[0]}"[:200]
        return None


def agree(case: Case, call: Callable[[], Any], expected: torch.Tensor | None) -> None:
    """What computes something else has no time."""
    output = call()
    if expected is None:
        return
    if output.shape != expected.shape:
        raise ValueError(f"its output is {tuple(output.shape)}, F.conv2d's {tuple(expected.shape)}")
    largest = expected.abs().max().float()
    difference = float((output - expected).abs().max().float() / largest)
    if not difference <= AGREEMENT[case.dtype]:
        raise ValueError(
            f"its output differs from F.conv2d's by {difference:.2g} of the largest value"
        )


def prepare(call: Callable[[], Any], flush: Callable[[], Any]) -> methods.Prepared:
    call()  # the first one loads a kernel, and would leave room for one call in a batch
    subject = methods.Subject(
        forward=call,
        flush=flush,
        refresh=lambda: None,
        batch=max(1, methods.estimate_batch(call) // SHORTER),
    )
    return methods.prepare(subject, "cuda_graph")


def interleaved(ready: dict[str, methods.Prepared], order: random.Random) -> dict[str, list[float]]:
    """Samples in ns by competitor, each round in another order."""
    samples: dict[str, list[float]] = {name: [] for name in ready}
    started = time.monotonic()
    while ready and time.monotonic() - started < WARM_SECONDS:
        for each in ready.values():
            each.round(1)
    for _ in range(ROUNDS):
        for name in order.sample(list(ready), len(ready)):
            samples[name] += ready[name].round(SAMPLES_A_ROUND)
    return samples


def precompile(cases: Sequence[Case], workers: int) -> None:
    """Fill Triton's cache in parallel; what fails here fails again, and is told, when timed."""
    started = time.monotonic()
    with futures.ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        made = [pool.submit(compile_kernels, case) for case in cases]
        futures.wait(made)
    failed = sum(each.exception() is not None for each in made)
    print(f"[{time.monotonic() - started:5.1f} s] compiled {len(made)} cases, {failed} failed")


def run(cases: Sequence[Case], out: Path, arguments: argparse.Namespace) -> None:
    """Time what `out` does not hold yet, until the time is over."""
    started, order = time.monotonic(), random.Random(arguments.seed)
    compiled = {case.name for case in cases[: arguments.compile]}
    known = {row.case: row for row in read_rows(out)}
    todo = [case for case in cases if is_open(case, known, compiled)]
    order.shuffle(todo)
    if arguments.workers:
        precompile(todo, arguments.workers)
    for number, case in enumerate(todo, start=1):
        elapsed = time.monotonic() - started
        if elapsed > arguments.seconds:
            print(f"{len(todo) - number + 1} cases are left: the same command goes on with them")
            return
        row = timed(case, compiled=case.name in compiled, order=order)
        with out.open("a") as stream:
            stream.write(json.dumps(asdict(row)) + "\n")
        torch.cuda.empty_cache()
        figures = "  ".join(f"{name} {ns / 1e3:.2f}" for name, ns in row.ns.items())
        print(f"[{elapsed:5.1f} s] {number}/{len(todo)} {case.name}: {figures} us", flush=True)


def is_open(case: Case, known: dict[str, Row], compiled: set[str]) -> bool:
    row = known.get(case.name)
    return row is None or (case.name in compiled and not {*row.ns, *row.failed} & {"compile"})


def read_rows(out: Path) -> list[Row]:
    lines = out.read_text().splitlines() if out.exists() else []
    return [Row(**json.loads(line)) for line in lines]


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernel")
    parser.add_argument("out", type=Path, help="JSON lines, written and gone on with")
    parser.add_argument("--seconds", type=float, default=240.0, help="begin no case after these")
    parser.add_argument(
        "--compile", type=int, default=0, help="torch.compile too, in so many cases"
    )
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--workers", type=int, default=8, help="processes that compile beforehand")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None, cases: Sequence[Case] | None = None) -> None:
    arguments = parse(argv)
    chosen = [case for case in cases or grid() if arguments.only in case.name]
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False
    gc.freeze()  # a capture may begin with a collection: of what torch is made, nothing goes
    if arguments.seconds > 0:
        require_gpu()
        with torch.no_grad():
            print(overhead_markdown(overheads()), flush=True)
            run(chosen, arguments.out, arguments)
    text = markdown(chosen, read_rows(arguments.out))
    arguments.out.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
