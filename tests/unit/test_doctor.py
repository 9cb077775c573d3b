"""What the doctor says of machines that this one is not."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from factories import H100
from ncu_fakes import FakeNcu, act, decode, launch, report

from gate import doctor, environment, ncu, ncu_attempt
from gate.contract import check_contract
from gate.doctor import card, counters, examine, kernel, software, torch_cuda
from gate.doctor.check import first_trouble
from gate.doctor.probe_run import FUNCTION, GRID_SIZE, PROBE, ProbeRun, run_probe
from gate.errors import MachineUnfit
from gate.model import GpuState

STATE = GpuState(
    sm_clock_mhz=1980,
    memory_clock_mhz=2619,
    temperature_c=34,
    power_w=115.0,
    throttle_reasons=(),
    other_processes=0,
)
RIGHT = ProbeRun(
    said={"torch": "2.11.0", "cuda": "13.0", "sees_cuda": True, "max_error": 0.0}, last_words=""
)
PROBED = [launch(FUNCTION, grid=float(GRID_SIZE))]


class FakeNvml:
    """pynvml with the answers of one H100; None is a question that the card does not answer."""

    NVML_CLOCK_SM = 1

    class NVMLError(Exception):
        pass

    def __init__(self, **answers):
        self.answers = {
            "MigMode": (0, 0),
            "EccMode": (1, 1),
            "PersistenceMode": 1,
            "MaxClockInfo": 1980,
            "ApplicationsClock": 1980,
            "HandleByUUID": "handle",
        } | answers

    def __getattr__(self, name):
        def answer(*_):
            value = self.answers[name.removeprefix("nvmlDeviceGet")]
            if value is None:
                raise self.NVMLError
            return value

        return answer


def by_name(checks):
    return {check.name: check for check in checks}


def assert_mendable(checks):
    for check in checks:
        assert check.detail, check.name
        assert bool(check.mend) == (check.status in ("failed", "warning")), check


# ------------------------------------------------------------------------------- the whole


@pytest.fixture
def bare(monkeypatch):
    """No GPU and no ncu; the probe is not run."""
    monkeypatch.setattr(environment, "find_gpu", lambda: None)
    monkeypatch.setattr(environment, "driver_version", lambda: None)
    monkeypatch.setattr(doctor, "find_ncu", lambda: None)
    monkeypatch.setattr(doctor, "run_probe", lambda gpu: RIGHT)


@pytest.fixture
def good(bare, monkeypatch):
    """A machine on which everything works, up to ncu."""
    monkeypatch.setattr(environment, "find_gpu", lambda: H100)
    monkeypatch.setattr(environment, "driver_version", lambda: "580.159.04")
    monkeypatch.setattr(environment, "read_state", lambda uuid: STATE)
    monkeypatch.setattr(doctor, "import_module", lambda name: FakeNvml())
    monkeypatch.setattr(ncu, "find_gpu", lambda: H100)
    monkeypatch.setattr(ncu, "driver_version", lambda: "580.159.04")
    monkeypatch.setattr(ncu_attempt, "read_report", decode)
    monkeypatch.setattr(counters, "ncu_version", lambda path: "2025.3.1.0")


def test_without_a_gpu_what_depends_on_one_is_unknown_and_says_why(bare):
    checks = examine()
    assert_mendable(checks)
    found = by_name(checks)
    assert found[card.DRIVER].status == "failed"
    assert "gate check --gpu skip" in found[card.DRIVER].mend
    for name in (card.CLOCKS, doctor.TORCH_CUDA, doctor.KERNEL, counters.COUNTERS):
        assert found[name].status == "unknown"
        assert found[name].detail
    assert found[doctor.TORCH_CUDA].detail == f"not tried, since `{card.DRIVER}` failed"
    assert found[doctor.KERNEL].detail == f"not tried, since `{doctor.TORCH_CUDA}` is unknown"
    assert found[software.INTERPRETER].status == "ok"


def test_a_good_machine_reads_a_number_back(good, tmp_path, monkeypatch):
    fake = FakeNcu(tmp_path, act(report=report(PROBED)))
    monkeypatch.setattr(doctor, "find_ncu", lambda: fake.path)
    checks = examine()
    assert_mendable(checks)
    found = by_name(checks)
    bad = [check for check in checks if check.status in ("failed", "warning")]
    assert bad == []
    assert found[counters.COUNTERS].status == "ok"
    assert "10 ns" in found[counters.COUNTERS].detail
    assert fake.calls[0]["request"]["folder"] == str(PROBE.path)


def test_the_quick_examination_profiles_nothing(good, tmp_path, monkeypatch):
    fake = FakeNcu(tmp_path, act(report=report(PROBED)))
    monkeypatch.setattr(doctor, "find_ncu", lambda: fake.path)
    found = by_name(examine(deep=False))
    assert found[counters.COUNTERS].status == "unknown"
    assert fake.calls == []


@pytest.mark.parametrize(
    ("log", "reason", "mend"),
    [
        ("counter_permission.log", "counter_permission", "NVreg_RestrictProfilingToAdminUsers=0"),
        ("profiler_busy.log", "profiler_busy", "dcgmi profile --pause"),
        ("library_not_loaded.log", "library_not_loaded", "Upgrade ncu"),
    ],
)
def test_a_profiler_that_reads_nothing_fails_with_its_mend(
    good, tmp_path, monkeypatch, log, reason, mend
):
    monkeypatch.setattr(ncu, "BUSY_WAIT_SECONDS", 0.0)
    fake = FakeNcu(tmp_path, act(log))
    monkeypatch.setattr(doctor, "find_ncu", lambda: fake.path)
    check = by_name(examine())[counters.COUNTERS]
    assert check.status == "failed"
    assert reason in check.detail
    assert mend in check.mend


def test_a_number_that_cannot_be_is_not_believed(good, tmp_path, monkeypatch):
    wrong = [launch(FUNCTION, grid=1.0)]
    fake = FakeNcu(tmp_path, act(report=report(wrong)))
    check = counters.counters(fake.path)
    assert check.status == "failed"


def test_a_driver_that_does_not_answer_fails_with_its_own_hint(bare, monkeypatch):
    def refuse():
        raise MachineUnfit("NVML does not start", hint="nvidia-smi")

    monkeypatch.setattr(environment, "find_gpu", refuse)
    check = by_name(examine())[card.DRIVER]
    assert (check.status, check.mend) == ("failed", "nvidia-smi")


# -------------------------------------------------------------------------------- the card


def test_a_driver_without_a_usable_gpu_is_told_apart_from_none():
    assert "CUDA_VISIBLE_DEVICES" in card.driver(None, "580.1").mend
    assert "--gpus all" in card.driver(None, None).mend
    assert card.driver(H100, "580.1").status == "ok"


def test_a_part_of_a_known_card_is_no_card_to_measure_on():
    check = card.driver(replace(H100, sm_count=66), "580.1")
    assert check.status == "warning"
    assert "66 of its 132 SMs" in check.detail
    unknown = replace(H100, name="NVIDIA B200", sm_count=1)
    assert card.driver(unknown, "580.1").status == "ok"


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ({}, "ok", "MIG off, ECC on, persistence on"),
        ({"MigMode": None, "EccMode": None}, "ok", "MIG unknown, ECC unknown"),
        ({"MigMode": (1, 1)}, "warning", "MIG on"),
        ({"PersistenceMode": 0}, "warning", "persistence off"),
    ],
)
def test_modes(answers, status, said):
    check = card.modes(FakeNvml(**answers), "handle")
    assert check.status == status
    assert said in check.detail


@pytest.mark.parametrize(
    ("now", "reasons", "status"),
    [
        (345, ("gpu_idle",), "warning"),
        (1980, ("gpu_idle",), "ok"),
        (1410, ("gpu_idle",), "ok"),
        (345, (), "ok"),
        (None, ("gpu_idle",), "ok"),
    ],
)
def test_clocks_that_fall_when_idle_are_not_locked(now, reasons, status):
    state = replace(STATE, sm_clock_mhz=now, throttle_reasons=reasons)
    check = card.clocks(FakeNvml(ApplicationsClock=None), "handle", state)
    assert check.status == status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ok"),
        ({"throttle_reasons": ("gpu_idle", "sw_power_cap")}, "ok"),
        ({"throttle_reasons": ("hw_thermal_slowdown",)}, "failed"),
        ({"temperature_c": 85}, "warning"),
        ({"temperature_c": None}, "ok"),
    ],
)
def test_throttling(changes, status):
    assert card.throttling(replace(STATE, **changes)).status == status


@pytest.mark.parametrize(("count", "status"), [(0, "ok"), (2, "warning"), (None, "unknown")])
def test_other_programs(count, status):
    assert card.others(replace(STATE, other_processes=count)).status == status


# ----------------------------------------------------------------------- torch and the kernel


@pytest.mark.parametrize(
    ("said", "status", "mend"),
    [
        (dict(RIGHT.said), "ok", ""),
        (
            {"torch": "2.13.0+cpu", "cuda": None, "sees_cuda": False},
            "failed",
            "pytorch.org/get-started",
        ),
        ({"torch": "2.11.0", "cuda": "13.0", "sees_cuda": False}, "failed", "nvidia-smi"),
        ({}, "failed", "pip install"),
    ],
)
def test_torch_and_cuda(said, status, mend):
    check = torch_cuda(ProbeRun(said=said, last_words="no torch"), "")
    assert check.status == status
    assert mend in check.mend


@pytest.mark.parametrize(
    ("said", "status", "mend"),
    [
        ({"max_error": 0.0}, "ok", ""),
        ({"max_error": 1.0}, "failed", "pip install"),
        ({"max_error": float("nan")}, "failed", "pip install"),
        ({}, "failed", "apt-get install gcc python3-dev"),
    ],
)
def test_a_kernel_on_the_gpu(said, status, mend):
    check = kernel(ProbeRun(said=said, last_words="Failed to find C compiler"), "")
    assert check.status == status
    assert mend in check.mend


def test_what_stands_in_the_way_is_named():
    broken = card.driver(None, None)
    assert first_trouble(broken) == f"`{card.DRIVER}` failed"
    assert first_trouble(card.driver(H100, "1")) == ""
    assert card.DRIVER in kernel(None, first_trouble(broken)).detail


# ------------------------------------------------------------------------------- permission


@pytest.mark.parametrize(
    ("restricted", "is_root", "capabilities", "status"),
    [
        (0, False, "0", "ok"),
        (1, False, "0", "warning"),
        (1, True, "1ffffffffff", "warning"),
        (1, False, f"{1 << 38:016x}", "ok"),
        (1, False, f"{1 << 21:016x}", "ok"),
        (1, False, f"{1 << 12:016x}", "warning"),
    ],
)
def test_who_may_read_counters(tmp_path, restricted, is_root, capabilities, status):
    parameters, own = tmp_path / "params", tmp_path / "status"
    parameters.write_text(f"ResmanDebugLevel: 4294967295\nRmProfilingAdminOnly: {restricted}\n")
    own.write_text(f"Name:\tpython3\nCapEff:\t{capabilities}\n")
    check = counters.permission("580.1", parameters=parameters, status=own, is_root=is_root)
    assert check.status == status
    assert ("NVreg_RestrictProfilingToAdminUsers=0" in check.mend) == (status == "warning")


def test_a_driver_that_does_not_say_who_may_is_unknown(tmp_path):
    assert counters.permission(None, parameters=tmp_path / "absent").status == "unknown"


def test_ncu_that_is_not_there_says_where_it_is_looked_for(monkeypatch):
    monkeypatch.delenv("NCU", raising=False)
    check = counters.program(None)
    assert check.status == "failed"
    assert "/opt/nvidia/nsight-compute" in check.detail
    monkeypatch.setenv("NCU", "/wrong")
    assert "NCU=/wrong" in counters.program(None).detail


# --------------------------------------------------------------------------------- software


@pytest.fixture
def versions(monkeypatch):
    found = dict.fromkeys(software.MEASURING, "1.0")
    monkeypatch.setattr(software, "_version", found.get)
    monkeypatch.setattr(software, "_pinned_triton", lambda: None)
    return found


def test_missing_packages_are_named(versions):
    assert software.packages().status == "ok"
    versions["filelock"] = None
    check = software.packages()
    assert check.status == "failed"
    assert "filelock" in check.detail


@pytest.mark.parametrize(
    ("torch", "pinned", "triton", "status", "mend"),
    [
        ("2.11.0+cu130", "3.6.0", "3.6.0", "ok", ""),
        ("2.11.0+cu130", "3.6.0", "3.9.0", "failed", "pip install 'triton==3.6.0'"),
        ("2.13.0+cpu", None, "3.7.1", "ok", ""),
        ("2.13.0+cpu", None, "3.9.0", "failed", "pip install 'triton==3.7.*'"),
        ("2.13.0+cpu", None, "3.70.0", "failed", "pip install 'triton==3.7.*'"),
        ("9.0.0", None, "9.0.0", "ok", ""),
    ],
)
def test_torch_and_triton_must_pair(versions, monkeypatch, torch, pinned, triton, status, mend):
    versions |= {"torch": torch, "triton": triton}
    monkeypatch.setattr(software, "_pinned_triton", lambda: pinned)
    check = software.pair()
    assert (check.status, check.mend) == (status, mend)


def test_half_a_pair_is_unknown(versions):
    versions["triton"] = None
    assert software.pair().status == "unknown"


def test_this_machines_compiler_works():
    pytest.importorskip("triton")
    check = software.compiler()
    assert check.status == "ok", check
    assert re.search(r"ptxas release \d", check.detail)


def test_without_a_c_compiler_nothing_can_be_launched(monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setattr(software.shutil, "which", lambda name: None)
    assert software.compiler().mend == "apt-get install gcc"


def test_a_scratch_folder_that_cannot_be_written_fails(monkeypatch):
    assert software.scratch().status == "ok"
    monkeypatch.setattr(software.tempfile, "tempdir", "/proc")
    assert software.scratch().status == "failed"


# --------------------------------------------------------------------------------- the probe


def test_the_probe_keeps_the_contract():
    assert check_contract(PROBE.source()) == ()


def test_the_probe_runs_in_the_interpreter_of_this_machine():
    pytest.importorskip("triton")
    run = run_probe(None)
    assert run.right, run.last_words
    assert run.said["torch"]


def test_the_doctor_imports_no_torch():
    source = "import sys, gate.doctor; print('torch' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(doctor.__file__).parents[2],
    ).stdout
    assert said == "False\n"
