"""Can ncu read this GPU's counters? Only a number read back from a real kernel proves it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from gate import metrics
from gate.doctor.check import Check, failed, ok, unknown, warning
from gate.doctor.probe_run import FUNCTION, GRID_SIZE, PROBE
from gate.model import DRAM_THROUGHPUT, SM_THROUGHPUT
from gate.ncu import collect
from gate.ncu_failures import ProfilingFailed, counter_mend
from gate.ncu_program import INSTALL, WHERE, ncu_version
from gate.ncu_report_reader import package_problem

if TYPE_CHECKING:
    from gate.model import NcuBlock

NCU = "Nsight Compute"
REPORTS = "reading reports"
PERMISSION = "who may read counters"
COUNTERS = "a number read back from a counter"

DRIVER_PARAMETERS = Path("/proc/driver/nvidia/params")
PROCESS_STATUS = Path("/proc/self/status")
# Linux's CAP_SYS_ADMIN and CAP_PERFMON.
CAPABILITIES = (21, 38)
TIMEOUT_SECONDS = 240.0


def program(ncu: Path | None) -> Check:
    if ncu is None:
        given = os.environ.get("NCU")
        where = f"NCU={given} is not a program" if given else f"ncu is not in {WHERE}"
        return failed(NCU, where, INSTALL)
    version = ncu_version(ncu)
    if version is None:
        return failed(NCU, f"{ncu} does not say its version", INSTALL)
    return ok(NCU, f"{version} in {ncu}")


def reports(ncu: Path | None) -> Check:
    problem = package_problem(ncu)
    if problem:
        return failed(REPORTS, problem, "pip install ncu-report")
    return ok(REPORTS, "the package ncu_report is there")


def permission(
    driver: str | None,
    *,
    parameters: Path = DRIVER_PARAMETERS,
    status: Path = PROCESS_STATUS,
    is_root: bool | None = None,
) -> Check:
    """What the driver's settings promise; the last check is what holds."""
    try:
        restricted = re.search(r"RmProfilingAdminOnly: (\d+)", parameters.read_text())
    except OSError:
        restricted = None
    if restricted is None:
        return unknown(PERMISSION, f"{parameters} does not say")
    if restricted[1] == "0":
        return ok(PERMISSION, "every user (RmProfilingAdminOnly: 0)")
    detail = "administrators only (RmProfilingAdminOnly: 1)"
    if os.geteuid() == 0 if is_root is None else is_root:
        return warning(PERMISSION, f"{detail}, and this is root", counter_mend(driver))
    if _capable(status):
        return ok(PERMISSION, f"{detail}; this process has the capability")
    return warning(PERMISSION, f"{detail}, and this process is none", counter_mend(driver))


def counters(ncu: Path) -> Check:
    """Profile the probe kernel, and hold what ncu says of it against what is known of it."""
    try:
        collected = collect(
            PROBE,
            PROBE.workloads,
            ncu=ncu,
            processes=1,
            forwards={workload.name: 1 for workload in PROBE.workloads},
            seed=0,
            timeout_s=TIMEOUT_SECONDS,
        )
    except ProfilingFailed as problem:
        failure = problem.failure
        return failed(COUNTERS, f"{failure.reason}: {failure.message}", failure.mend)
    return _read_back(collected[PROBE.workloads[0].name][0])


def _read_back(block: NcuBlock) -> Check:
    values = block.get(FUNCTION, {})
    if values.get(metrics.GRID_SIZE) != GRID_SIZE or not values.get(metrics.DURATION):
        detail = f"ncu says of a kernel of {GRID_SIZE} blocks: {block}"
        return failed(COUNTERS, detail, "upgrade ncu: it reads this GPU wrongly")
    return ok(
        COUNTERS,
        f"{FUNCTION}: {values[metrics.DURATION]:,.0f} ns, SM {values[SM_THROUGHPUT]:.1f} %,"
        f" DRAM {values[DRAM_THROUGHPUT]:.1f} %, {len(values)} metrics",
    )


def _capable(status: Path) -> bool:
    try:
        found = re.search(r"^CapEff:\s*([0-9a-f]+)", status.read_text(), re.MULTILINE)
    except OSError:
        return False
    mask = int(found[1], 16) if found else 0
    return any(mask >> bit & 1 for bit in CAPABILITIES)
