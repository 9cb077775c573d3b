"""Runs other programs: the one place that starts a process, bounds it and ends its whole group."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Enough of a program's last words to see why it died, and bounded since nobody trusts it.
TAIL_BYTES = 16_384
# A killed group needs a moment to be reaped; past this something is wedged in the driver.
REAP_SECONDS = 10.0
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # prctl.h


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
        signal.signal(number, unwind)


def die_with_parent() -> None:
    """For a worker: have Linux kill it when the process that started it is gone, however."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def allow_inspection(*, allowed: bool) -> None:
    """Whether processes of the same user may trace this one or open `/proc/<pid>/fd`.

    Linux forbids it to all but root with CAP_SYS_PTRACE. A new program starts out allowing it.
    """
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(allowed))


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
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run `argv` in a process group of its own and keep the tails of what it printed.

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
            process.wait(timeout=REAP_SECONDS)
        return Completed(
            returncode=returncode,
            stdout=_tail(out),
            stderr=_tail(err),
            timed_out=timed_out,
            seconds=time.monotonic() - started,
        )


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[int, bool]:
    try:
        return process.wait(timeout=timeout_s), False
    except subprocess.TimeoutExpired:
        _kill_group(process)
        return process.wait(timeout=REAP_SECONDS), True


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _tail(stream: IO[bytes]) -> str:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - TAIL_BYTES))
    return stream.read().decode(errors="replace")
