"""The machine as NVML tells it, with a stand-in for NVML."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from gate import environment
from gate.errors import ExitCode, MachineUnfit
from gate.model import Gpu


class NvmlError(Exception):
    pass


class NotFound(NvmlError):
    pass


class NotLoaded(NvmlError):
    pass


class FakeNvml:
    """One H100; `broken` names calls that raise, `starts` is what nvmlInit raises."""

    NVMLError = NvmlError
    NVMLError_LibraryNotFound = NotFound
    NVMLError_DriverNotLoaded = NotLoaded
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def __init__(
        self, *, devices=1, reasons=0, processes=(), utilization=0, broken=(), starts=None
    ):
        self.devices, self.reasons, self.utilization = devices, reasons, utilization
        self.processes, self.broken, self.starts = processes, broken, starts

    def nvmlInit(self):
        if self.starts:
            raise self.starts

    def __getattribute__(self, name):
        if name.startswith("nvmlDevice") and name in object.__getattribute__(self, "broken"):
            raise_error = NvmlError("no")
            return lambda *_: (_ for _ in ()).throw(raise_error)
        return object.__getattribute__(self, name)

    def nvmlSystemGetDriverVersion(self):
        return "580.159.04"

    def nvmlDeviceGetCount(self):
        return self.devices

    def nvmlDeviceGetHandleByIndex(self, index):
        if index >= self.devices:
            raise NvmlError("invalid argument")
        return f"handle {index}"

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return f"handle {uuid}"

    def nvmlDeviceGetCudaComputeCapability(self, _handle):
        return 9, 0

    def nvmlDeviceGetPciInfo(self, _handle):
        return SimpleNamespace(busId="0000:00:1E.0")

    def nvmlDeviceGetName(self, _handle):
        return "NVIDIA H100 80GB HBM3"

    def nvmlDeviceGetUUID(self, _handle):
        return "GPU-1"

    def nvmlDeviceGetMemoryInfo(self, _handle):
        return SimpleNamespace(total=85_520_809_984)

    def nvmlDeviceGetClockInfo(self, _handle, which):
        return {1: 1980, 2: 2619}[which]

    def nvmlDeviceGetTemperature(self, _handle, _sensor):
        return 41

    def nvmlDeviceGetPowerUsage(self, _handle):
        return 301_500

    def nvmlDeviceGetEnforcedPowerLimit(self, _handle):
        return 700_000

    def nvmlDeviceGetMigMode(self, _handle):
        return [0, 1]

    def nvmlDeviceGetEccMode(self, _handle):
        return [1, 1]

    def nvmlDeviceGetCurrentClocksEventReasons(self, _handle):
        return self.reasons

    def nvmlDeviceGetComputeRunningProcesses(self, _handle):
        return [SimpleNamespace(pid=pid) for pid in self.processes]

    def nvmlDeviceGetUtilizationRates(self, _handle):
        return SimpleNamespace(gpu=self.utilization)


REAL_ATTRIBUTE = environment._attribute


@pytest.fixture
def nvml(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(environment, "_attribute", lambda _bus, attribute: attribute)

    def install(**how):
        fake = FakeNvml(**how)
        monkeypatch.setattr(environment, "pynvml", fake)
        return fake

    return install


GPU = Gpu(
    name="NVIDIA H100 80GB HBM3",
    uuid="GPU-1",
    compute_capability="9.0",
    sm_count=16,
    l2_bytes=38,
    memory_bytes=85_520_809_984,
)


def test_the_first_visible_gpu_is_described(nvml, monkeypatch):
    nvml()
    assert environment.find_gpu() == GPU
    assert environment.driver_version() == "580.159.04"
    for visible in ("0", "0,1", "GPU-1", " 0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert environment.find_gpu() == GPU


@pytest.mark.parametrize("visible", ["", "-1"])
def test_a_hidden_gpu_is_none(nvml, monkeypatch, visible):
    nvml()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert environment.find_gpu() is None


@pytest.mark.parametrize("starts", [NotFound(), NotLoaded()])
def test_without_a_driver_there_is_no_gpu(nvml, starts):
    nvml(starts=starts)
    assert environment.find_gpu() is None
    assert environment.driver_version() is None


def test_without_the_package_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(environment, "pynvml", None)
    assert environment.find_gpu() is None


def test_a_driver_without_a_card_has_no_gpu(nvml):
    nvml(devices=0)
    assert environment.find_gpu() is None


@pytest.mark.parametrize(
    "how", [{"starts": NvmlError("version mismatch")}, {"broken": ("nvmlDeviceGetName",)}]
)
def test_a_gpu_that_cannot_be_described_is_not_no_gpu(nvml, how):
    nvml(**how)
    with pytest.raises(MachineUnfit) as unfit:
        environment.find_gpu()
    assert unfit.value.exit_code is ExitCode.ENVIRONMENT


def test_an_index_beyond_the_cards_is_the_environments_fault(nvml, monkeypatch):
    nvml()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with pytest.raises(MachineUnfit, match="invalid argument"):
        environment.find_gpu()


def test_a_container_without_libcuda_is_the_environments_fault(nvml, monkeypatch):
    nvml()
    monkeypatch.setattr(environment, "_attribute", REAL_ATTRIBUTE)

    def absent(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(environment.ctypes, "CDLL", absent)
    with pytest.raises(MachineUnfit, match=r"libcuda\.so\.1: cannot open") as unfit:
        environment.find_gpu()
    assert "compute" in unfit.value.hint


@pytest.mark.parametrize("ask", [environment.read_state, lambda _: environment.refuse_busy(GPU)])
def test_a_card_that_fell_off_the_bus_is_the_environments_fault(nvml, ask):
    nvml(broken=("nvmlDeviceGetHandleByUUID",))
    with pytest.raises(MachineUnfit, match="NVML has lost the GPU: no"):
        ask("GPU-1")


def test_a_reading_names_reasons_and_company(nvml):
    nvml(reasons=0x44, processes=(os.getpid(), 1))
    state = environment.read_state("GPU-1")
    assert state.throttle_reasons == ("sw_power_cap", "hw_thermal_slowdown")
    assert (state.sm_clock_mhz, state.memory_clock_mhz, state.temperature_c) == (1980, 2619, 41)
    assert (state.power_w, state.other_processes) == (301.5, 1)


def test_what_a_card_does_not_say_is_none(nvml):
    nvml(broken=("nvmlDeviceGetPowerUsage", "nvmlDeviceGetComputeRunningProcesses"))
    state = environment.read_state("GPU-1")
    assert (state.power_w, state.other_processes) == (None, None)


@pytest.mark.parametrize(
    ("processes", "utilization", "busy"),
    [((), 90, False), ((1,), 0, False), ((1,), 90, True)],
)
def test_a_gpu_that_others_use_is_refused(nvml, processes, utilization, busy):
    nvml(processes=processes, utilization=utilization)
    if busy:
        with pytest.raises(MachineUnfit, match="1 other processes use 90 %"):
            environment.refuse_busy(GPU)
    else:
        environment.refuse_busy(GPU)


def test_two_gates_do_not_share_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(environment.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(environment, "LOCK_SECONDS", 0.2)
    other = (
        "import sys, time, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from types import SimpleNamespace\n"
        "from gate.environment import exclusive\n"
        "with exclusive(SimpleNamespace(uuid='GPU-1'), print):\n"
        "    print('held', flush=True); time.sleep(30)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", other, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        said = []
        with (
            pytest.raises(MachineUnfit, match="another gate"),
            environment.exclusive(GPU, said.append),
        ):
            pass
        assert "waiting for it" in said[0]
        holder.kill()
    with environment.exclusive(GPU, said.append):  # the lock of one that was killed is free
        assert list(tmp_path.glob("*.lock"))


def test_a_lock_of_another_user_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(environment.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(environment, "FileLock", refused)
    with (
        pytest.raises(MachineUnfit, match="cannot be taken: Permission denied") as refusal,
        environment.exclusive(GPU, print),
    ):
        pass
    assert "sudo chmod" in refusal.value.hint


def refused(*_, **__):
    """A lock whose file this user may not open."""

    def acquire(*_, **__):
        raise PermissionError(13, "Permission denied")

    return SimpleNamespace(acquire=acquire)


def test_forks_of_a_worker_are_no_company(nvml):
    nvml(processes=(os.getpid(), os.getppid(), 1))
    assert environment.read_state("GPU-1").other_processes == 2
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    nvml(processes=(os.getpid(), child.pid, 2**22 + 1))
    assert environment.read_state("GPU-1", siblings=True).other_processes == 1
    child.communicate()


def test_a_worker_sees_one_gpu_or_none_and_caches_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with_gpu = environment.worker_environment(tmp_path, GPU)
    assert with_gpu["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    assert with_gpu["TRITON_CACHE_DIR"] == str(tmp_path / "triton")
    assert "TRITON_INTERPRET" not in with_gpu
    assert environment.worker_environment(tmp_path, None)["CUDA_VISIBLE_DEVICES"] == ""


def test_an_environment_has_its_versions_and_torch_is_not_imported():
    loaded = "torch" in sys.modules
    found = environment.read_environment(None, driver=None, ncu=None)
    assert found.gpu is None
    assert found.toolchain.triton
    assert found.date.endswith("Z")
    assert ("torch" in sys.modules) == loaded
