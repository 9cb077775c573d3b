"""Collects fresh-process timings of the first kernel, with and without planted slowdowns.

`python -m benchmarks.pool OUT.jsonl.gz MACHINE PROCESSES PLANTED SECONDS [WORKLOAD...]` on a
machine with a GPU: for each benchmarked workload, or those named, PROCESSES fresh processes of the
kernel as it is and PLANTED of each slowed-down one, in random order, one JSON line each (see
`benchmarks/judge_pool.py`). It stops after SECONDS; arms are named by their true size, measured at
the end. Which planted changes slow a workload by about WANTED is tried first.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

from benchmarks.planted import busier, slower
from gate import processes, timing_worker
from gate.environment import find_gpu, worker_environment
from gate.kernels import KernelFolder, load_folder
from gate.sampling import Lost, Order, TimedProcess
from gate.timing import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = {"flagship": "large", "medium": "medium", "small": "small"}
PLANTED = {
    "flagship": {f"1/{share}": partial(slower, share=share) for share in (48, 90)},
    "medium": {
        f"1 of {share}": partial(slower, share=share) for share in (36, 56, 72, 110, 150, 200)
    },
    "small": {
        **{f"1 of {share}": partial(slower, share=share) for share in (2, 3, 4, 6, 8, 12, 20)},
        **{f"{times} more": partial(busier, times=times) for times in (18, 20, 21, 22, 23, 26)},
    },
}
WANTED = {"medium": (0.023, 0.0115), "small": (0.052,)}
UNCHANGED = "A"


def main(argv: Sequence[str] | None = None) -> None:
    given = parse(argv)
    started, gpu = time.monotonic(), find_gpu()
    if gpu is None:
        sys.exit("no GPU here")
    folder = load_folder(Path("kernels/depthwise_conv_h"))
    workloads = {w.name: w for w in folder.workloads if w.benchmark}
    with tempfile.TemporaryDirectory(prefix="gate-pool-") as name:
        scratch = Path(name)
        folders = {UNCHANGED: folder.path.resolve(), **plant_all(scratch, folder)}
        with processes.Conversation(
            [sys.executable, "-m", timing_worker.__name__],
            env=worker_environment(scratch, gpu),
            cwd=scratch,
        ) as conversation:
            worker = Worker(
                conversation,
                gpu,
                folders,
                reference=folder.reference_file.resolve(),
                workloads=workloads,
                seed=random.randrange(2**31),
            )
            orders = shuffled_orders(worker, given.names or list(SIZES), given.count, given.planted)
            taken = []
            seconds_of: dict[str, list[float]] = {}
            while orders and time.monotonic() - started < given.seconds:
                order, began = orders.pop(), time.monotonic()
                taken.append((order, worker.take(order)))
                seconds_of.setdefault(order.workload, []).append(time.monotonic() - began)
    print({name: f"{fmean(each):.2f} s a process" for name, each in seconds_of.items()})
    write(given.out, given.machine, gpu.name, taken)
    print(f"{len(taken)} processes in {time.monotonic() - started:.0f} s, {len(orders)} left out")


def plant_all(scratch: Path, folder: KernelFolder) -> dict[str, Path]:
    """A folder for each planted change."""
    source = folder.kernel_file.read_text()
    folders = {}
    for number, (arm, plant) in enumerate(p for plants in PLANTED.values() for p in plants.items()):
        folders[arm] = scratch / str(number) / folder.name
        folders[arm].mkdir(parents=True)
        (folders[arm] / "kernel.py").write_text(plant(source))
    return folders


def shuffled_orders(worker: Worker, names: Sequence[str], count: int, planted: int) -> list[Order]:
    arms = {name: list(PLANTED[name]) if planted else [] for name in names}
    for name in {*WANTED} & {*names} if planted else ():
        arms[name] = nearest(worker, name, WANTED[name])
    orders = [
        Order(workload=workload, arm=arm, method="cuda_graph")
        for workload, mine in arms.items()
        for arm, times in [(UNCHANGED, count), *((each, planted) for each in mine)]
        for _ in range(times)
    ]
    random.shuffle(orders)
    return orders


def nearest(worker: Worker, workload: str, sizes: Sequence[float]) -> list[str]:
    """The planted changes that slow `workload` by about `sizes`, by a process each."""
    taken = {}
    for arm in (UNCHANGED, *PLANTED[workload]):
        answer = worker.take(Order(workload=workload, arm=arm, method="cuda_graph"))
        if not isinstance(answer, Lost):
            taken[arm] = forward(answer)
    own = taken.pop(UNCHANGED, None)
    if own is None or not taken:
        return list(PLANTED[workload])
    slowed = {arm: ns / own - 1 for arm, ns in taken.items()}
    print({arm: f"{change:+.2%}" for arm, change in slowed.items()})
    return sorted({min(slowed, key=lambda arm: abs(slowed[arm] - size)) for size in sizes})


def write(
    out: Path, machine: str, gpu: str, taken: list[tuple[Order, TimedProcess | Lost]]
) -> None:
    lost = [answer for _, answer in taken if isinstance(answer, Lost)]
    print(f"{len(lost)} lost: {lost[:1]}")
    by_arm: dict[tuple[str, str], list[TimedProcess]] = {}
    for order, answer in taken:
        if not isinstance(answer, Lost):
            by_arm.setdefault((order.workload, order.arm), []).append(answer)
    with gzip.open(out, "wt") as stream:
        for (workload, arm), answers in sorted(by_arm.items()):
            own = by_arm.get((workload, UNCHANGED), answers)
            true = fmean(map(forward, answers)) / fmean(map(forward, own)) - 1
            label = UNCHANGED if arm == UNCHANGED else f"+{true * 100:.1f}%"
            clocks = median(a.summary.sm_clock_mhz or 0 for a in answers)
            middle = median(map(forward, answers))
            print(
                f"{workload} {arm}: {len(answers)} processes, {middle:.1f} ns, "
                f"true size {true * 100:+.3f} %, {clocks} MHz"
            )
            for answer in answers:
                line = {
                    "size": SIZES[workload],
                    "arm": label,
                    "machine": machine,
                    "gpu": gpu,
                    "samples_ns": list(answer.samples_ns["forward"]),
                    "median_ns": forward(answer),
                }
                stream.write(json.dumps(line) + "\n")


def forward(process: TimedProcess) -> float:
    return process.medians_ns["forward"]


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pool")
    parser.add_argument("out", type=Path, help="gzipped JSON lines")
    parser.add_argument("machine", help="a name for this machine")
    parser.add_argument("count", type=int, help="processes of the kernel as it is")
    parser.add_argument("planted", type=int, help="processes of each slowed-down kernel")
    parser.add_argument("seconds", type=float, help="begin no process after these")
    parser.add_argument("names", nargs="*", metavar="workload", help="all unless named")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
