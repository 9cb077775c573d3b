"""Locks the SM clock for as long as a measurement runs, only where it was asked for by name."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gate.errors import MachineUnfit

if TYPE_CHECKING:
    from collections.abc import Iterator

RESET_SECONDS = 30.0


@contextmanager
def locked_clocks(uuid: str, mhz: int) -> Iterator[None]:
    """Hold the SM clock of one GPU at `mhz`; the driver's default comes back whatever happens.

    A guard process sets and resets it: it waits for the end of a pipe that closes with this
    process, however that ends. Raises MachineUnfit where the driver refuses, either way.
    """
    guard = subprocess.Popen(
        [sys.executable, "-m", "gate.clock_guard", uuid, str(mhz)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the gate; the guard outlives it
    )
    assert guard.stdin
    assert guard.stdout
    try:
        said = guard.stdout.readline().strip()
        if said != "locked":
            raise MachineUnfit(
                f"the SM clock cannot be locked at {mhz} MHz: {said or 'the guard died'}",
                hint="it takes root and a clock of `nvidia-smi -q -d SUPPORTED_CLOCKS`",
            )
        yield
    finally:
        guard.stdin.close()
        guard.stdout.close()
        given_back = _given_back(guard)
    if not given_back:
        raise MachineUnfit(
            "the SM clock could not be given back and may still be locked",
            hint="sudo nvidia-smi --reset-gpu-clocks",
        )


def _given_back(guard: subprocess.Popen[str]) -> bool:
    try:
        return guard.wait(timeout=RESET_SECONDS) == 0
    except subprocess.TimeoutExpired:
        return False
