"""The correctness step, child's side: a supervisor that forks twice for each workload.

It imports torch once and runs nothing untrusted itself. One fork runs the candidate, the next
compares what the first left with the reference: a crash, a hang or a broken CUDA context is that
workload's alone, and the supervisor writes the answer that the parent reads.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

# Imported once here instead of in every fork, which all need it.
import triton.compiler.code_generator  # noqa: F401

from gate.correctness import append_result, last_words
from gate.correctness_compare import compare
from gate.correctness_run import MAX_OUTPUT_BYTES, REPORT, run
from gate.interpreter import ADD_SIZES, MAX_SENTENCE
from gate.model import Correctness
from gate.outputs import read_report
from gate.processes import (
    TAIL_BYTES,
    allow_inspection,
    die_with_parent,
    end_orphans,
    ends_within,
    inherit_orphans,
    signal_name,
)
from gate.trials import Device, Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.outputs import Report

    Status = Literal["passed", "failed", "crashed", "timed_out", "unsupported"]

# Enough for PyTorch itself; what a kernel may add to it is the machine's memory.
OWN_ADDRESS_SPACE = 16 * 2**30

REAP_SECONDS = 10.0
STACK_SECONDS = 1.0
# The standard output, which every fork replaces by its log.
ANSWERS = 1

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a fork ended: `code` is None after a timeout, negative for a signal."""

    code: int | None
    log: str


def main(request_file: str, answers: int) -> None:
    """Test every trial of the request; its place there is the key of its result.

    The answers go to the file descriptor `answers`. As the standard output it is kept by no fork,
    and it is written to at the end, when no kernel's process is left.
    """
    os.dup2(answers, ANSWERS)
    os.close(answers)
    die_with_parent()
    allow_inspection(allowed=False)
    inherit_orphans()
    request = json.loads(Path(request_file).read_text())
    trials = [Trial.from_json(plain) for plain in request["trials"]]
    results = [test(trial, timeout_s=request["timeout_s"]) for trial in trials]
    for index, result in enumerate(results):
        append_result(Path(f"/dev/fd/{ANSWERS}"), str(index), result)


def test(trial: Trial, *, timeout_s: float) -> Correctness:
    # A kernel may leave files there that cannot be removed.
    with tempfile.TemporaryDirectory(prefix="trial-", ignore_cleanup_errors=True) as name:
        box = Path(name)
        ended = _in_fork(partial(run, trial, box), trial.device, timeout_s)
        report = read_report(box / REPORT) if ended.code == 0 else None
        if report is None:
            return _without_report(trial, ended, timeout_s)
        if report.status != "ran":
            return _raised(trial, report, ended)
        if len(report.cases) != len(trial.cases()):
            return _result(trial, "crashed", "left a report that is not the gate's", ended.log)
        return _compared(trial, report, box, timeout_s)


def _compared(trial: Trial, report: Report, box: Path, timeout_s: float) -> Correctness:
    with tempfile.TemporaryFile("w+", encoding="utf-8") as sheet:

        def work() -> None:
            json.dump(asdict(compare(trial, report.cases, box)), sheet)
            sheet.flush()

        ended = _in_fork(work, trial.device, timeout_s)
        if ended.code != 0:
            status: Status = "timed_out" if ended.code is None else "crashed"
            return _result(trial, status, f"the reference {_end(ended, timeout_s)}", ended.log)
        sheet.seek(0)
        return Correctness(**json.load(sheet))


def _without_report(trial: Trial, ended: Ended, timeout_s: float) -> Correctness:
    message = f"the kernel's process {_end(ended, timeout_s)}"
    if ended.code is not None:
        return _result(trial, "crashed", message, ended.log)
    hint = f"; if it is only slow here, {ADD_SIZES}" if trial.small else ""
    return _result(trial, "timed_out", message + hint, ended.log)


def _raised(trial: Trial, report: Report, ended: Ended) -> Correctness:
    if report.status == "unsupported" and trial.small:
        return _result(trial, "unsupported", report.message)
    return _result(trial, "crashed", report.message, ended.log)


def _result(trial: Trial, status: Status, message: str, log: str = "") -> Correctness:
    text = f"{message[:MAX_SENTENCE]}\n{log}".strip()
    return Correctness(status=status, backend=trial.device, seed=trial.seed, message=text)


def _end(ended: Ended, timeout_s: float) -> str:
    if ended.code is None:
        return f"did not finish within {timeout_s:g} s"
    if ended.code >= 0:
        return f"exited with {ended.code} before its result was there"
    return f"was ended by {signal_name(-ended.code)}"


# ------------------------------------------------------------------------------------- forks


def _in_fork(work: Callable[[], None], device: Device, timeout_s: float) -> Ended:
    """Run `work` in a fork; whatever it started ends with it."""
    with tempfile.TemporaryFile() as log:
        process = _FORK.Process(target=_child, args=(work, device, log.fileno()))
        process.start()
        assert process.pid is not None
        timed_out = not ends_within(timeout_s, process.pid)
        if timed_out:
            os.kill(process.pid, signal.SIGABRT)  # faulthandler prints where it hangs
            ends_within(STACK_SECONDS, process.pid)
        process.kill()
        process.join(REAP_SECONDS)
        end_orphans()
        code = None if timed_out else process.exitcode
        log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
        return Ended(code=code, log=last_words(log.read().decode(errors="replace")))


def _child(work: Callable[[], None], device: Device, log: int) -> None:
    die_with_parent()
    allow_inspection(allowed=True)  # else its own files in /proc are root's
    for stream in (ANSWERS, sys.stderr.fileno()):
        os.dup2(log, stream)
    faulthandler.enable()
    _limit(device)
    try:
        work()
    except BaseException:  # noqa: BLE001 - a fork must never return into its parent's code
        traceback.print_exc()
        _leave(1)
    _leave(0)


def _leave(code: int) -> None:
    """End without running what a kernel registered for the end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _limit(device: Device) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES))
    # The machine's out-of-memory killer should choose this process and not the supervisor.
    with contextlib.suppress(OSError):  # some containers do not let it be said
        Path("/proc/self/oom_score_adj").write_text("1000")
    if device == "interpreter":  # CUDA reserves far more address space than there is memory
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        limit = pages + OWN_ADDRESS_SPACE
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
