import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gate import processes
from gate.errors import MachineUnfit
from gate.processes import TAIL_BYTES, run


def python(source, **how):
    return run([sys.executable, "-c", source], **({"timeout_s": 30.0} | how))


def alive(pid):
    """A zombie that nobody has reaped yet is not."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_good_end():
    ended = python("import sys; print('out'); print('err', file=sys.stderr)")
    assert (ended.ok, ended.stdout, ended.stderr) == (True, "out\n", "err\n")
    assert ended.describe_end() == "exited with 0"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise SystemExit(3)", "exited with 3"),
        ("import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 40)", "was ended by signal 40"),
    ],
)
def test_a_bad_end_says_how(source, said):
    ended = python(source)
    assert not ended.ok
    assert ended.describe_end() == said


def test_a_hang_ends_with_its_whole_group(tmp_path):
    pid_file = tmp_path / "pid"
    source = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    ended = python(source, timeout_s=2.0)
    assert ended.timed_out
    assert "did not finish within" in ended.describe_end()
    time.sleep(0.1)
    assert not alive(int(pid_file.read_text()))


GATE = """
import signal, sys
from gate.processes import end_on_termination, run
# What started the tests may ignore them, as a shell does for a job in the background, or nohup.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
end_on_termination()
run([sys.executable, "-c", sys.argv[1]], timeout_s=60)
"""
WORKER = """
import os, time
from gate.processes import die_with_parent
die_with_parent()
open({file!r}, "w").write(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_worker_ends_with_the_gate_however_that_ends(tmp_path, number):
    file = tmp_path / "pid"
    gate = subprocess.Popen(
        [sys.executable, "-c", GATE, WORKER.format(file=str(file))], stderr=subprocess.DEVNULL
    )
    wait_until(lambda: file.exists() and file.read_text())
    worker = int(file.read_text())
    assert alive(worker)
    assert gate.poll() is None
    gate.send_signal(number)
    # SIGTERM and SIGHUP unwind and exit as a shell tells them, the others end Python themselves.
    unwinds = number in (signal.SIGTERM, signal.SIGHUP)
    assert gate.wait(timeout=30) == (128 + number if unwinds else -number)
    wait_until(lambda: not alive(worker))


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_only_the_tail_of_what_was_printed_is_kept():
    ended = python(f"print('x' * {10 * TAIL_BYTES}); print('the end')")
    assert len(ended.stdout) == TAIL_BYTES
    assert ended.stdout.endswith("the end\n")


def test_bytes_that_are_no_text_do_not_matter():
    ended = python("import sys; sys.stdout.buffer.write(b'\\xff\\xfe')")
    assert ended.stdout == "\N{REPLACEMENT CHARACTER}" * 2


def test_an_absent_program_is_an_error_of_the_caller():
    with pytest.raises(FileNotFoundError):
        run(["/nonexistent/program"], timeout_s=1.0)


def test_what_nohup_started_outlives_its_terminal():
    source = "import signal; from gate.processes import end_on_termination as e; e(); "
    source += "signal.raise_signal(signal.SIGHUP); print('still here')"
    ended = subprocess.run(
        ["nohup", sys.executable, "-c", source], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "still here\n")


INSPECTED = """
import os, sys, tempfile
from gate.processes import allow_inspection
if os.geteuid() == 0:
    os.setuid(65534)  # root may do anything
allow_inspection(allowed={allowed})
with tempfile.TemporaryFile() as secret:
    print(secret.fileno(), flush=True)
    sys.stdin.read()
"""
INSPECT = """
import os
if os.geteuid() == 0:
    os.setuid(65534)
open("/proc/{pid}/fd/{fd}", "ab")
"""


@pytest.mark.parametrize("allowed", [True, False])
def test_a_process_that_forbids_it_keeps_its_files_to_itself(allowed):
    with subprocess.Popen(
        [sys.executable, "-c", INSPECTED.format(allowed=allowed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as inspected:
        fd = int(inspected.stdout.readline())
        ended = python(INSPECT.format(pid=inspected.pid, fd=fd))
        inspected.stdin.close()
    assert ended.ok is allowed, ended.stderr
    assert allowed or "PermissionError" in ended.stderr


def test_a_worker_cannot_fill_the_disk_with_its_words(monkeypatch):
    monkeypatch.setattr(processes, "MAX_WRITTEN_BYTES", 1000)
    loud = "import os, time; time.sleep(0.3); os.write(2, b'x' * 900); os.write(2, b'y' * 900)"
    with processes.Conversation([sys.executable, "-c", loud]) as worker:
        assert worker.listen(timeout_s=20) is None
        assert "y" * 100 in worker.describe_end()
        assert "y" * 101 not in worker.describe_end()


def test_a_process_that_nothing_ends_is_the_machines_fault(monkeypatch):
    def never(self, timeout=None):
        raise subprocess.TimeoutExpired(self.args, timeout)

    with (
        processes.Conversation([sys.executable, "-c", ""]) as worker,
        monkeypatch.context() as patch,
    ):
        patch.setattr(subprocess.Popen, "wait", never)
        with pytest.raises(MachineUnfit, match="does not end although it was killed"):
            worker.describe_end()
