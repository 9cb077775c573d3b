"""Builds what a worker runs: the reference, the candidate, their inputs. Executes untrusted code.

Imported by workers only, each a process of its own: this module imports torch, and the files that
it loads may do anything.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

from gate.errors import InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gate.kernels import Workload

# Every other element of a tensor twice as wide: the plainest layout that is not contiguous.
NON_CONTIGUOUS_STEP = 2
MAX_DESCRIPTION = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One workload, ready to run: both modules hold the same weights on the same device."""

    reference: torch.nn.Module
    candidate: torch.nn.Module
    inputs: tuple[Any, ...]
    signature: tuple[str, ...]


def build(folder: Path, workload: Workload, *, device: str, seed: int, small: bool) -> Problem:
    """Load both files of `folder` and draw weights and inputs from `seed`.

    `small` applies the workload's `interpreter` sizes on top of its constants. Whatever the two
    files raise comes out as it is.
    """
    module = load_reference(folder / "reference.py", sizes(workload, small=small))
    inputs, init = draw_inputs(module, workload, device=device, seed=seed)
    reference = construct(module.Model, init, workload, device, seed)
    candidate = construct_candidate(folder, init, workload, device=device, seed=seed)
    share_weights(reference, candidate)
    return Problem(
        reference=reference,
        candidate=candidate,
        inputs=inputs,
        signature=describe([*inputs, *init]),
    )


def sizes(workload: Workload, *, small: bool) -> dict[str, Any]:
    """The constants that the workload replaces, with its `interpreter` ones on top if `small`."""
    return {**workload.constants, **(workload.interpreter if small else {})}


def construct_candidate(
    folder: Path, init: list[Any], workload: Workload, *, device: str, seed: int
) -> torch.nn.Module:
    """`ModelNew` alone, as timing and profiling need it."""
    module = load_candidate(folder / "kernel.py")
    return construct(module.ModelNew, init, workload, device, seed)


def construct(
    factory: Any, init: list[Any], workload: Workload, device: str, seed: int
) -> torch.nn.Module:
    """`Model` or `ModelNew` under `seed`, in the workload's dtype."""
    torch.manual_seed(seed)
    module: torch.nn.Module = factory(*init).to(device=device, dtype=_dtype(workload))
    return module.eval()


def draw_inputs(
    module: ModuleType, workload: Workload, *, device: str, seed: int
) -> tuple[tuple[Any, ...], list[Any]]:
    """The arguments of `forward` and of the constructors, in the workload's dtype and layout."""
    torch.manual_seed(seed)
    with torch.device(device):
        inputs = tuple(_laid_out(value, workload, device) for value in module.get_inputs())
        init = list(module.get_init_inputs())
    return inputs, init


def load_reference(file: Path, constants: Mapping[str, Any]) -> ModuleType:
    """Execute a KernelBench problem with some of its module-level constants replaced.

    The assignments themselves are replaced, so that constants derived from them follow. Raises
    InvalidConfiguration where a constant is not assigned at the module's top level.
    """
    tree = ast.parse(file.read_bytes(), filename=str(file))
    left = dict(constants)
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = {t.id for t in targets if isinstance(t, ast.Name)}
            for name in names & constants.keys():
                statement.value = ast.copy_location(_literal(constants[name]), statement.value)
                left.pop(name, None)
    if left:
        raise InvalidConfiguration(f"{file} has no module-level constant {', '.join(sorted(left))}")
    module = ModuleType(f"gate_reference_{file.parent.name}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    # Without `dont_inherit` this file's own `from __future__` would hold in theirs.
    code = compile(ast.fix_missing_locations(tree), str(file), "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102
    return module


def load_candidate(file: Path) -> ModuleType:
    """Execute a kernel file under a name of its own.

    Compiled from its text: an import would prefer a bytecode file that lies in `__pycache__`, which
    the contract has not read.
    """
    code = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    module = ModuleType(f"gate_candidate_{file.parent.name}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)  # noqa: S102
    return module


def share_weights(reference: torch.nn.Module, candidate: torch.nn.Module) -> None:
    """Copy the reference's weights where every name and shape agrees.

    Where they do not, the same seed drew both, as KernelBench has it.
    """
    theirs, ours = reference.state_dict(), candidate.state_dict()
    if {k: v.shape for k, v in theirs.items()} == {k: v.shape for k, v in ours.items()}:
        candidate.load_state_dict(theirs)


def describe(values: list[Any]) -> tuple[str, ...]:
    """One line a value: dtype, shape and layout of a tensor, the `repr` of anything else."""
    return tuple(_describe(value) for value in values)


def _describe(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        text = repr(value)
        digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
        return text if len(text) <= MAX_DESCRIPTION // 2 else f"{type(value).__name__} {digest}"
    layout = "" if value.is_contiguous() else f" strides {list(value.stride())}"
    return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}{layout}"[:MAX_DESCRIPTION]


def _laid_out(value: Any, workload: Workload, device: str) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    value = value.to(device)
    if value.is_floating_point():
        value = value.to(_dtype(workload))
    if workload.memory_format == "channels_last" and value.dim() == 4:
        return value.contiguous(memory_format=torch.channels_last)
    if workload.memory_format == "non_contiguous" and value.dim() > 0:
        wide = torch.empty(
            (*value.shape[:-1], value.shape[-1] * NON_CONTIGUOUS_STEP),
            dtype=value.dtype,
            device=device,
        )
        view = wide[..., ::NON_CONTIGUOUS_STEP]
        view.copy_(value)
        return view
    return value


def _dtype(workload: Workload) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, workload.dtype)
    return dtype


def _literal(value: Any) -> ast.expr:
    return ast.parse(repr(value), mode="eval").body
