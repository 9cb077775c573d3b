"""What ncu's log says when profiling did not work: why, and what to do about it. Pure.

ncu exits with 0 for some of these, so the log decides. The first row that matches wins, and the
cause stands above its consequences: ncu ends the worker itself when it may not read a counter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WORKER_FAILED = "worker_failed"
METRIC_UNKNOWN = "metric_unknown"
PROFILER_BUSY = "profiler_busy"

# A mere warning in the log, and ncu may exit with 0 after it.
NO_KERNELS = "No kernels were profiled"

# What is quoted of a log or of a worker's last words.
QUOTED = 2000
# The first driver that lets CAP_PERFMON read counters in a container.
PERFMON_DRIVER = 565


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there are no figures: a stable code, one sentence, and what to do.

    `metrics` are those asked for that ncu does not know.
    """

    reason: str
    message: str
    mend: str = ""
    metrics: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.message}. {self.mend}" if self.mend else self.message


class ProfilingFailed(Exception):
    """One profiled process gave no figures."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


_TABLE: tuple[tuple[str, Failure], ...] = (
    (
        r"ERR_NVGPUCTRPERM|Insufficient(VGpu)?Permissions",
        Failure(
            reason="counter_permission",
            message="ncu may not read this GPU's performance counters (ERR_NVGPUCTRPERM)",
        ),
    ),
    (
        r"driver resource was unavailable|ResourceUnavailable",
        Failure(
            reason=PROFILER_BUSY,
            message="another profiler (DCGM, ncu, nsys) holds this GPU's performance counters",
            mend="Pause DCGM with `dcgmi profile --pause` (`--resume` after), or end the other one",
        ),
    ),
    (
        r"InterprocessLockFailed|Failed to (open/)?create lock file",
        Failure(
            reason="lock_failed",
            message="ncu cannot take its lock file `nsight-compute-lock`: it is another user's",
            mend="Give the gate a folder of its own: `export TMPDIR=$(mktemp -d)`",
        ),
    ),
    (
        r"Failed to find metric",
        Failure(
            reason=METRIC_UNKNOWN,
            message="this ncu knows no such metric for this GPU",
            mend="`ncu --query-metrics --chips ad102` lists a chip's metrics (ad102 is the RTX"
            " 4090's, gh100 the H100's); a newer ncu may know it",
        ),
    ),
    (
        r"Library(NotLoaded|InvalidVersion)|InsufficientDriver|connect to the CUDA driver",
        Failure(
            reason="library_not_loaded",
            message="ncu and the NVIDIA driver do not match",
            mend="Upgrade ncu to the release of the driver's CUDA version or newer (`nvidia-smi`"
            " shows it) and keep CUDA's `stubs` folder out of LD_LIBRARY_PATH; a sandbox such as"
            " gVisor has no counters at all",
        ),
    ),
    (
        r"Profiling is not supported on|UnsupportedGpu|UnsupportedSku",
        Failure(
            reason="gpu_unsupported",
            message="this ncu does not support this GPU",
            mend="`ncu --list-chips` shows which it does; upgrade ncu",
        ),
    ),
    (
        r"The application returned an error code",
        Failure(reason=WORKER_FAILED, message="the profiled process failed"),
    ),
    (
        NO_KERNELS,
        Failure(
            reason="no_kernels_profiled",
            message="ncu profiled no kernel",
            mend="`gate doctor` profiles one that is known to work",
        ),
    ),
)


def recognise(
    log: str, *, asked_for: Iterable[str] = (), driver: str | None = None
) -> Failure | None:
    """The failure that ncu's log tells of; None where it tells of none that is known.

    `asked_for` are the metrics that ncu was given, `driver` the NVIDIA driver's version.
    """
    for pattern, failure in _TABLE:
        found = re.search(pattern, log)
        if found is None:
            continue
        if failure.reason == "counter_permission":
            return replace(failure, mend=counter_mend(driver))
        if failure.reason == METRIC_UNKNOWN:
            return replace(
                failure,
                message=f"{failure.message}: {_line(log, found.start())}",
                metrics=_unknown_metrics(log, asked_for),
            )
        return failure
    return None


def counter_mend(driver: str | None) -> str:
    """How to open the counters, with the capability that a container needs under this driver."""
    host = (
        "On the host write `options nvidia NVreg_RestrictProfilingToAdminUsers=0` into"
        " /etc/modprobe.d/nvidia-counters.conf, rebuild the initramfs (`update-initramfs -u` or"
        " `dracut --force`) and reboot."
    )
    major = int(found[0]) if (found := re.match(r"\d+", driver or "")) else None
    if major is None:
        container = "with `--cap-add PERFMON` (driver R565 or newer; CAP_SYS_ADMIN before)"
    elif major >= PERFMON_DRIVER:
        container = "with `--cap-add PERFMON`"
    else:
        container = (
            f"with CAP_SYS_ADMIN under driver {driver}, which opens the host as well: rather"
            f" upgrade to R{PERFMON_DRIVER}, where `--cap-add PERFMON` will do"
        )
    return (
        f"{host} A container can do without that {container}."
        " Never `sudo ncu`: it would run the pull request's code as root"
    )


def _unknown_metrics(log: str, asked_for: Iterable[str]) -> tuple[str, ...]:
    """Those of `asked_for` that ncu says it cannot find, by their full or their base name."""
    lines = [line.replace("\\", "") for line in log.splitlines() if "Failed to find metric" in line]
    named = {name for line in lines for name in re.findall(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*", line)}
    return tuple(name for name in asked_for if named & {name, name.partition(".")[0]})


def unrecognised(log: str, *, end: str, last_words: str) -> Failure:
    """A failure of ncu that is not in the table; `end` is how it ended."""
    return Failure(
        reason="ncu_unknown_failure",
        message=f"ncu {end} and says: {_quoted(log)}; the profiled process: {_quoted(last_words)}",
        mend="`gate doctor` checks this machine",
    )


def timed_out(seconds: float, last_words: str) -> Failure:
    return Failure(
        reason="timed_out",
        message=f"profiling did not finish within {seconds:.0f} s: {_quoted(last_words)}",
        mend="Raise `ncu_timeout_s` in [tool.gate] if the kernel is that slow under ncu",
    )


def with_last_words(failure: Failure, stderr: str) -> Failure:
    return replace(failure, message=f"{failure.message}: {_quoted(stderr)}")


def _quoted(text: str) -> str:
    return text.strip()[-QUOTED:] or "nothing was said"


def _line(log: str, position: int) -> str:
    start = log.rfind("\n", 0, position) + 1
    return log[start:].splitlines()[0].removeprefix("==ERROR==").strip()
