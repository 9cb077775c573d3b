"""Runs other programs: the one place that starts a process, bounds it and ends its whole group."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from gate.errors import MachineUnfit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Enough of a program's last words to see why it died, and bounded since nobody trusts it.
TAIL_BYTES = 16_384
# A killed group needs a moment to be reaped; past this something is wedged in the driver.
REAP_SECONDS = 10.0
# A line of a worker; longer ones are not ours.
MAX_LINE_BYTES = 4_000_000
# A file that a worker's program writes, its last words included.
MAX_WRITTEN_BYTES = 2**32
SHOWN_WORDS = 2000
POLL_SECONDS = 0.002
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36  # prctl.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a program ended. A negative `returncode` is the signal that ended it."""

    returncode: int
    stdout: str
    stderr: str
    timed_out: bool
    seconds: float

    @property
    def ok(self) -> bool:
        return self.returncode == 0 and not self.timed_out

    def describe_end(self) -> str:
        """One clause on how it ended, such as `was ended by SIGSEGV`."""
        if self.timed_out:
            return f"did not finish within {self.seconds:.0f} s"
        if self.returncode < 0:
            return f"was ended by {signal_name(-self.returncode)}"
        return f"exited with {self.returncode}"


def end_on_termination() -> None:
    """Make SIGTERM and SIGHUP unwind like Ctrl-C does, so that worker groups end with the gate."""

    def unwind(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        # What was started under nohup is meant to survive its terminal.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, unwind)


def die_with_parent() -> None:
    """For a worker: have Linux kill it when the process that started it is gone, however."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def allow_inspection(*, allowed: bool) -> None:
    """Whether processes of the same user may trace this one or open `/proc/<pid>/fd`.

    Linux forbids it to all but root with CAP_SYS_PTRACE. A new program starts out allowing it.
    """
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(allowed))


def inherit_orphans() -> None:
    """Have Linux make this process the parent of what its children leave behind."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_orphans() -> None:
    """End what a child left behind; every child of this process is one (see `inherit_orphans`)."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():  # a kernel built without CONFIG_PROC_CHILDREN
        return
    deadline = time.monotonic() + REAP_SECONDS
    while time.monotonic() < deadline and (orphans := children.read_text().split()):
        for orphan in map(int, orphans):
            os.kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, 0)


def ends_within(seconds: float, pid: int) -> bool:
    """Whether a child ends in time, asked of Linux: a pipe from it can close before. Not reaped."""
    deadline = time.monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def signal_name(number: int) -> str:
    """`SIGSEGV`, or `signal 40` for a real-time one, which has no name."""
    names = {known.value: known.name for known in signal.Signals}
    return names.get(number, f"signal {number}")


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout_bytes: int = TAIL_BYTES,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run `argv` in a process group of its own and keep the tails of what it printed.

    `stdout_bytes` is how much of its output is kept, where that is more than last words.

    The group is killed when it outlives `timeout_s` and on any exception, Ctrl-C included; children
    that outlive their parent die with it. Raises FileNotFoundError where the program is absent.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        try:
            returncode, timed_out = _wait(process, timeout_s)
        finally:
            _kill_group(process)
            _reap(process)
        return Completed(
            returncode=returncode,
            stdout=_tail(out, stdout_bytes),
            stderr=_tail(err, TAIL_BYTES),
            timed_out=timed_out,
            seconds=time.monotonic() - started,
        )


class Conversation:
    """A worker that answers lines with lines, in a process group that ends with this block."""

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self._argv, self._env, self._cwd = list(argv), env, cwd
        self._started = time.monotonic()
        self._buffer = b""
        self.timed_out = False

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=dict(self._env) if self._env is not None else None,
            cwd=self._cwd,
            start_new_session=True,
        )
        # What it starts inherits it: nobody reads as much, and a disk is not to be filled.
        limit = (MAX_WRITTEN_BYTES, MAX_WRITTEN_BYTES)
        with suppress(ProcessLookupError):
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, limit)
        return self

    def __exit__(self, *_: object) -> None:
        _kill_group(self._process)
        _reap(self._process)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()

    def ask(self, line: str) -> None:
        """Send one line; a worker that is gone is noticed by `listen`."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def listen(self, *, timeout_s: float) -> str | None:
        """The next line, or None where the worker has ended or says nothing for that long."""
        assert self._process.stdout
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                self.timed_out = True
                _kill_group(self._process)
                return None
            data = os.read(self._process.stdout.fileno(), 65_536)
            if not data or len(self._buffer) > MAX_LINE_BYTES:
                _kill_group(self._process)
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace")

    def describe_end(self) -> str:
        """One clause on how it ended, with its last words."""
        ended = Completed(
            returncode=_reap(self._process),
            stdout="",
            stderr=_tail(self._errors, TAIL_BYTES),
            timed_out=self.timed_out,
            seconds=time.monotonic() - self._started,
        )
        words = ended.stderr.strip()[-SHOWN_WORDS:] or "it said nothing"
        return f"the worker {ended.describe_end()}: {words}"


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[int, bool]:
    try:
        return process.wait(timeout=timeout_s), False
    except subprocess.TimeoutExpired:
        _kill_group(process)
        return _reap(process), True


def _reap(process: subprocess.Popen[bytes]) -> int:
    """How a killed process ended. Raises MachineUnfit for one that nothing ends."""
    try:
        return process.wait(timeout=REAP_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise MachineUnfit(
            f"process {process.pid} does not end although it was killed",
            hint="the GPU's driver may be wedged: nvidia-smi, then restart the machine",
        ) from error


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _tail(stream: IO[bytes], kept: int) -> str:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - kept))
    return stream.read().decode(errors="replace")
