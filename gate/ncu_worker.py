"""The profiling step, child's side: runs under ncu. Executes untrusted code.

Compiling, autotuning and warming up happen before profiling starts. From then on ncu replays every
launch, whoever makes it; a kernel of the gate's own marks where a workload's forward calls begin
and end, so the report alone shows what each workload launched.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl

# Bound before a kernel file is executed, which could replace them.
from torch.cuda import synchronize
from torch.cuda.profiler import start, stop

from gate.kernels import Workload
from gate.problem import construct_candidate, draw_inputs, load_reference

if TYPE_CHECKING:
    from collections.abc import Callable

# The first call compiles and autotunes; the others find caches and allocations as they will stay.
WARMUP_FORWARDS = 3


# Its name is gate.ncu_launches.BOUNDARY.
@triton.jit
def gate_forward_boundary(flag_ptr):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    tl.store(flag_ptr, 1)


def main(request_file: str) -> None:
    request = json.loads(Path(request_file).read_text())
    # Should ncu be killed alone, this process must not stay on the GPU.
    signal.alarm(request["deadline_s"])
    if not torch.cuda.is_available():
        sys.exit("torch sees no CUDA device here")
    flag = torch.zeros(1, dtype=torch.int32, device="cuda")
    gate_forward_boundary[(1,)](flag)
    synchronize()
    # From here on a failure may be the candidate's; until here it is the machine's.
    Path(request["ready"]).touch()
    with torch.no_grad():
        for plain in request["workloads"]:
            forward = _forward(request, Workload.from_json(plain["definition"]))
            _profile(forward, lambda: gate_forward_boundary[(1,)](flag), plain["forwards"])
            del forward
            torch.cuda.empty_cache()


def _forward(request: dict[str, Any], workload: Workload) -> Callable[[], Any]:
    folder, seed = Path(request["folder"]), request["seed"]
    module = load_reference(folder / "reference.py", workload.constants)
    inputs, init = draw_inputs(module, workload, device="cuda", seed=seed)
    candidate = construct_candidate(folder, init, workload, device="cuda", seed=seed)
    return lambda: candidate(*inputs)


def _profile(forward: Callable[[], Any], mark: Callable[[], Any], forwards: int) -> None:
    for _ in range(WARMUP_FORWARDS):
        forward()
    synchronize()
    start()  # type: ignore[no-untyped-call]
    mark()
    for _ in range(forwards):
        forward()
        synchronize()
    mark()
    synchronize()
    stop()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(sys.argv[1])
