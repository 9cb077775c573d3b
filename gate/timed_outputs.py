"""Whether what was computed while it was timed is what the same call computes otherwise."""

from __future__ import annotations

from typing import Any

import torch

from gate.tensors import poison_, tensors

# Two runs of one kernel differ by the order of its atomics at most: a few units in the last place
# of the largest values. The bound only has to tell a skipped call from a made one.
RELATIVE = {torch.float64: 1e-6, torch.float32: 1e-3}
RELATIVE_HALF = 5e-2
# Elements compared at a time: a few temporaries of this size and no more.
CHUNK = 2**24


def poison(outputs: Any) -> None:
    """Overwrite every tensor among `outputs` with NaN or the largest integer."""
    for tensor in tensors(outputs):
        poison_(tensor)


def disagreement(timed: Any, apart: Any) -> str:
    """How the outputs of a timed call differ from those of a call apart, in words; empty if not."""
    ours, theirs = tensors(timed), tensors(apart)
    if [t.shape for t in ours] != [t.shape for t in theirs]:
        return "a timed call gives tensors of other shapes than a call apart"
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one.numel() and one.data_ptr() == other.data_ptr():
            return f"output {number} of a timed call is the very memory of another call's"
        if not _agree(one, other):
            return f"output {number} of a timed call is not what a call apart computes"
    return ""


def unmoved(before: Any, after: Any) -> bool:
    """Whether no floating-point output has another value than before; poison counts as none."""
    pairs = zip(tensors(before), tensors(after), strict=True)
    held = [(a, b) for a, b in pairs if b.is_floating_point() and b.numel()]
    return bool(held) and all(torch.equal(a, b) or bool(b.isnan().all()) for a, b in held)


def _agree(one: torch.Tensor, other: torch.Tensor) -> bool:
    pairs = zip(_chunks(one), _chunks(other), strict=True)
    if not one.is_floating_point():
        return all(torch.equal(a, b) for a, b in pairs)
    relative = RELATIVE.get(one.dtype, RELATIVE_HALF)
    scale = other.abs().nan_to_num(0.0, 0.0, 0.0).amax().item() if other.numel() else 0.0
    return all(
        torch.allclose(a, b, rtol=relative, atol=relative * scale, equal_nan=True) for a, b in pairs
    )


def _chunks(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.split(tensor.reshape(-1), CHUNK)
