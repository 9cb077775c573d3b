"""Deviation between fresh processes by what else is on the GPU and by the way of flushing.

`python -m benchmarks.timing_noise 12` on a machine with a GPU: so many fresh processes of each
benchmarked workload of the first kernel, alone or beside three others that hold a context and
nothing more, with each way to flush the L2; one line for each combination.
"""

from __future__ import annotations

import math
import os
import random
import sys
from pathlib import Path
from statistics import median, stdev

import torch

from gate import timing_methods as methods
from gate import timing_worker
from gate.kernels import Workload, load_folder
from gate.problem import construct_candidate, draw_inputs, load_reference

FOLDER = load_folder(Path("kernels/depthwise_conv_h"))
BESIDE = {"alone": 0, "beside three contexts": 3}
FLUSHES = ("zero as many bytes", "zero twice as many", "read as many", "read twice as many")
TIMEOUT_SECONDS = 120.0


def flush_of(name, l2_bytes):
    size = (2 if "twice" in name else 1) * l2_bytes // 4
    buffer = torch.zeros(size, dtype=torch.int32, device="cuda")
    total = torch.empty((), dtype=torch.int64, device="cuda")
    return buffer.zero_ if name.startswith("zero") else lambda: torch.sum(buffer, dim=0, out=total)


def run_order(order):
    """What a fork does in place of the gate's own order; see `gate.timing_worker`."""
    if order["workload"] == "":
        torch.cuda.init()
        torch.cuda.synchronize()
        os.read(order["wait"], 1)
        return {}
    workload = Workload.from_json(order["definition"])
    reference = load_reference(FOLDER.reference_file, workload.constants)
    with torch.no_grad():
        inputs, init = draw_inputs(reference, workload, device="cuda", seed=order["id"])
        candidate = construct_candidate(FOLDER.path, init, workload, device="cuda", seed=1)
        candidate(*inputs)
        subject = methods.Subject(
            forward=lambda: candidate(*inputs),
            flush=flush_of(order["flush"], torch.cuda.get_device_properties(0).L2_cache_size),
            refresh=lambda: None,
            batch=methods.estimate_batch(lambda: candidate(*inputs)),
        )
        prepared = methods.prepare(subject, "cuda_graph")
        return {"median": median(methods.take_samples(subject, prepared, lambda: None))}


def medians(orders, beside):
    """One fork after another, each beside so many idle contexts of its own."""
    devnull = os.open(os.devnull, os.O_RDONLY)
    for order in orders:
        read, write = os.pipe()
        waiting = {"id": 0, "workload": "", "wait": read, "timeout_s": TIMEOUT_SECONDS}
        others = [timing_worker.Fork(waiting, os.dup(devnull)) for _ in range(beside)]
        yield order["workload"], timing_worker.Fork(order, os.dup(devnull)).answer()["median"]
        os.write(write, b"g" * beside)
        for fork in others:
            fork.answer()


def main(processes):
    timing_worker.run_order = run_order
    for beside, contexts in BESIDE.items():
        for flush in FLUSHES:
            orders = [
                {
                    "id": index,
                    "workload": workload.name,
                    "definition": workload.to_json(),
                    "flush": flush,
                    "timeout_s": TIMEOUT_SECONDS,
                }
                for workload in FOLDER.workloads
                if workload.benchmark
                for index in range(processes)
            ]
            random.shuffle(orders)
            seen = {}
            for name, value in medians(orders, contexts):
                seen.setdefault(name, []).append(value)
            for name, values in seen.items():
                deviation = 100 * stdev(map(math.log, values))
                print(f"{beside}, {flush}, {name}: {median(values):.1f} ns, {deviation:.3f} %")


if __name__ == "__main__":
    os.environ.setdefault("TRITON_CACHE_DIR", "/tmp/gate-timing-noise")
    main(int(sys.argv[1]))
