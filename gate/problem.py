"""Builds what a worker runs: the reference, the candidate, their inputs. Executes untrusted code.

Imported by workers only, each a process of its own: this module imports torch, and the files that
it loads may do anything.
"""

from __future__ import annotations

import hashlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

from gate import reference
from gate.errors import InvalidConfiguration
from gate.tensors import map_tensors, tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gate.kernels import Workload

# Every other element of a tensor twice as wide: the plainest layout that is not contiguous.
NON_CONTIGUOUS_STEP = 2
# The dimensions that each format is for.
CHANNELS_LAST = {"channels_last": 4, "channels_last_3d": 5}
MAX_DESCRIPTION = 200


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
        given = tuple(module.get_inputs())
        inputs = map_tensors(lambda tensor: _laid_out(tensor, workload, device), given)
        init = list(module.get_init_inputs())
    _refuse_without_effect(inputs, workload)
    return inputs, init


def load_reference(
    file: Path, constants: Mapping[str, Any], source: bytes | None = None
) -> ModuleType:
    """Execute a KernelBench problem with some of its module-level constants replaced.

    `source` is executed in place of what `file` holds by now. Raises InvalidConfiguration for what
    `gate.reference` finds wrong with it.
    """
    tree = reference.parse(file.read_bytes() if source is None else source, file)
    reference.check(tree, file, constants)
    reference.replace_constants(tree, constants)
    module = ModuleType(f"gate_reference_{file.parent.name}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    # Without `dont_inherit` this file's own `from __future__` would hold in theirs.
    code = compile(tree, str(file), "exec", dont_inherit=True)
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
    """One line a value: structure, dtype, shape and layout of tensors, the `repr` of numbers.

    A line is the same in every run, whatever the tensors hold and wherever objects lie.
    """
    return tuple(map(_shortened, map(_describe, values)))


def _shortened(text: str) -> str:
    if len(text) <= MAX_DESCRIPTION:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    return f"{text[: MAX_DESCRIPTION - len(digest) - 1]} {digest}"


def _describe(value: Any) -> str:
    match value:
        case torch.Tensor():
            layout = "" if value.is_contiguous() else f" strides {list(value.stride())}"
            return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}{layout}"
        case dict():
            entries = (f"{_describe(key)}: {_describe(entry)}" for key, entry in value.items())
            return f"{{{', '.join(entries)}}}"
        case list() | tuple():
            name = "" if type(value) is list else type(value).__name__
            return f"{name}[{', '.join(map(_describe, value))}]"
        case None | bool() | int() | float() | complex() | str() | bytes() | torch.dtype():
            return repr(value)
    return type(value).__qualname__


def _laid_out(value: Any, workload: Workload, device: str) -> Any:
    value = value.to(device)
    if value.is_floating_point():
        value = value.to(_dtype(workload))
    if value.dim() == CHANNELS_LAST.get(workload.memory_format):
        return value.contiguous(memory_format=getattr(torch, workload.memory_format))
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


def _refuse_without_effect(inputs: Sequence[Any], workload: Workload) -> None:
    """A memory format that no input has would test the plain layout under another name."""
    dimensions = CHANNELS_LAST.get(workload.memory_format)
    if dimensions and all(tensor.dim() != dimensions for tensor in tensors(inputs)):
        raise InvalidConfiguration(
            f'workload {workload.name}: memory_format = "{workload.memory_format}" is for inputs '
            f"of {dimensions} dimensions, and get_inputs() gives none"
        )


def _dtype(workload: Workload) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, workload.dtype)
    return dtype
