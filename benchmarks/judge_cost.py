"""What judging costs: 1,000 kernels of 5 workloads each, start of the process included.

Run `python benchmarks/judge_cost.py`; it prints time and peak memory of `gate judge`.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import gate
from gate.baselines import Baselines
from gate.documents import measurement_json, write_atomically
from tests.factories import baseline, measurement, result

if TYPE_CHECKING:
    from gate.model import Measurement

KERNELS = 1000
WORKLOADS = 5


def many_results() -> Measurement:
    return measurement(
        *(result(f"kernel{k}", f"workload{w}") for k in range(KERNELS) for w in range(WORKLOADS))
    )


def write_inputs(root: Path) -> None:
    """A measurement and its baselines below `root`."""
    whole = many_results()
    stored = Baselines(root / "baselines" / "nvidia-h100-80gb-hbm3", "sm_89")
    by_kernel = {}
    for one in whole.results:
        by_kernel.setdefault(one.kernel, []).append(one)
    for name, results in by_kernel.items():
        single = replace(replace(whole, results=()).about(name), results=tuple(results))
        stored.write(replace(single, baseline=baseline().baseline))
    write_atomically(root / "measurement.json", measurement_json(whole))


def judge_cost(root: Path, file: Path) -> tuple[int, float, float, float]:
    """Exit code, wall seconds, seconds on a core and peak MB of one `gate judge --all`."""
    started = time.monotonic()
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "gate", "judge", str(file), "--all"],
        {**os.environ, "PWD": str(root)},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(child, 0)
    wall, busy = time.monotonic() - started, usage.ru_utime + usage.ru_stime
    return os.waitstatus_to_exitcode(status), wall, busy, usage.ru_maxrss / 1024


def main() -> None:
    if sys.argv[1:]:
        write_inputs(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        # As what is installed is: else a first start, or every one, would compile the modules.
        compileall.compile_dir(Path(gate.__file__).parent, quiet=1)
        # In a process of its own: a spawned child's peak memory would include this one's.
        subprocess.run([sys.executable, __file__, name], check=True)
        os.chdir(root)
        file = root / "measurement.json"
        size = file.stat().st_size / 1e6
        code, wall, busy, megabytes = judge_cost(root, file)
        print(f"{KERNELS} x {WORKLOADS} results, {size:.1f} MB: exit {code}")
        print(f"{wall:.2f} s ({busy:.2f} s on a core), {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
