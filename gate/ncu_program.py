"""The program ncu: where it is, which version, and its command line."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gate import processes

if TYPE_CHECKING:
    from collections.abc import Sequence

# Given always: their defaults changed between ncu's versions. The gate never locks a clock itself;
# whoever owns the machine may have.
CLOCK_CONTROL = "none"
CACHE_CONTROL = "all"
REPLAY_MODE = "kernel"

VERSION_TIMEOUT_SECONDS = 60.0
WHERE = "$NCU, PATH, /usr/local/cuda*/bin and /opt/nvidia/nsight-compute/*"
INSTALL = (
    "Install Nsight Compute (NVIDIA's packages `nsight-compute-*`, or the CUDA toolkit), or set"
    " NCU=/path/to/ncu"
)


def find_ncu() -> Path | None:
    """`$NCU` where it is set, else the first that is found on PATH or where NVIDIA installs it."""
    given = os.environ.get("NCU")
    on_path = shutil.which(given or "ncu")
    if given or on_path:
        return Path(on_path).absolute() if on_path else None
    installed = [
        *_newest_first("/usr/local", "cuda*/bin/ncu"),
        *_newest_first("/opt/nvidia/nsight-compute", "*/ncu"),
    ]
    return next((path for path in installed if os.access(path, os.X_OK)), None)


def ncu_version(path: Path) -> str | None:
    """What `ncu --version` says, such as `2025.3.1.0`; None where it does not run."""
    try:
        ended = processes.run([str(path), "--version"], timeout_s=VERSION_TIMEOUT_SECONDS)
    except OSError:
        return None
    found = re.search(r"^Version (\d+(?:\.\d+)+)", ended.stdout, re.MULTILINE)
    return found[1] if found else None


def command(
    ncu: Path, *, metrics: Sequence[str], report: Path, log: Path, program: Sequence[str]
) -> list[str]:
    """Profile every launch that `program` makes between its cudaProfilerStart and -Stop.

    No configuration file: ncu would read one from the working directory. No filter by kernel name:
    what was launched in a kernel's place must be seen.
    """
    options = {
        "--config-file": "off",
        "--target-processes": "application-only",
        "--profile-from-start": "off",
        "--kernel-name-base": "function",
        "--replay-mode": REPLAY_MODE,
        "--cache-control": CACHE_CONTROL,
        "--clock-control": CLOCK_CONTROL,
        "--apply-rules": "no",
        "--metrics": ",".join(metrics),
        "--log-file": str(log),
        "--export": str(report.with_suffix("")),  # ncu adds .ncu-rep itself
    }
    pairs = [word for option in options.items() for word in option]
    return [str(ncu), *pairs, "--force-overwrite", "--", *program]


def _newest_first(root: str, pattern: str) -> list[Path]:
    def version(path: Path) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", str(path))]

    return sorted(Path(root).glob(pattern), key=version, reverse=True)
