"""The static step, parent's side: what the compiler made of each launch, for a GPU not needed here.

A worker process (`gate.static_worker`) runs the forward call on CPU tensors and writes down what it
would have launched, with the compiled binaries. They are taken apart and held against the
hardware's limits here, out of the candidate's reach. Torch is never imported.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gate import processes
from gate.contract.kernel_file import read_kernel_file
from gate.contract.syntax import UnreadableSource
from gate.cubin import disassemble, find_cuobjdump
from gate.environment import worker_environment
from gate.findings import UNKNOWN_GPU
from gate.gpus.architectures import Architecture, architecture_for
from gate.kernels import KernelFolder
from gate.model import NotMeasured, Static, StaticLaunch, Violation
from gate.occupancy import exceeded_limits, occupancy
from gate.sass import Disassembly, UnreadableDisassembly
from gate.static_answer import Answer, RecordedLaunch, clean, read_answers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.kernels import Workload
    from gate.occupancy import ExceededLimit

HARDWARE_LIMIT = "hardware_limit"
# Importing torch and triton takes 3 s on a quiet machine; from a cold disk, cores busy, a minute.
STARTUP_SECONDS = 120.0
# A thousand workloads of ten launches each are a fifth of this.
MAX_ANSWER_BYTES = 16 * 1024 * 1024
# What the measurement's schema allows.
MAX_LAUNCHES = 1000
# How faulthandler begins when it ends a worker that took too long.
WATCHDOG = "Timeout ("
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticOutcome:
    """What came of one workload. `signature` is empty where even that could not be found out."""

    signature: tuple[str, ...]
    static: Static | NotMeasured
    violations: tuple[Violation, ...] = ()


def analyse(
    folder: KernelFolder, workloads: Sequence[Workload], *, target: str, timeout_s: float
) -> dict[str, StaticOutcome]:
    """What the forward call of each workload would launch on `target`, by workload name.

    `timeout_s` bounds each workload. Whatever the candidate's code does ends as an outcome, and so
    does a target that the gate has no figures of: a card may be newer than the gate, and what is
    measured on it needs none of them. Raises MissingExtra without torch and triton.
    """
    architecture = architecture_for(target)
    if architecture is None:
        unknown = StaticOutcome(signature=(), static=_unknown(target))
        return {workload.name: unknown for workload in workloads}
    analysis = _Analysis(
        folder=folder,
        architecture=architecture,
        timeout_s=timeout_s,
        cuobjdump=find_cuobjdump(),
    )
    outcomes: dict[str, StaticOutcome] = {}
    while pending := [w for w in workloads if w.name not in outcomes]:
        outcomes |= analysis.in_one_worker(pending)
    return outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Analysis:
    folder: KernelFolder
    architecture: Architecture
    timeout_s: float
    cuobjdump: Path
    disassemblies: dict[str, Disassembly] = field(default_factory=dict)

    def in_one_worker(self, workloads: Sequence[Workload]) -> dict[str, StaticOutcome]:
        """The outcomes of what one worker finished, and of the workload that ended it."""
        with tempfile.TemporaryDirectory(prefix="gate-", ignore_cleanup_errors=True) as name:
            scratch = Path(name)
            with (scratch / "answer.jsonl").open("w+b") as stream:
                ended = self._run_worker(scratch, workloads)
                found = _read(stream)  # the parent's own handle: the file may have been replaced
            answers = [found.get(w.name, Answer(workload=w.name)) for w in workloads]
            outcomes = {a.workload: self._outcome(a, scratch) for a in answers if a.finished}
        unfinished = [answer for answer in answers if not answer.finished]
        return outcomes | {a.workload: self._ended_early(a, ended) for a in unfinished[:1]}

    def _run_worker(self, scratch: Path, workloads: Sequence[Workload]) -> processes.Completed:
        request = scratch / "request.json"
        plain = {
            "folder": str(self.folder.path.resolve()),
            "workloads": [workload.to_json() for workload in workloads],
            "target": self.architecture.target,
            "timeout_s": self.timeout_s,
            "cuobjdump": str(self.cuobjdump),
            "scratch": str(scratch),
            "answer": str(scratch / "answer.jsonl"),
        }
        request.write_text(json.dumps(plain))
        return processes.run(
            [sys.executable, "-m", "gate.static_worker", str(request)],
            timeout_s=STARTUP_SECONDS + self.timeout_s * len(workloads),
            env=_environment(scratch),
            cwd=scratch,
        )

    def _ended_early(self, answer: Answer, ended: processes.Completed) -> StaticOutcome:
        place = _place(ended.stderr, self.folder)
        if ended.timed_out or WATCHDOG in ended.stderr:
            # What faulthandler printed is the stack, of which the place says all that helps.
            static = _failed(
                "timed_out",
                f"compiling the forward call's kernels did not finish within {self.timeout_s:g} s"
                f"{place}: correctness_timeout_s in [tool.gate] allows more",
            )
        else:
            static = _failed(
                "crashed",
                f"the process that ran the forward call {ended.describe_end()}{place}: "
                f"{clean(ended.stderr) or 'it said nothing'}",
            )
        return StaticOutcome(signature=answer.signature, static=static)

    def _outcome(self, answer: Answer, scratch: Path) -> StaticOutcome:
        failure = answer.failure
        if failure:
            exceeded = [(failure.function, failure.exceeded)] if failure.exceeded else []
            return StaticOutcome(
                signature=answer.signature,
                static=_failed(failure.reason, clean(failure.message)),
                violations=self._violations(exceeded),
            )
        if len(answer.launches) > MAX_LAUNCHES:
            message = f"{len(answer.launches)} distinct launches are more than a report can hold"
            static = _failed("too_many_launches", message)
            return StaticOutcome(signature=answer.signature, static=static)
        return self._of_launches(answer, scratch)

    def _of_launches(self, answer: Answer, scratch: Path) -> StaticOutcome:
        try:
            launches = tuple(self._launch(recorded, scratch) for recorded in answer.launches)
        except UnreadableDisassembly as error:
            static = _failed("disassembly_failed", str(error))
            return StaticOutcome(signature=answer.signature, static=static)
        exceeded = [(x.function, limit) for x in launches for limit in self._exceeded(x)]
        return StaticOutcome(
            signature=answer.signature,
            static=Static(target=self.architecture.target, launches=launches),
            violations=self._violations(exceeded),
        )

    def _launch(self, recorded: RecordedLaunch, scratch: Path) -> StaticLaunch:
        code = self._disassemble(recorded, scratch)
        registers = code.resources.registers
        resident = occupancy(
            self.architecture,
            threads=recorded.threads,
            registers=registers,
            shared_bytes=recorded.shared_bytes,
        )
        x, y, z = recorded.grid
        return StaticLaunch(
            function=recorded.function,
            times=recorded.times,
            grid=recorded.grid,
            grid_size=x * y * z,
            threads=recorded.threads,
            registers=registers,
            stack_bytes=code.resources.stack_bytes,
            local_bytes=code.resources.local_bytes,
            shared_bytes=recorded.shared_bytes,
            instructions=code.instructions,
            widest_global_load_bits=code.widest_global_load_bits,
            widest_global_store_bits=code.widest_global_store_bits,
            theoretical_occupancy_pct=resident.pct,
            occupancy_limit=resident.limited_by,
        )

    def _disassemble(self, recorded: RecordedLaunch, scratch: Path) -> Disassembly:
        """Workloads often share a binary."""
        if recorded.cubin not in self.disassemblies:
            self.disassemblies[recorded.cubin] = disassemble(
                self.cuobjdump, scratch / recorded.cubin, recorded.entry
            )
        return self.disassemblies[recorded.cubin]

    def _exceeded(self, launch: StaticLaunch) -> tuple[ExceededLimit, ...]:
        return exceeded_limits(
            self.architecture,
            grid=launch.grid,
            threads=launch.threads,
            registers=launch.registers,
            shared_bytes=launch.shared_bytes,
        )

    def _violations(self, exceeded: Sequence[tuple[str, ExceededLimit]]) -> tuple[Violation, ...]:
        """One for each function and limit, at the line of the function's `def`."""
        lines = _lines(self.folder) if exceeded else {}
        return tuple(
            Violation(
                code=HARDWARE_LIMIT,
                line=lines.get(function, 0),
                message=f"{function} cannot run: {limit.describe(self.architecture.target)}",
            )
            for function, limit in dict.fromkeys(exceeded)
        )


def _environment(scratch: Path) -> dict[str, str]:
    """No GPU is visible, so that the outcome is the same with and without one."""
    environment = worker_environment(scratch, None)
    environment.pop("TRITON_OVERRIDE_ARCH", None)
    return {**environment, "PYTHONDONTWRITEBYTECODE": "1"}


def _read(stream: IO[bytes]) -> Mapping[str, Answer]:
    stream.seek(0)
    return read_answers(stream.read(MAX_ANSWER_BYTES).decode(errors="replace"))


def _place(stderr: str, folder: KernelFolder) -> str:
    """Where in the kernel's files a process died, from faulthandler's list of frames."""
    for file, line, function in _FRAME.findall(stderr):
        if Path(file).parent == folder.path.resolve():
            return f" at {Path(file).name}:{line} in {function}"
    return ""


def _unknown(target: str) -> NotMeasured:
    return NotMeasured(
        status="not_run",
        reason=UNKNOWN_GPU,
        message=f"the compiled code was not looked at: the gate has no figures of {target}; a newer"
        " gate may have, and one line in gate/gpus/architectures.py adds them",
    )


def _failed(reason: str, message: str) -> NotMeasured:
    return NotMeasured(status="failed", reason=reason, message=message)


def _lines(folder: KernelFolder) -> Mapping[str, int]:
    """The line of each kernel's `def`; none where the file cannot be read as text."""
    try:
        kernels = read_kernel_file(folder.source()).kernels
    except UnreadableSource:
        return {}
    return {name: kernel.node.lineno for name, kernel in kernels.items()}
