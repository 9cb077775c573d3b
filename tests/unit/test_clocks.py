"""Locked clocks come back however the gate ends. NVML is a stand-in that writes down its calls."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gate.clocks import locked_clocks
from gate.errors import MachineUnfit

NVML = """
import os
class NVMLError(Exception): pass
def note(*words):
    with open(os.environ["NVML_LOG"], "a") as stream:
        stream.write(" ".join(map(str, words)) + "\\n")
def nvmlInit(): pass
def nvmlDeviceGetHandleByUUID(uuid):
    if uuid == "GPU-2":
        raise NVMLError("Not Found")
    return uuid
def nvmlDeviceSetGpuLockedClocks(handle, low, high):
    if high > 2000:
        raise NVMLError("Insufficient Permissions")
    note("lock", handle, low, high)
def nvmlDeviceResetGpuLockedClocks(handle):
    if handle == "GPU-3":
        raise NVMLError("GPU is lost")
    note("reset", handle)
"""
LOCKED = ["lock GPU-1 1500 1500"]
BACK = [*LOCKED, "reset GPU-1"]
GATE = """
import signal, time
from gate.clocks import locked_clocks
# What started the tests may ignore it, as a shell does for a job in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
with locked_clocks("GPU-1", 1500):
    print("measuring", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def nvml(tmp_path, monkeypatch):
    (tmp_path / "pynvml.py").write_text(NVML)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("NVML_LOG", str(tmp_path / "log"))
    return lambda: (tmp_path / "log").read_text().splitlines()


def test_clocks_are_locked_for_the_block_alone(nvml):
    with locked_clocks("GPU-1", 1500):
        assert nvml() == LOCKED
    assert nvml() == BACK


def test_clocks_come_back_after_an_error(nvml):
    with pytest.raises(ZeroDivisionError), locked_clocks("GPU-1", 1500):
        _ = 1 / 0
    assert nvml() == BACK


@pytest.mark.parametrize(
    ("uuid", "mhz", "why"),
    [("GPU-1", 2100, "2100 MHz: Insufficient Permissions"), ("GPU-2", 1500, "Not Found")],
)
def test_a_refusal_says_why_and_nothing_else(nvml, capfd, tmp_path, uuid, mhz, why):
    """Who may not lock may not reset either: that would be a traceback beside the reason."""
    with pytest.raises(MachineUnfit, match=why), locked_clocks(uuid, mhz):
        pass
    assert not (tmp_path / "log").exists()
    assert capfd.readouterr().err == ""


def test_a_guard_that_dies_has_locked_nothing(nvml, tmp_path):
    (tmp_path / "pynvml.py").write_text("raise ImportError")
    with pytest.raises(MachineUnfit, match="the guard died"), locked_clocks("GPU-1", 1500):
        pass


def test_a_clock_that_stays_locked_is_told(nvml, capfd):
    refused = pytest.raises(MachineUnfit, match="may still be locked")
    with refused as caught, locked_clocks("GPU-3", 1500):
        pass
    assert "reset-gpu-clocks" in caught.value.hint
    assert capfd.readouterr().err == "GPU is lost\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_clocks_come_back_when_the_gate_is_killed(nvml, number):
    gate = subprocess.Popen([sys.executable, "-c", GATE], stdout=subprocess.PIPE, text=True)
    assert gate.stdout.readline() == "measuring\n"
    assert nvml() == LOCKED
    os.kill(gate.pid, number)
    gate.wait(timeout=20)
    gate.stdout.close()
    deadline = time.monotonic() + 20
    while nvml() != BACK and time.monotonic() < deadline:
        time.sleep(0.05)
    assert nvml() == BACK


def test_the_guard_is_in_no_group_that_ctrl_c_reaches(nvml):
    with locked_clocks("GPU-1", 1500):
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        guards = [
            int(child)
            for child in children
            if b"gate.clock_guard" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
        groups = {os.getpgid(guard) for guard in guards}
    assert len(groups) == 1
    assert os.getpgid(0) not in groups
