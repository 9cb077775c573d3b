"""Can this machine measure? Each check says what it found and, where it failed, the exact mend.

Nothing is printed here and no setting of the machine is changed. Torch runs in other processes.
"""

from __future__ import annotations

from importlib import import_module, util
from typing import TYPE_CHECKING

from gate import environment
from gate.doctor import card, counters, software
from gate.doctor.check import Check, failed, first_trouble, ok, quoted, unknown
from gate.doctor.probe_run import run_probe
from gate.errors import INSTALL_EXTRA, MachineUnfit
from gate.ncu_program import find_ncu

if TYPE_CHECKING:
    from gate.doctor.probe_run import ProbeRun
    from gate.model import Gpu

__all__ = ["Check", "examine"]

TORCH_CUDA = "torch sees the GPU"
KERNEL = "a Triton kernel on the GPU"


def examine(*, deep: bool = True) -> tuple[Check, ...]:
    """Every check, the ones that others depend on first; `deep` profiles a kernel with ncu."""
    gpu, driver, of_card = _card()
    can_run = all(util.find_spec(name) for name in ("torch", "triton"))
    interpreted = run_probe(None) if can_run else None
    on_gpu = run_probe(gpu) if can_run and gpu else None
    sees_cuda = torch_cuda(on_gpu, first_trouble(of_card[0]))
    ran = kernel(on_gpu, first_trouble(sees_cuda))
    return (
        software.packages(),
        software.pair(),
        software.compiler(),
        software.interpreter(interpreted),
        software.scratch(),
        *of_card,
        sees_cuda,
        ran,
        *_profiler(driver, ran, deep=deep),
    )


def _card() -> tuple[Gpu | None, str | None, tuple[Check, ...]]:
    if util.find_spec("pynvml") is None:
        trouble = failed(card.DRIVER, "nvidia-ml-py is not installed", INSTALL_EXTRA)
        return None, None, (trouble, *card.no_card())
    try:
        gpu, driver = environment.find_gpu(), environment.driver_version()
    except MachineUnfit as unfit:
        trouble = failed(card.DRIVER, str(unfit), unfit.hint or "nvidia-smi")
        return None, None, (trouble, *card.no_card())
    found = card.driver(gpu, driver)
    if gpu is None:
        return None, driver, (found, *card.no_card())
    state = environment.read_state(gpu.uuid)
    return gpu, driver, (found, *card.card(import_module("pynvml"), gpu, state))


def torch_cuda(run: ProbeRun | None, trouble: str) -> Check:
    """`run` is the probe on the GPU, `trouble` what stands in its way."""
    if run is None or trouble:
        return unknown(TORCH_CUDA, f"not tried, since {trouble or 'a package is missing'}")
    torch, cuda = run.said.get("torch"), run.said.get("cuda")
    if torch is None:
        return failed(TORCH_CUDA, f"torch is broken: {quoted(run.last_words)}", INSTALL_EXTRA)
    if run.said.get("sees_cuda"):
        return ok(TORCH_CUDA, f"torch {torch} for CUDA {cuda}")
    if cuda is None:
        mend = "install a build of torch with CUDA: https://pytorch.org/get-started/locally"
        return failed(TORCH_CUDA, f"torch {torch} was built without CUDA", mend)
    mend = "`nvidia-smi` shows the CUDA version that the driver has: it must not be the older one"
    return failed(TORCH_CUDA, f"torch {torch} for CUDA {cuda} sees no device", mend)


def kernel(run: ProbeRun | None, trouble: str) -> Check:
    if run is None or trouble:
        return unknown(KERNEL, f"not tried, since {trouble}")
    if run.right:
        return ok(KERNEL, "it compiled and ran, and the numbers are right")
    if "max_error" in run.said:
        detail = f"it ran and its numbers are wrong by {run.said['max_error']}"
        return failed(KERNEL, detail, INSTALL_EXTRA)
    mend = "Triton needs a C compiler and Python.h: apt-get install gcc python3-dev"
    return failed(KERNEL, f"it did not run: {quoted(run.last_words)}", mend)


def _profiler(driver: str | None, ran: Check, *, deep: bool) -> tuple[Check, ...]:
    ncu = find_ncu()
    program, reports = counters.program(ncu), counters.reports(ncu)
    trouble = first_trouble(ran, program, reports)
    if trouble or ncu is None:
        read_back = unknown(counters.COUNTERS, f"not tried, since {trouble}")
    elif not deep:
        read_back = unknown(counters.COUNTERS, "not tried, as asked: nothing else proves it")
    else:
        read_back = counters.counters(ncu)
    return program, reports, counters.permission(driver), read_back
