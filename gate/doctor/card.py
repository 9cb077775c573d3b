"""The NVIDIA driver and the state of the card, through NVML. Nothing here changes a setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gate.doctor.check import Check, failed, ok, unknown, warning
from gate.environment import HARMFUL_REASONS
from gate.gpus import table_for_name

if TYPE_CHECKING:
    from gate.model import Gpu, GpuState

DRIVER = "NVIDIA driver and GPU"
MODES = "MIG, ECC, persistence"
CLOCKS = "clocks"
THROTTLING = "temperature and throttling"
OTHERS = "other programs on the GPU"

# Data-centre and consumer cards alike start to slow down somewhat above this.
HOT_C = 80
# An unlocked card idles far below its top clock; a locked one stays where it was put.
IDLE_SHARE = 0.5


def driver(gpu: Gpu | None, version: str | None) -> Check:
    if gpu is not None:
        memory = gpu.memory_bytes / 2**30
        what = f"{gpu.name}, compute capability {gpu.compute_capability}, {memory:.0f} GiB"
        table = table_for_name(gpu.name)
        if table and table.sm_count != gpu.sm_count:
            part = f"{gpu.sm_count} of its {table.sm_count} SMs can be used"
            mend = "measure on a whole card: a part of one shares its memory with the others"
            return warning(DRIVER, f"{what}, driver {version}; {part}", mend)
        return ok(DRIVER, f"{what}, driver {version}")
    if version is not None:
        mend = "unset CUDA_VISIBLE_DEVICES, or name a GPU of `nvidia-smi -L` in it"
        return failed(DRIVER, f"driver {version}, and no GPU that may be used", mend)
    mend = (
        "install NVIDIA's driver, or start the container with `--gpus all`;"
        " without a GPU: `gate check --gpu skip`"
    )
    return failed(DRIVER, "no NVIDIA driver answers (NVML)", mend)


def no_card() -> tuple[Check, ...]:
    return tuple(unknown(name, "no GPU") for name in (MODES, CLOCKS, THROTTLING, OTHERS))


def card(nvml: Any, gpu: Gpu, state: GpuState) -> tuple[Check, ...]:
    """`nvml` is the module pynvml, started."""
    handle = nvml.nvmlDeviceGetHandleByUUID(gpu.uuid)
    return modes(nvml, handle), clocks(nvml, handle, state), throttling(state), others(state)


def modes(nvml: Any, handle: Any) -> Check:
    mig = _first(_ask(nvml, nvml.nvmlDeviceGetMigMode, handle))
    ecc = _first(_ask(nvml, nvml.nvmlDeviceGetEccMode, handle))
    persistence = _ask(nvml, nvml.nvmlDeviceGetPersistenceMode, handle)
    detail = f"MIG {_word(mig)}, ECC {_word(ecc)}, persistence {_word(persistence)}"
    if mig:
        mend = "sudo nvidia-smi -mig 0 (an instance shares the memory and cannot fix its clocks)"
        return warning(MODES, detail, mend)
    if persistence == 0:
        mend = "sudo nvidia-smi -pm 1 (else the driver unloads between processes: slow starts)"
        return warning(MODES, detail, mend)
    return ok(MODES, detail)


def clocks(nvml: Any, handle: Any, state: GpuState) -> Check:
    """NVML has no question for a locked clock, so this says what can be seen from outside."""
    now = state.sm_clock_mhz
    top = _ask(nvml, nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_SM)
    chosen = _ask(nvml, nvml.nvmlDeviceGetApplicationsClock, handle, nvml.NVML_CLOCK_SM)
    detail = f"SM {now} MHz now, at most {top} MHz, applications clock {chosen or 'not set'}"
    if now and top and "gpu_idle" in state.throttle_reasons and now < IDLE_SHARE * top:
        mend = (
            "the owner may fix them: `sudo nvidia-smi -lgc MHZ` (undo: -rgc); the gate never does"
        )
        return warning(CLOCKS, f"{detail}: they move with the load", mend)
    return ok(CLOCKS, f"{detail}; NVML does not say whether they are locked")


def throttling(state: GpuState) -> Check:
    reasons = ", ".join(state.throttle_reasons) or "none"
    detail = f"{state.temperature_c} °C, reasons for a lower clock: {reasons}"
    harmful = HARMFUL_REASONS.intersection(state.throttle_reasons)
    if harmful:
        return failed(THROTTLING, detail, "nvidia-smi -q -d PERFORMANCE,TEMPERATURE; cool the card")
    if (state.temperature_c or 0) >= HOT_C:
        return warning(THROTTLING, detail, "let it cool down, or raise the fans")
    return ok(THROTTLING, detail)


def others(state: GpuState) -> Check:
    if state.other_processes is None:
        return unknown(OTHERS, "NVML does not show processes here")
    if state.other_processes:
        detail = f"{state.other_processes} other programs have a context on it"
        return warning(OTHERS, detail, "nvidia-smi shows them; end them before timing")
    return ok(OTHERS, "none")


def _ask(nvml: Any, question: Any, *arguments: Any) -> Any:
    try:
        return question(*arguments)
    except nvml.NVMLError:
        return None


def _first(pair: Any) -> Any:
    """Now, of (now, after a reboot)."""
    return None if pair is None else pair[0]


def _word(mode: int | None) -> str:
    return {None: "unknown", 0: "off"}.get(mode, "on")
