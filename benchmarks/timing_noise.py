"""Deviation between fresh processes by way of flushing and of sharing a process.

`python benchmarks/timing_noise.py OUT.jsonl 8` on a machine with a GPU; prints one line for each
combination of process, workload and flush.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
from functools import partial
from pathlib import Path
from statistics import median, stdev

import torch

from gate import timing_worker
from gate.kernels import load_folder
from gate.problem import construct_candidate, draw_inputs, load_reference

FOLDER = load_folder(Path("kernels/depthwise_conv_h"))
WORKLOADS = [w for w in FOLDER.workloads if w.benchmark]
FLUSHES = ("zero1", "zero2", "read1", "read2")
SAMPLES = 10


def flushes(l2_bytes):
    once = torch.zeros(l2_bytes // 4, dtype=torch.int32, device="cuda")
    twice = torch.zeros(l2_bytes // 2, dtype=torch.int32, device="cuda")
    total = torch.empty((), dtype=torch.int64, device="cuda")
    return {
        "zero1": once.zero_,
        "zero2": twice.zero_,
        "read1": lambda: torch.sum(once, dim=0, out=total),
        "read2": lambda: torch.sum(twice, dim=0, out=total),
    }


def captured(batch, *calls):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(batch):
            for call in calls:
                call()
    graph.replay()
    return graph


def measure(out, process, workloads, names, seed):
    for workload in workloads:
        module = load_reference(FOLDER.reference_file, workload.constants)
        inputs, init = draw_inputs(module, workload, device="cuda", seed=seed)
        candidate = construct_candidate(FOLDER.path, init, workload, device="cuda", seed=seed)
        forward = partial(candidate, *inputs)
        l2_bytes = torch.cuda.get_device_properties(0).L2_cache_size
        with torch.no_grad(), Path(out).open("a") as stream:
            batch = timing_worker._warm_up(forward)  # noqa: SLF001
            for name in names:
                flush = flushes(l2_bytes)[name]
                graphs = captured(batch, flush, forward), captured(batch, flush)
                samples = [
                    timing_worker._graph_sample(*graphs, batch)[0]  # noqa: SLF001
                    for _ in range(SAMPLES)
                ]
                row = [process, workload.name, name, median(samples)]
                stream.write(json.dumps(row) + "\n")


def fork(work):
    status = timing_worker._in_fork(work)  # noqa: SLF001
    assert status == 0, status


def main(out, rounds):
    for index in range(rounds):
        for workload in WORKLOADS:
            fork(partial(measure, out, "own", [workload], FLUSHES, index))
        fork(partial(measure, out, "shared", WORKLOADS, ("zero1", "read2"), index))
        shuffled = random.sample(WORKLOADS, len(WORKLOADS))
        fork(partial(measure, out, "shuffled", shuffled, ("zero1", "read2"), index))
    rows = [json.loads(line) for line in Path(out).read_text().splitlines()]
    for key in sorted({tuple(row[:3]) for row in rows}):
        medians = [row[3] for row in rows if tuple(row[:3]) == key]
        deviation = 100 * stdev(math.log(value) for value in medians)
        print(*key, f"{median(medians):.1f} ns, deviation {deviation:.3f} %")


if __name__ == "__main__":
    os.environ.setdefault("TRITON_CACHE_DIR", f"{sys.argv[1]}.cache")
    main(sys.argv[1], int(sys.argv[2]))
