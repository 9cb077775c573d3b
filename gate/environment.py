"""The machine: its GPU through NVML and the driver, and the versions of what is installed on it.

Torch is never imported here: a parent that started CUDA could not fork fresh processes, and most
commands need none of it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import runpy
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate import __version__
from gate.errors import MachineUnfit
from gate.model import Environment, Gpu, GpuState, Toolchain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

try:
    import pynvml
    from filelock import FileLock, Timeout
except ImportError:  # the extra `gpu` is not installed
    pynvml = None

# CUdevice_attribute of the driver API (cuda.h).
_ATTRIBUTE_SM_COUNT = 16
_ATTRIBUTE_L2_BYTES = 38
# nvmlClocksEventReason* (nvml.h).
THROTTLE_REASONS = {
    0x0001: "gpu_idle",
    0x0002: "applications_clocks_setting",
    0x0004: "sw_power_cap",
    0x0008: "hw_slowdown",
    0x0010: "sync_boost",
    0x0020: "sw_thermal_slowdown",
    0x0040: "hw_thermal_slowdown",
    0x0080: "hw_power_brake_slowdown",
    0x0100: "display_clock_setting",
}
# These make the same kernel slower for a reason that is not in its code.
HARMFUL_REASONS = frozenset(
    {"hw_slowdown", "sw_thermal_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown"}
)
# Another program that uses more of the GPU than this while nothing of ours runs is in the way.
BUSY_UTILIZATION_PCT = 5
# Longer than a whole check takes; a gate that waits for ever would look like a hang.
LOCK_SECONDS = 1800.0


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_environment(gpu: Gpu | None, *, driver: str | None, ncu: str | None) -> Environment:
    """What a measurement says of where it was made, at its start."""
    return Environment(
        date=now(),
        platform=platform.platform()[:200],
        gate=__version__,
        gpu=gpu,
        toolchain=Toolchain(
            python=platform.python_version(),
            torch=_version("torch"),
            triton=_version("triton"),
            cuda=_torch_cuda(),
            driver=driver,
            ncu=ncu,
        ),
        state_before=read_state(gpu.uuid) if gpu else None,
    )


def find_gpu() -> Gpu | None:
    """The GPU that measurements use: the first that CUDA_VISIBLE_DEVICES shows; None without one.

    Raises MachineUnfit where there is a GPU that the driver will not talk about.
    """
    if not _nvml_started():
        return None
    try:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
        if visible in ("", "-1") or pynvml.nvmlDeviceGetCount() == 0:
            return None
        return _describe(_handle(visible))
    except pynvml.NVMLError as error:
        raise MachineUnfit(f"NVML cannot describe the GPU: {error}", hint="nvidia-smi") from error


def driver_version() -> str | None:
    return str(pynvml.nvmlSystemGetDriverVersion()) if _nvml_started() else None


def read_state(uuid: str, *, siblings: bool = False) -> GpuState:
    """Clocks, temperature, throttling and company of one GPU now; None for what it will not say.

    With `siblings` the processes of this one's group are no company: a worker's forks.
    """
    handle = _known_handle(uuid) if _nvml_started() else None
    mask = _ask(pynvml.nvmlDeviceGetCurrentClocksEventReasons, handle) or 0
    power = _ask(pynvml.nvmlDeviceGetPowerUsage, handle)
    limit = _ask(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    running = _ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle)
    others = [p for p in running or () if not _ours(p.pid, siblings=siblings)]
    mig = _ask(pynvml.nvmlDeviceGetMigMode, handle)
    ecc = _ask(pynvml.nvmlDeviceGetEccMode, handle)
    return GpuState(
        sm_clock_mhz=_ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_SM),
        memory_clock_mhz=_ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_MEM),
        temperature_c=_ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        power_w=None if power is None else power / 1000,
        throttle_reasons=tuple(name for bit, name in THROTTLE_REASONS.items() if mask & bit),
        other_processes=None if running is None else len(others),
        power_limit_w=None if limit is None else limit / 1000,
        mig=None if mig is None else bool(mig[0]),
        ecc=None if ecc is None else bool(ecc[0]),
    )


def _ours(pid: int, *, siblings: bool) -> bool:
    if pid == os.getpid() or not siblings:
        return pid == os.getpid()
    try:
        return os.getpgid(pid) == os.getpgid(0)
    except OSError:  # it is over, or in another namespace
        return False


def refuse_busy(gpu: Gpu) -> None:
    """Raises MachineUnfit where another program computes on the GPU."""
    others = read_state(gpu.uuid).other_processes or 0
    rates = _ask(pynvml.nvmlDeviceGetUtilizationRates, _known_handle(gpu.uuid))
    if others and rates is not None and rates.gpu > BUSY_UTILIZATION_PCT:
        raise MachineUnfit(
            f"the GPU is busy: {others} other processes use {rates.gpu} % of it",
            hint="nvidia-smi shows them; end them or wait, then run the gate again",
        )


@contextmanager
def exclusive(gpu: Gpu, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the GPU against other gates of this machine, which would time each other.

    Waits for the one that has it. Raises MachineUnfit when that takes too long, and where another
    user's lock cannot be taken.
    """
    file = Path(tempfile.gettempdir()) / f"gate-{gpu.uuid}.lock"
    lock = FileLock(file, mode=0o666)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"another gate has the GPU: waiting for it ({file})")
            lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        raise MachineUnfit(
            f"another gate has held the GPU for {LOCK_SECONDS:.0f} s ({file})",
            hint="end it, or wait for it",
        ) from error
    except OSError as error:
        raise MachineUnfit(
            f"the GPU's lock {file} cannot be taken: {error.strerror}",
            hint=f"it belongs to another user: sudo chmod 666 {file}",
        ) from error
    try:
        yield
    finally:
        lock.release()


def worker_environment(scratch: Path, gpu: Gpu | None) -> dict[str, str]:
    """Environment variables of a worker: one GPU or none, and caches of its own below `scratch`."""
    kept = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    return {
        **kept,
        "CUDA_VISIBLE_DEVICES": gpu.uuid if gpu else "",
        "TRITON_CACHE_DIR": str(scratch / "triton"),
        "TMPDIR": str(scratch),
    }


def _nvml_started() -> bool:
    if pynvml is None:
        return False
    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return False
    except pynvml.NVMLError as error:
        raise MachineUnfit(f"NVML does not start: {error}", hint="nvidia-smi") from error
    return True


def _handle(visible: str) -> Any:
    if visible.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(visible))
    return pynvml.nvmlDeviceGetHandleByUUID(visible)


def _known_handle(uuid: str) -> Any:
    """Raises MachineUnfit for a card that was there and is not: a fault can take it off the bus."""
    try:
        return _handle(uuid)
    except pynvml.NVMLError as error:
        raise MachineUnfit(f"NVML has lost the GPU: {error}", hint="nvidia-smi") from error


def _describe(handle: Any) -> Gpu:
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    bus = pynvml.nvmlDeviceGetPciInfo(handle).busId
    return Gpu(
        name=pynvml.nvmlDeviceGetName(handle),
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        compute_capability=f"{major}.{minor}",
        sm_count=_attribute(bus, _ATTRIBUTE_SM_COUNT),
        l2_bytes=_attribute(bus, _ATTRIBUTE_L2_BYTES),
        memory_bytes=pynvml.nvmlDeviceGetMemoryInfo(handle).total,
    )


def _attribute(bus: str, attribute: int) -> int:
    """One figure that NVML lacks, from the driver API; no context is made."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise MachineUnfit(
            f"the CUDA driver cannot be loaded: {error}",
            hint="a container needs the driver's capability `compute` beside `utility`",
        ) from error
    device, value = ctypes.c_int(), ctypes.c_int()
    for code in (
        cuda.cuInit(0),
        cuda.cuDeviceGetByPCIBusId(ctypes.byref(device), bus.encode()),
        cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device),
    ):
        if code != 0:
            raise MachineUnfit(f"the CUDA driver answers with error {code}", hint="gate doctor")
    return value.value


def _ask(question: Any, *arguments: Any) -> Any:
    """NVML's answer, or None where this card or driver has none."""
    try:
        return question(*arguments)
    except pynvml.NVMLError:
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _torch_cuda() -> str | None:
    """The CUDA version torch was built for, from the one file of it that imports nothing."""
    spec = util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    cuda: str | None = runpy.run_path(str(Path(spec.origin).with_name("version.py"))).get("cuda")
    return cuda
