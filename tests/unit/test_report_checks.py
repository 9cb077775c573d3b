from io import StringIO

from rich.console import Console

from gate.doctor.check import failed, ok
from gate.report.checks import render


def test_a_mend_is_one_line_at_any_width():
    mend = "echo 'options nvidia NVreg_RestrictProfilingToAdminUsers=0' > /etc/modprobe.d/x.conf"
    console = Console(file=StringIO(), width=40)
    render([ok("driver", "580.1"), failed("counters", "ERR_NVGPUCTRPERM", mend)], console)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    assert lines == [
        "ok      driver: 580.1",
        "failed  counters: ERR_NVGPUCTRPERM",
        f"mend: {mend}",
        "this machine cannot measure: 1 check of 2 failed",
    ]
