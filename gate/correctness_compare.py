"""Compares what a candidate left with its reference, in a process that never ran the candidate.

The inputs are drawn again from the seed. The reference runs twice: in float64 for the values, and
in the workload's dtype for the layout of its outputs.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from gate.correctness_run import blame_reference, draw, load, output_file, print_from
from gate.findings import REFERENCE_AT_FAULT
from gate.interpreter import sentence
from gate.model import Correctness
from gate.outputs import PLAIN_TENSOR, Facts, output_name, structural_fault
from gate.problem import construct
from gate.tensors import facts, fingerprint, leaves, map_tensors, tensors
from gate.tolerances import Tolerance, tolerance_for
from gate.values import Range, difference, value_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gate.outputs import CaseReport
    from gate.trials import Case, Trial

# JSON has no infinity, and the schema's bound lies here.
MAX_ERROR = 1e300

UNREPEATABLE = (
    "had other inputs than this seed gives: get_inputs() does not draw them from torch's "
    "generator, or kernel.py meddles with that"
)
CONSTANT = "one number passes for the whole of {name}: these inputs prove little"
CONSTANT_REFERENCE = (
    f"{REFERENCE_AT_FAULT}, not the kernel: one number passes for all that it gives in every "
    "call, so that a kernel which computes nothing would be right; change its inputs or sizes"
)
# Fewer values than these may agree by chance, such as a few sums behind a ReLU.
MIN_VALUES = 16
UNFAIR = "; the reference itself, run in {dtype}, misses it too: rtol and atol can be set"
UNFAIR_SCALE = "not tested with inputs {scale:g} times as large: the reference is inexact there"


class Wrong(Exception):
    """The candidate's outputs are not the reference's; the text says how."""

    def __init__(self, message: str, max_abs_error: float | None = None) -> None:
        super().__init__(message)
        self.max_abs_error = max_abs_error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the reference gives for one case: `exact` in float64, `rounded` in its own dtype.

    Where one of the two cannot run, the other stands in, and `note` says so.
    """

    facts: tuple[Facts, ...]
    exact: tuple[Any, ...]
    rounded: tuple[Any, ...]
    note: str = ""

    def comparable(self) -> Iterator[tuple[int, str, Facts]]:
        """Place, name and description of each output that holds values."""
        for index, described in enumerate(self.facts):
            if described.type == PLAIN_TENSOR and 0 not in described.shape:
                yield index, output_name(index, len(self.facts)), described

    def tolerance(self, trial: Trial, index: int) -> Tolerance:
        return tolerance_for(trial.workload, self.facts[index].dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outputs:
    """What one run of the reference gave: its flattened outputs and their descriptions."""

    values: tuple[Any, ...]
    facts: tuple[Facts, ...]


def compare(trial: Trial, reports: Sequence[CaseReport], box: Path) -> Correctness:
    """Never raises for what the reference or the candidate does."""
    base = Correctness(status="passed", backend=trial.device, seed=trial.seed)
    try:
        errors, notes = _check(trial, reports, box)
    except Wrong as wrong:
        error = _bounded(wrong.max_abs_error)
        return replace(base, status="failed", message=str(wrong), max_abs_error=error)
    except Exception as error:  # noqa: BLE001 - a reference may raise anything
        print_from(trial.folder, error)
        return replace(base, status="crashed", message=blame_reference(error))
    message = "; ".join(dict.fromkeys(note for note in notes if note))
    return replace(base, message=message, max_abs_error=_bounded(max(errors, default=None)))


def _check(trial: Trial, reports: Sequence[CaseReport], box: Path) -> tuple[list[float], list[str]]:
    """The largest errors and the notes of every call. Raises Wrong for the first fault.

    Errors under enlarged inputs are left out: they would dwarf the others.
    """
    # PyTorch's default for convolutions; its error would be taken for the reference's.
    torch.backends.cudnn.allow_tf32 = False
    reference = _Reference(trial)
    errors, notes = [], []
    ranges: dict[str, Range] = {}
    for number, (case, report) in enumerate(zip(trial.cases(), reports, strict=True)):
        answer = reference.answer(case, report)
        fault = structural_fault(report.outputs, answer.facts)
        if fault is not None:
            raise Wrong(fault + case.where)
        notes.append(answer.note)
        for index, name, described in answer.comparable():
            got = _read(output_file(box, number, index), described, name)
            found, note = _check_values(trial, case, answer, index, got)
            errors.append(found)
            notes.append(note)
            if case.scale == 1.0:
                seen = value_range(answer.exact[index], answer.tolerance(trial, index))
                ranges[name] = seen.joined(ranges.get(name, seen))
    return errors, [*notes, *_constant(ranges)]


def _constant(ranges: Mapping[str, Range]) -> list[str]:
    """A note on each output that is constant. Raises Wrong if nothing else was compared."""
    constant = {name: seen for name, seen in ranges.items() if seen.is_constant}
    values = sum(seen.count for seen in constant.values())
    if values >= MIN_VALUES and len(constant) == len(ranges):
        raise Wrong(CONSTANT_REFERENCE)
    return [CONSTANT.format(name=name) for name in constant]


def _check_values(
    trial: Trial, case: Case, answer: _Answer, index: int, got: torch.Tensor
) -> tuple[float, str]:
    exact, rounded = answer.exact[index], answer.rounded[index]
    tolerance = answer.tolerance(trial, index)
    found = difference(got, exact, rounded, tolerance)
    if not found.wrong:
        return found.max_abs_error if case.scale == 1.0 else 0.0, ""
    unfair = difference(rounded.reshape(-1), exact, rounded, tolerance).wrong > 0
    if unfair and case.scale != 1.0:
        return 0.0, UNFAIR_SCALE.format(scale=case.scale)
    name = output_name(index, len(answer.facts))
    hint = UNFAIR.format(dtype=trial.workload.dtype) if unfair else ""
    raise Wrong(f"{name} is wrong{case.where}: {found.sentence()}{hint}", found.max_abs_error)


class _Reference:
    """The reference of one trial, in the workload's dtype and in float64."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._module = load(trial)
        _, init = draw(self._module, trial, trial.cases()[0])
        workload, device = trial.workload, trial.torch_device
        self._model = construct(self._module.Model, init, workload, device, trial.seed)
        self._exact_model = copy.deepcopy(self._model).double()

    def answer(self, case: Case, report: CaseReport) -> _Answer:
        """Raises Wrong if the candidate had other inputs or changed them."""
        inputs, _ = draw(self._module, self._trial, case)
        if tuple(map(fingerprint, tensors(inputs))) != report.fingerprints:
            raise Wrong(UNREPEATABLE)
        if report.changed:
            raise Wrong(f"changes input {report.changed[0]} in place{case.where}")
        rounded = self._run(self._model, map_tensors(copy.deepcopy, inputs), case)
        exact = self._run(self._exact_model, map_tensors(_widened, inputs), case)
        return _answer(self._trial.workload.dtype, rounded, exact)

    def _run(self, model: torch.nn.Module, inputs: Any, case: Case) -> _Outputs | Exception:
        torch.manual_seed(case.seed)
        try:
            with torch.no_grad():
                values = tuple(leaves(model(*inputs)))
        except Exception as error:  # noqa: BLE001 - returned: one of the two runs may do without
            return error
        owned = {"an input": tensors(inputs)}
        return _Outputs(values=values, facts=tuple(facts(value, owned) for value in values))


def _answer(dtype: str, rounded: _Outputs | Exception, exact: _Outputs | Exception) -> _Answer:
    if isinstance(exact, _Outputs):
        doubled = map_tensors(_doubled, exact.values)
        if isinstance(rounded, _Outputs):
            return _Answer(facts=rounded.facts, exact=doubled, rounded=rounded.values)
        # PyTorch's CPU backend lacks some operations in half precision.
        narrowed = tuple(
            replace(fact, dtype=dtype) if fact.dtype == "float64" else fact for fact in exact.facts
        )
        return _Answer(facts=narrowed, exact=doubled, rounded=exact.values)
    if isinstance(rounded, Exception):
        raise rounded
    note = f"compared with the reference in {dtype}: in float64 it raised {sentence(exact)}"
    doubled = map_tensors(_doubled, rounded.values)
    return _Answer(facts=rounded.facts, exact=doubled, rounded=rounded.values, note=note)


def _doubled(tensor: torch.Tensor) -> torch.Tensor:
    """In float64, without a copy where it is; the reference may round what it returns."""
    return tensor.double() if tensor.is_floating_point() else tensor


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in float64; what holds no floating numbers keeps its dtype."""
    return tensor.to(torch.float64 if tensor.is_floating_point() else tensor.dtype, copy=True)


def _read(file: Path, facts: Facts, name: str) -> torch.Tensor:
    """The bytes that the candidate left, flat. Raises Wrong unless there are exactly enough."""
    dtype: torch.dtype = getattr(torch, facts.dtype)
    count = math.prod(facts.shape)
    if not file.is_file() or file.stat().st_size != count * dtype.itemsize:
        raise Wrong(f"{name} was not left whole ({count * dtype.itemsize:,} bytes were expected)")
    return torch.from_file(str(file), shared=False, size=count, dtype=dtype)


def _bounded(error: float | None) -> float | None:
    return error if error is not None and error < MAX_ERROR else None
