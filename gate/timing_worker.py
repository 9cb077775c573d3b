"""The timing step, child's side: a server that forks one fresh CUDA context for each order.

Torch is imported once and CUDA is started only in the forks, so a further process costs the start
of a context and not the import. Orders do not share a context: what one leaves behind in the
allocator moved the next by up to 9 %. Forks do not overlap either: with other contexts on the GPU
memory comes to lie elsewhere, and medians spread by 0.2 to 2 % (benchmarks/RESULTS.md).

Reads one order a line from stdin (see `gate.timing`) and answers each with a line.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from triton.errors import TritonError

from gate import timing_methods as methods
from gate.canary import canary_calls, compiled_for
from gate.environment import read_state
from gate.kernels import Workload
from gate.problem import construct_candidate, describe, draw_inputs, load_reference
from gate.processes import (
    allow_inspection,
    die_with_parent,
    end_orphans,
    ends_within,
    inherit_orphans,
    signal_name,
)
from gate.tensors import fingerprint, map_tensors, tensors
from gate.timed_outputs import disagreement, poison, unmoved

LINE_BYTES = 1_000_000
WORDS = 2000
CANARY = ""  # no workload has this name
OutOfMemory: Any = torch.OutOfMemoryError  # bound before a candidate's code runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """One order, ready to be timed: a subject by name, and what its answer says besides samples."""

    prepared: dict[str, tuple[methods.Subject, methods.Prepared]]
    signature: tuple[str, ...]
    flush_bytes: int


# ------------------------------------------------------------------------ the fork's side


def run_order(order: dict[str, Any]) -> dict[str, Any]:
    """The line that answers `order`."""
    with torch.no_grad():
        ready = _canary(order) if order["workload"] == CANARY else _workload(order)
        torch.cuda.synchronize()
        return _measured(ready, order)


def _workload(order: dict[str, Any]) -> Ready:
    workload = Workload.from_json(order["definition"])
    source = order["reference_source"].encode("latin-1")  # JSON has no bytes
    reference = load_reference(Path(order["reference"]), workload.constants, source)
    seed = order["seed"]
    inputs, init = draw_inputs(reference, workload, device="cuda", seed=seed)
    candidate = construct_candidate(Path(order["folder"]), init, workload, device="cuda", seed=seed)
    held, seeds = tensors(inputs), iter(range(seed + 1, seed + 10_000))

    def refresh() -> None:
        drawn, _ = draw_inputs(reference, workload, device="cuda", seed=next(seeds) % 2**63)
        for mine, fresh in zip(held, tensors(drawn), strict=True):
            mine.copy_(fresh)

    def forward() -> Any:
        return candidate(*inputs)

    forward()
    batch = methods.estimate_batch(forward)
    subject = methods.Subject(
        forward=forward,
        flush=_flush(order).zero_,
        refresh=refresh,
        batch=batch,
        inputs=tuple(held),
    )
    return Ready(
        prepared={"forward": (subject, methods.prepare(subject, order["method"]))},
        signature=describe([*inputs, *init]),
        flush_bytes=order["l2_bytes"],
    )


def _canary(order: dict[str, Any]) -> Ready:
    prepared = {}
    flush = _flush(order).zero_
    for name, call in canary_calls(order["sm_count"]).items():
        call()
        subject = methods.Subject(
            forward=call,
            flush=flush,
            refresh=lambda: None,
            batch=methods.estimate_batch(call),
        )
        prepared[name] = (subject, methods.prepare(subject, "cuda_graph"))
    return Ready(prepared=prepared, signature=(), flush_bytes=order["l2_bytes"])


def _flush(order: dict[str, Any]) -> torch.Tensor:
    return torch.empty(order["l2_bytes"], dtype=torch.int8, device="cuda")


def _measured(ready: Ready, order: dict[str, Any]) -> dict[str, Any]:
    states: list[dict[str, Any]] = []
    samples = {}
    for name, (subject, prepared) in ready.prepared.items():
        samples[name] = methods.take_samples(
            subject,
            prepared,
            lambda: states.append(asdict(read_state(order["gpu"], siblings=True))),
        )
        if order["workload"] != CANARY:
            wrong = _wrong_output(subject, prepared)
            if wrong:
                return {"failed": "wrong_timed_output", "message": wrong}
    return {
        "signature": ready.signature,
        "samples_ns": samples,
        "batch": next(iter(ready.prepared.values()))[0].batch,
        "l2_flush_bytes": ready.flush_bytes,
        "states": states,
    }


def _wrong_output(subject: methods.Subject, prepared: methods.Prepared) -> str:
    """How a timed call's outputs are not those of a call of its own on the same fresh inputs."""
    before = map_tensors(torch.clone, prepared.last())
    was = [fingerprint(tensor) for tensor in subject.inputs]
    subject.refresh()
    other_inputs = was != [fingerprint(tensor) for tensor in subject.inputs]
    poison(prepared.last())
    timed = prepared.last()
    if other_inputs and unmoved(before, timed):
        return "a timed call gives the same whatever its inputs are"
    return disagreement(timed, subject.forward())


def _send(pipe: int, line: dict[str, Any]) -> None:
    data = json.dumps(line).encode() + b"\n"
    while data:
        data = data[os.write(pipe, data) :]


# ---------------------------------------------------------------------- the server's side


class Fork:
    """One order in a process of its own, and the pipe from it."""

    def __init__(self, order: dict[str, Any], private: int) -> None:
        self._order, self._buffer = order, b""
        self._deadline = time.monotonic() + order["timeout_s"]
        self._pipe, answer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._pipe)
            os.close(private)
            _run_child(order, answer)
        os.close(answer)

    def answer(self) -> dict[str, Any]:
        """What became of the order; the fork is over."""
        line = self._line()
        os.close(self._pipe)
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        return {**line, "id": self._order["id"]}

    def _line(self) -> dict[str, Any]:
        while b"\n" not in self._buffer and len(self._buffer) < LINE_BYTES:
            left = self._deadline - time.monotonic()
            if left <= 0 or not select.select([self._pipe], [], [], left)[0]:
                return self._too_late()
            data = os.read(self._pipe, 65_536)
            if not data and not ends_within(left, self._pid):
                return self._too_late()
            if not data:
                return {"failed": "crashed", "message": self._how_it_ended()}
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return _read_line(line)

    def _too_late(self) -> dict[str, Any]:
        seconds = self._order["timeout_s"]
        return {"failed": "timed_out", "message": f"it took more than {seconds:.0f} s"}

    def _how_it_ended(self) -> str:
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._pid = 0
        if status < 0:
            return f"it was ended by {signal_name(-status)}"
        return f"it exited with {status} before it answered"


def _read_line(line: bytes) -> dict[str, Any]:
    """What a fork wrote: a JSON object, or else a crash, since nobody vouches for a fork."""
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        plain = None
    if isinstance(plain, dict):
        return plain
    return {"failed": "crashed", "message": "its answer cannot be read"}


def _run_child(order: dict[str, Any], answer: int) -> NoReturn:
    """Never returns into the server's code, whatever the candidate raises."""
    status = 1
    try:
        die_with_parent()
        allow_inspection(allowed=True)  # else its own files in /proc are root's
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        try:
            _send(answer, run_order(order))
        except methods.MethodFails as failure:
            _send(answer, {"failed": "method", "message": str(failure)[:1000]})
        except OutOfMemory as error:
            _send(answer, {"failed": "out_of_memory", "message": str(error)[:1000]})
        status = 0
    except BaseException:  # noqa: BLE001 - see above
        words = traceback.format_exc()[-WORDS:]
        _send(answer, {"failed": "crashed", "message": words})
    finally:
        os._exit(status)  # threads that the candidate left behind must not keep it alive


def main() -> None:
    die_with_parent()
    allow_inspection(allowed=False)
    inherit_orphans()
    answers = os.dup(1)
    os.dup2(2, 1)  # what anybody prints is no answer
    for line in sys.stdin:
        order = json.loads(line)
        with suppress(TritonError, OSError):  # the fork that needs it says why
            compiled_for(order["compute_capability"])  # what it makes Triton load, forks inherit
        answer = Fork(order, answers).answer()
        end_orphans()  # what a kernel leaves behind would run beside the next
        _send(answers, answer)


if __name__ == "__main__":
    main()
