"""Runs the probe kernel on one device and says what came of it, one line of JSON a step."""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
import triton

from gate.doctor.probe_run import PROBE
from gate.problem import construct_candidate, draw_inputs, load_reference, sizes


def main(device: str) -> None:
    _say(torch=torch.__version__, cuda=torch.version.cuda, triton=triton.__version__)
    _say(sees_cuda=torch.cuda.is_available())
    workload = PROBE.workloads[0]
    module = load_reference(PROBE.reference_file, sizes(workload, small=device == "cpu"))
    inputs, init = draw_inputs(module, workload, device=device, seed=0)
    candidate = construct_candidate(PROBE.path, init, workload, device=device, seed=0)
    with torch.no_grad():
        difference = candidate(*inputs) - module.Model(*init)(*inputs)
        _say(max_error=float(difference.abs().max()))


def _say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main(sys.argv[1])
