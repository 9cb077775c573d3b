"""One profiled process: ncu with the worker below it, from the command line to its launches."""

from __future__ import annotations

import json
import shutil
import site
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from gate import processes
from gate.environment import worker_environment
from gate.kernels import KernelFolder, Workload
from gate.model import Gpu
from gate.ncu_failures import (
    NO_KERNELS,
    WORKER_FAILED,
    Failure,
    ProfilingFailed,
    recognise,
    timed_out,
    unrecognised,
    with_last_words,
)
from gate.ncu_launches import Forward, refuse_foreign, split
from gate.ncu_program import INSTALL, command
from gate.ncu_report_reader import read_report

# The log is a few lines; hostile code could make it any size.
MAX_LOG_BYTES = 65_536
# The parent ends the whole group at its deadline; should only ncu end, the worker follows.
ORPHAN_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all profiled processes of one kernel have in common; `deadline` is monotonic.

    `forwards` says for each of `workloads` how many forward calls are profiled.
    """

    folder: KernelFolder
    workloads: tuple[Workload, ...]
    forwards: tuple[int, ...]
    kernels: frozenset[str]
    ncu: Path
    gpu: Gpu | None
    driver: str | None
    seed: int
    timeout_s: float
    deadline: float
    keep: Path | None


def attempt(job: Job, names: tuple[str, ...], index: int) -> tuple[tuple[Forward, ...], ...]:
    """Each workload's forward calls in one fresh process, with the metrics `names`.

    Raises ProfilingFailed.
    """
    with tempfile.TemporaryDirectory(prefix="gate-ncu-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        report, log = scratch / "profile.ncu-rep", scratch / "ncu.log"
        ended = _run(job, names, report, log)
        if job.keep:
            _keep(job.keep, (report, log), f"{job.folder.name}-{index}")
        failure = _failure(job, names, ended, _said(ended, log))
        if failure:
            started = (scratch / "ready").exists()
            raise ProfilingFailed(failure if started else _blame_machine(failure))
        launches = read_report(report, names, ncu=job.ncu)
    shares = split(launches, job.forwards)
    for calls in shares:
        refuse_foreign(calls, job.kernels)
    return shares


def _run(job: Job, names: tuple[str, ...], report: Path, log: Path) -> processes.Completed:
    scratch = report.parent
    left = job.deadline - time.monotonic()
    if left <= 0:
        raise ProfilingFailed(timed_out(job.timeout_s, ""))
    request = {
        "folder": str(job.folder.path.resolve()),
        "workloads": [
            {"definition": workload.to_json(), "forwards": forwards}
            for workload, forwards in zip(job.workloads, job.forwards, strict=True)
        ],
        "seed": job.seed,
        "ready": str(scratch / "ready"),
        "deadline_s": int(left) + ORPHAN_SECONDS,
    }
    (scratch / "request.json").write_text(json.dumps(request))
    program = [sys.executable, "-m", "gate.ncu_worker", str(scratch / "request.json")]
    argv = command(job.ncu, metrics=names, report=report, log=log, program=program)
    try:
        return processes.run(argv, timeout_s=left, env=_environment(scratch, job.gpu), cwd=scratch)
    except OSError as error:
        missing = f"{job.ncu} cannot be run: {error.strerror}"
        raise ProfilingFailed(
            Failure(reason="ncu_missing", message=missing, mend=INSTALL)
        ) from error


def _environment(scratch: Path, gpu: Gpu | None) -> dict[str, str]:
    """A worker's, with a home that no earlier run wrote to; TMPDIR is where ncu has its lock."""
    home = scratch / "home"
    home.mkdir()
    environment = {**worker_environment(scratch, gpu), "HOME": str(home)}
    if site.ENABLE_USER_SITE:  # packages that were installed with `pip --user` lie below HOME
        environment.setdefault("PYTHONUSERBASE", site.getuserbase())
    return environment


def _failure(
    job: Job, names: tuple[str, ...], ended: processes.Completed, said: str
) -> Failure | None:
    if ended.timed_out:
        return timed_out(job.timeout_s, ended.stderr)
    if ended.ok and "==ERROR==" not in said and NO_KERNELS not in said:
        return None
    failure = recognise(said, asked_for=names, driver=job.driver)
    if failure and failure.reason == WORKER_FAILED and "Failed to profile" not in said:
        return with_last_words(failure, ended.stderr)
    if failure and failure.reason != WORKER_FAILED:
        return failure
    return unrecognised(said, end=ended.describe_end(), last_words=ended.stderr)


def _blame_machine(failure: Failure) -> Failure:
    """Nothing of the candidate had been loaded when the worker died."""
    if failure.reason != WORKER_FAILED:
        return failure
    mend = "`gate doctor` says whether torch and Triton work here"
    return replace(failure, reason="worker_cannot_start", mend=mend)


def _said(ended: processes.Completed, log: Path) -> str:
    """What ncu itself says; to the terminal, where it did not get as far as its log file."""
    if log.is_file() and log.stat().st_size:
        with log.open("rb") as stream:
            return stream.read(MAX_LOG_BYTES).decode(errors="replace")
    lines = (ended.stdout + "\n" + ended.stderr).splitlines()
    return "\n".join(line for line in lines if line.startswith("=="))


def _keep(folder: Path, files: tuple[Path, ...], stem: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if file.is_file():
            shutil.copyfile(file, folder / f"{stem}{file.suffix}")
