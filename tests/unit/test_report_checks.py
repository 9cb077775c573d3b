from io import StringIO

from rich.console import Console

from gate.doctor.check import failed, ok, unknown
from gate.doctor.counters import COUNTERS
from gate.report.checks import render, summary


def test_a_mend_is_one_line_at_any_width():
    mend = "echo 'options nvidia NVreg_RestrictProfilingToAdminUsers=0' > /etc/modprobe.d/x.conf"
    console = Console(file=StringIO(), width=40)
    render([ok("driver", "580.1"), failed("counters", "ERR_NVGPUCTRPERM", mend)], console)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    assert lines == [
        "ok      driver: 580.1",
        "failed  counters: ERR_NVGPUCTRPERM",
        f"mend: {mend}",
        "this machine cannot measure; what failed: counters",
    ]


def test_the_last_line_says_what_stands_in_the_way():
    failures = [failed("driver", "none answers", "x"), failed("ncu", "not in PATH", "y")]
    unread = unknown(COUNTERS, "not tried")
    assert summary([*failures, unread]) == "this machine cannot measure; what failed: driver, ncu"
    nothing = f"this machine is not shown to measure: {COUNTERS} is unknown"
    assert summary([ok("driver", "580.1"), unread]) == nothing
    assert summary([ok(COUNTERS, "10 ns")]) == "this machine can measure"
