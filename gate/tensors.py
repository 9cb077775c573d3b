"""Tensors as the processes of the correctness step see them: nested, strided, aliased, poisoned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from gate.outputs import MAX_FACT, PLAIN_TENSOR, Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

UNINITIALISED = frozenset(
    ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided")
)
# The byte that makes a NaN of every float8 format with one, and an unlikely int8.
POISON_BYTE = 0x7F
# On either side of a tensor; a multiple of every alignment that a kernel may rely on.
FENCE_BYTES = 4096


class Fences:
    """Memory on either side of tensors, which nobody may write."""

    def __init__(self) -> None:
        self._fenced: list[tuple[torch.Tensor, str]] = []

    def around(self, tensor: torch.Tensor) -> torch.Tensor:
        """One like `tensor`, whose values nobody has written, between fences."""
        size = tensor.untyped_storage().nbytes()
        if tensor.layout != torch.strided or tensor.is_meta or not size:
            return tensor
        flat = torch.full(
            (size + 2 * FENCE_BYTES,), POISON_BYTE, dtype=torch.uint8, device=tensor.device
        )
        name = f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
        self._fenced.append((flat, name))
        inside = flat[FENCE_BYTES:-FENCE_BYTES].view(tensor.dtype)
        return inside.as_strided(tensor.shape, tensor.stride(), inside.storage_offset())

    def broken(self) -> str:
        """Where something was written beside a tensor, in words; empty if nowhere."""
        for flat, name in self._fenced:
            for side, fence in (("before", flat[:FENCE_BYTES]), ("after", flat[-FENCE_BYTES:])):
                touched = int((fence != POISON_BYTE).sum())
                if touched:
                    return f"at least {touched} bytes {side} a tensor {name} that it allocated"
        return ""


class Poison(TorchFunctionMode):
    """Fills what `torch.empty` and its family give: NaN, or the largest integer.

    A kernel that leaves a part of its output unwritten cannot then be right by luck. With `fences`
    one that writes beside its output is seen.
    """

    def __init__(self, fences: Fences | None = None) -> None:
        super().__init__()
        self._fences = fences

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if getattr(func, "__name__", "") in UNINITIALISED and kwargs.get("out") is None:
            made = self._fences.around(made) if self._fences else made
            poison_(made)
        return made


def poison_(tensor: torch.Tensor) -> None:
    if tensor.layout != torch.strided:
        return
    with torch.no_grad():
        if tensor.dtype.itemsize == 1 and tensor.dtype != torch.bool:
            tensor.view(torch.uint8).fill_(POISON_BYTE)
        elif tensor.is_floating_point() or tensor.is_complex():
            tensor.fill_(math.nan)
        else:
            tensor.fill_(1 if tensor.dtype == torch.bool else torch.iinfo(tensor.dtype).max)


def leaves(value: Any) -> Iterator[Any]:
    """What nested tuples and lists hold, in order."""
    if isinstance(value, tuple | list):
        for entry in value:
            yield from leaves(entry)
    else:
        yield value


def tensors(value: Any) -> list[torch.Tensor]:
    """Every tensor in nested tuples, lists and dictionaries, in `map_tensors`' order."""
    found: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    map_tensors(keep, value)
    return found


def map_tensors(change: Callable[[torch.Tensor], torch.Tensor], value: Any) -> Any:
    """The same nesting with every tensor replaced."""
    if isinstance(value, dict):
        return {key: map_tensors(change, entry) for key, entry in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(change, entry) for entry in value))
    if isinstance(value, tuple | list):
        return type(value)(map_tensors(change, entry) for entry in value)
    return change(value) if isinstance(value, torch.Tensor) else value


def memory(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor's storage as flat integers, the gaps between its elements included."""
    storage = tensor.untyped_storage()
    dtype = torch.uint8 if storage.nbytes() % 4 else torch.int32
    return torch.empty(0, dtype=dtype, device=tensor.device).set_(storage)


def scale_(tensor: torch.Tensor, factor: float) -> None:
    """Multiply a whole storage, so that views whose elements overlap are scaled once."""
    storage = tensor.untyped_storage()
    flat = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    flat.set_(storage).mul_(factor)


def fingerprint(tensor: torch.Tensor) -> int:
    """A sum over the elements' bytes: tells apart two draws, not two forgeries."""
    flat = tensor.detach().contiguous().reshape(-1)
    if flat.numel() == 0:
        return 0
    flat = flat.view(torch.uint8)
    return int(flat.view(torch.int32 if flat.numel() % 4 == 0 else torch.uint8).sum())


def facts(value: Any, owned: Mapping[str, list[torch.Tensor]]) -> Facts:
    """Describe one output; `owned` names the tensors whose memory it must not share."""
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if not isinstance(value, torch.Tensor):
        return Facts(type=name, value=repr(value)[:MAX_FACT])
    if type(value) is not torch.Tensor or value.layout != torch.strided:
        layout = "" if type(value) is not torch.Tensor else f" ({value.layout})"
        return Facts(type=name + layout)
    return Facts(
        type=PLAIN_TENSOR,
        device=value.device.type,
        dtype=str(value.dtype).removeprefix("torch."),
        shape=tuple(value.shape),
        strides=value.stride(),
        alias=next((owner for owner, held in owned.items() if _overlaps(value, held)), ""),
    )


def _overlaps(tensor: torch.Tensor, others: list[torch.Tensor]) -> bool:
    start, end = _span(tensor)
    return any(start < theirs[1] and theirs[0] < end for theirs in map(_span, others))


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """The addresses of a tensor's storage: memory seen through another storage overlaps too."""
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.data_ptr() + storage.nbytes()
