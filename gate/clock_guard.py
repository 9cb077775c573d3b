"""Holds one GPU's SM clock until its stdin ends, then gives it back. See `gate.clocks`."""

from __future__ import annotations

import signal
import sys
from typing import Any

import pynvml


def main(uuid: str, mhz: int) -> None:
    """Says `locked` once it is; on a refusal, the driver's words."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        pynvml.nvmlDeviceSetGpuLockedClocks(handle, mhz, mhz)
    except pynvml.NVMLError as error:
        print(error, flush=True)  # noqa: T201 - the protocol
        return
    try:
        print("locked", flush=True)  # noqa: T201
        sys.stdin.read()
    finally:
        _give_back(handle)


def _give_back(handle: Any) -> None:
    try:
        pynvml.nvmlDeviceResetGpuLockedClocks(handle)
    except pynvml.NVMLError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
