"""Runs a candidate and leaves what it gave as bytes and facts, in a process of its own.

The reference never runs here, so nothing in this process holds an answer; and whatever the
candidate does to this process, it only decides which bytes are left. They are compared elsewhere.
"""

from __future__ import annotations

import contextlib
import copy
import sys
import traceback
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gate import interpreter
from gate.errors import GateError
from gate.findings import REFERENCE_BROKEN
from gate.outputs import CaseReport, Report
from gate.problem import (
    construct,
    construct_candidate,
    draw_inputs,
    load_reference,
    share_weights,
    sizes,
)
from gate.tensors import (
    Fences,
    Poison,
    facts,
    fingerprint,
    leaves,
    map_tensors,
    memory,
    scale_,
    tensors,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from gate.trials import Case, Trial

REPORT = "report.json"
# Far beyond what a card with room for the float64 reference can hold; it bounds the disk.
MAX_OUTPUT_BYTES = 8 * 2**30
# Frames of a traceback that are shown; recursion has a thousand.
SHOWN_FRAMES = 12
GATE = Path(__file__).parent
# What the gate raises about the files that it was given.
TOLD = (SyntaxError, GateError)

# Bound before a kernel file is executed, which could replace them.
_equal = torch.equal
_synchronize = torch.cuda.synchronize


class OutOfBounds(Exception):
    """The kernel wrote beside what it allocated."""


class BrokenReference(Exception):
    """The reference raised its cause, beside a kernel that did nothing yet."""


def run(trial: Trial, box: Path) -> None:
    """Call the candidate once for each case; the report and the outputs go into `box`."""
    try:
        report = Report(status="ran", cases=tuple(_calls(trial, box)))
    except OutOfBounds as broken:
        message = f"wrote out of bounds, {broken}: is a mask missing?"
        report = Report(status="crashed", message=message)
    except BaseException as error:  # noqa: BLE001 - a kernel may raise anything, SystemExit included
        print_from(trial.folder, error)
        report = _raised(trial, error)
    report.write(box / REPORT)
    sys.stderr.flush()


def output_file(box: Path, case: int, output: int) -> Path:
    return box / f"case-{case}-output-{output}"


def draw(module: ModuleType, trial: Trial, case: Case) -> tuple[tuple[Any, ...], list[Any]]:
    """The arguments of one call, and of the constructors: the same in every process."""
    inputs, init = draw_inputs(module, trial.workload, device=trial.torch_device, seed=case.seed)
    for tensor in tensors(inputs):
        if case.scale != 1.0 and tensor.is_floating_point():
            scale_(tensor, case.scale)
    return inputs, init


def load(trial: Trial) -> ModuleType:
    constants = sizes(trial.workload, small=trial.small)
    return load_reference(trial.folder / "reference.py", constants, trial.reference)


def _calls(trial: Trial, box: Path) -> Iterator[CaseReport]:
    if trial.device == "interpreter":
        interpreter.prepare()
    with Poison():
        module, candidate, given = _built(trial)
    kept: list[torch.Tensor] = []
    for number, case in enumerate(trial.cases()):
        for _ in range(case.unchecked):
            _call(trial, candidate, given, case)
        with Poison(), _at_fault():
            fresh, _ = draw(module, trial, case)
        given = _refilled(given, fresh)
        output = _call(trial, candidate, given, case)
        pairs = zip(tensors(given), tensors(fresh), strict=True)
        owners = {"an input": tensors(given), "an earlier output": kept}
        yield CaseReport(
            fingerprints=tuple(map(fingerprint, tensors(fresh))),
            changed=tuple(i for i, pair in enumerate(pairs) if not _unchanged(*pair)),
            outputs=tuple(facts(leaf, owners) for leaf in leaves(output)),
        )
        for index, leaf in enumerate(leaves(output)):
            _save(leaf, output_file(box, number, index))
        kept += tensors(output)


def _built(trial: Trial) -> tuple[ModuleType, torch.nn.Module, tuple[Any, ...]]:
    """The reference's file, the candidate with its weights, and input tensors to be refilled."""
    workload, device, seed = trial.workload, trial.torch_device, trial.seed
    with _at_fault():
        module = load(trial)
        given, init = draw(module, trial, trial.cases()[0])
        reference = construct(module.Model, init, workload, device, seed)
    candidate = construct_candidate(trial.folder, init, workload, device=device, seed=seed)
    share_weights(reference, candidate)
    return module, candidate, given


@contextlib.contextmanager
def _at_fault() -> Iterator[None]:
    """What is raised here is not the kernel's fault."""
    try:
        yield
    except BaseException as error:
        raise BrokenReference from error


def _call(trial: Trial, candidate: torch.nn.Module, given: Any, case: Case) -> Any:
    synchronize = _synchronize if trial.device == "cuda" else bool
    torch.manual_seed(case.seed)
    synchronize()  # a kernel on another stream finds its inputs written
    # Not on a GPU yet, where it was not tried.
    fences = Fences() if trial.device == "interpreter" else None
    with torch.no_grad(), Poison(fences):
        output = candidate(*given)
    synchronize()
    broken = fences.broken() if fences else ""
    if broken:
        raise OutOfBounds(broken)
    return output


def _refilled(given: tuple[Any, ...], fresh: tuple[Any, ...]) -> Any:
    """The old tensors holding the new values; copies of the new ones where the layouts differ.

    What was kept from an earlier call by object, address or shape is then found again, and stale.
    """
    pairs = list(zip(tensors(given), tensors(fresh), strict=False))
    if len(pairs) != len(tensors(fresh)) or not all(_same_layout(*pair) for pair in pairs):
        return map_tensors(copy.deepcopy, fresh)
    for old, new in pairs:
        memory(old).copy_(memory(new))
    olds = iter(tensors(given))
    return map_tensors(lambda _: next(olds), fresh)


def _unchanged(given: torch.Tensor, fresh: torch.Tensor) -> bool:
    return _same_layout(given, fresh) and _equal(memory(given), memory(fresh))


def _same_layout(a: torch.Tensor, b: torch.Tensor) -> bool:
    return (a.dtype, a.shape, a.stride(), a.untyped_storage().nbytes()) == (
        b.dtype,
        b.shape,
        b.stride(),
        b.untyped_storage().nbytes(),
    )


def _save(output: Any, file: Path) -> None:
    if type(output) is not torch.Tensor or output.layout != torch.strided:
        return
    if output.numel() * output.element_size() <= MAX_OUTPUT_BYTES:
        flat = output.detach().resolve_conj().resolve_neg().contiguous().cpu().reshape(-1)
        flat.view(torch.uint8).numpy().tofile(file)


def _raised(trial: Trial, error: BaseException) -> Report:
    if isinstance(error, BrokenReference) and isinstance(error.__cause__, GateError):
        return Report(status="crashed", message=blame_reference(error.__cause__))
    cause = interpreter.root_cause(error)
    if isinstance(cause, MemoryError | torch.OutOfMemoryError) or _is_failed_allocation(cause):
        return Report(status="crashed", message=f"ran out of memory: {interpreter.sentence(cause)}")
    limit = interpreter.limit_behind(error) if trial.device == "interpreter" else None
    if limit is not None:
        return Report(status="unsupported", message=limit)
    if isinstance(error, BrokenReference):
        return Report(status="crashed", message=blame_reference(cause))
    return Report(status="crashed", message=f"raised {interpreter.sentence(cause)}")


def blame_reference(error: BaseException) -> str:
    """One sentence that takes the blame off the kernel."""
    said = (
        str(error) if isinstance(error, GateError) else f"it raised {interpreter.sentence(error)}"
    )
    return f"{REFERENCE_BROKEN}cannot be run: {said}"


def print_from(folder: Path, error: BaseException) -> None:
    """The lines of `folder` that an error went through, the innermost last, and what it says.

    The frames between them are PyTorch's, Triton's and the gate's own; but if the gate itself
    raised the error, nobody else is at fault, and they are shown.
    """
    error = (error.__cause__ or error) if isinstance(error, BrokenReference) else error
    stacks = [traceback.extract_tb(one.__traceback__) for one in interpreter.causes(error)]
    shown = [frame for frame in chain(*stacks) if Path(frame.filename).parent == folder]
    if not shown and Path(stacks[0][-1].filename).parent == GATE and not isinstance(error, TOLD):
        shown = stacks[0]
    # Without columns there are no lines of carets, which would take the room of other frames.
    plain = (traceback.FrameSummary(f.filename, f.lineno, f.name) for f in shown[-SHOWN_FRAMES:])
    lines = traceback.StackSummary.from_list(plain).format()
    print(*lines, *traceback.format_exception_only(error), sep="", file=sys.stderr)  # noqa: T201


def _is_failed_allocation(error: BaseException) -> bool:
    """PyTorch's CPU allocator raises a plain RuntimeError."""
    return isinstance(error, RuntimeError) and "can't allocate memory" in interpreter.sentence(
        error
    )
