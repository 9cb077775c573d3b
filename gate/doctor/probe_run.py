"""Runs the probe kernel in a process of its own, on the GPU or in Triton's interpreter."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate import processes
from gate.environment import worker_environment
from gate.kernels import KernelFolder, Workload

if TYPE_CHECKING:
    from gate.model import Gpu

FUNCTION = "gate_probe_kernel"
GRID_SIZE = 4096  # 4 Mi elements in blocks of 1024
PROBE = KernelFolder(
    name="probe",
    path=Path(__file__).with_name("probe"),
    # 4,097 elements are five blocks, the last nearly empty, and quick to interpret.
    workloads=(Workload(name="default", interpreter={"count": 4097}),),
)
# Importing torch, compiling and starting CUDA, on a cold disk.
TIMEOUT_SECONDS = 180.0
# 2 x + 1 in float32 may be fused or not.
MAX_ERROR = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRun:
    """What the probe's process said, and its last words where it broke."""

    said: Mapping[str, Any]
    last_words: str

    @property
    def right(self) -> bool:
        error = self.said.get("max_error")
        return isinstance(error, float) and error <= MAX_ERROR


def run_probe(gpu: Gpu | None) -> ProbeRun:
    """On `gpu`, or interpreted on the CPU."""
    with tempfile.TemporaryDirectory(prefix="gate-doctor-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        environment = worker_environment(scratch, gpu)
        if gpu is None:
            environment["TRITON_INTERPRET"] = "1"
        device = "cuda" if gpu else "cpu"
        ended = processes.run(
            [sys.executable, "-m", "gate.doctor.probe_worker", device],
            timeout_s=TIMEOUT_SECONDS,
            env=environment,
            cwd=scratch,
        )
    words = ended.stderr.strip() or f"the process {ended.describe_end()}"
    return ProbeRun(said=_read(ended.stdout), last_words=words)


def _read(output: str) -> dict[str, Any]:
    """The worker's lines of JSON, put together; whatever else was printed is dropped."""
    said: dict[str, Any] = {}
    for line in output.splitlines():
        try:
            plain = json.loads(line)
        except ValueError:
            continue
        if isinstance(plain, dict):
            said |= plain
    return said
