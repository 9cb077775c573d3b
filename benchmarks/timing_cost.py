"""Seconds of GPU machine time that the timing of an unchanged kernel takes, its start included.

`python -m benchmarks.timing_cost` on a machine whose card has a stored baseline: the flagship alone
with the canary, then one more workload at a time, each against the stored baseline as a check does.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from gate import timing
from gate.baselines import Baselines
from gate.config import load_config
from gate.environment import find_gpu
from gate.kernels import load_folder
from gate.model import Timing, slug_of
from gate.sampling import Rules

KERNEL = "depthwise_conv_h"


def main() -> None:
    gpu, config = find_gpu(), load_config(Path())
    folder = load_folder(config.kernels / KERNEL)
    if gpu is None:
        sys.exit("no GPU here")
    stored = Baselines(config.baselines / slug_of(gpu.name), config.target).load(KERNEL)
    if stored is None:
        sys.exit(f"{gpu.name} has no stored baseline: gate baseline refresh {KERNEL}")
    timings = {r.workload: r.timing for r in stored.results if isinstance(r.timing, Timing)}
    benchmarked = [workload for workload in folder.workloads if workload.benchmark]
    for count in range(1, len(benchmarked) + 1):
        started = time.monotonic()
        sampled = timing.measure(
            folder,
            benchmarked[:count],
            gpu=gpu,
            rules=Rules(stored=timings, floor=config.runtime_tolerance),
            base=None,
            seed=random.randrange(2**31),
            timeout_s=60.0,
            canary=True,
            moved=lambda _: "",
            say=lambda _: None,
        )
        taken = {
            name: len(each.process_medians_ns)
            for name, each in sampled.timings.items()
            if isinstance(each, Timing)
        }
        print(
            f"{time.monotonic() - started:.1f} s: the canary and processes of {taken}", flush=True
        )


if __name__ == "__main__":
    main()
