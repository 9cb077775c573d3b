"""Compares values: a kernel's output with what the float64 reference gave, in bounded memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gate.tolerances import Tolerance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Elements compared at a time: 128 MiB in float64, a few times over.
CHUNK = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How many values are wrong and, at the one most beyond its tolerance, what was there.

    `max_rel_error` is relative to what is not zero; `wrong_zeros` where zero is expected.
    """

    wrong: int
    total: int
    index: tuple[int, ...]
    got: complex
    expected: complex
    allowed: float
    max_abs_error: float
    max_rel_error: float
    wrong_zeros: bool

    def sentence(self) -> str:
        text = (
            f"{self.wrong:,} of {self.total:,} values differ, most at {list(self.index)}: "
            f"got {_shown(self.got)}, expected {_shown(self.expected)}, "
            f"allowed error {self.allowed:.3g}; max abs error {self.max_abs_error:.3g}, "
            f"max rel error {self.max_rel_error:.3g}"
            f"{' where zero is not expected' if self.wrong_zeros else ''}"
        )
        if _is_nan(self.expected):
            return f"{text}; the reference itself gives NaN there, which proves nothing"
        if _is_nan(self.got):
            return f"{text}; memory that nobody has written yet holds NaN here"
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A chunk's share of a Difference; `excess` is the largest error in units of its tolerance."""

    wrong: int
    excess: float
    place: int
    allowed: float
    max_abs_error: float
    max_rel_error: float
    wrong_zeros: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What makes an element wrong; `scale` is the root mean square of the expected ones."""

    tolerance: Tolerance
    scale: float

    def allowed(self, expected: torch.Tensor) -> torch.Tensor:
        allowed = self.tolerance.atol * self.scale + self.tolerance.rtol * _size(expected)
        return allowed.masked_fill(expected.isinf(), 0.0)


def difference(
    got: torch.Tensor, exact: torch.Tensor, rounded: torch.Tensor, tolerance: Tolerance
) -> Difference:
    """Compare `got`, flat and in its own dtype, with `exact`, of which one element at least.

    NaN never agrees. Integers must be equal to those of `exact` or of `rounded`, the reference in
    the workload's dtype, where rounding may turn an index.
    """
    flat, other = exact.reshape(-1), rounded.reshape(-1)
    rule = _Rule(tolerance=tolerance, scale=rms(exact) if _is_inexact(exact) else 0.0)
    parts = [
        _compare(chunk.start, got[chunk].to(flat.device), flat[chunk], other[chunk], rule)
        for chunk in _chunks(flat.numel())
    ]
    worst = max(parts, key=lambda part: part.excess)
    return Difference(
        wrong=sum(part.wrong for part in parts),
        total=flat.numel(),
        index=_position(worst.place, exact.shape),
        got=got[worst.place].item(),
        expected=flat[worst.place].item(),
        allowed=worst.allowed,
        max_abs_error=max(part.max_abs_error for part in parts),
        max_rel_error=max(part.max_rel_error for part in parts),
        wrong_zeros=any(part.wrong_zeros for part in parts),
    )


def rms(tensor: torch.Tensor) -> float:
    """The root mean square of the finite elements."""
    total, count = 0.0, 0
    flat = tensor.reshape(-1)
    for chunk in _chunks(flat.numel()):
        size = _size(flat[chunk])
        finite = size[size.isfinite()]
        total += float(finite.square().sum())
        count += finite.numel()
    return math.sqrt(total / count) if count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Where the values of one output lay, over one call or several; `allowed` is their error."""

    low: float
    high: float
    allowed: float
    count: int

    @property
    def is_constant(self) -> bool:
        """Whether one number would pass for every value."""
        return self.low == self.high or self.high - self.low <= 2 * self.allowed

    def joined(self, other: Range) -> Range:
        return Range(
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            allowed=min(self.allowed, other.allowed),
            count=self.count + other.count,
        )


def value_range(exact: torch.Tensor, tolerance: Tolerance) -> Range:
    """The range of an output of one element at least; of a complex one, of both of its parts."""
    share = tolerance.atol + tolerance.rtol if _is_inexact(exact) else 0.0
    flat = exact.reshape(-1)
    extremes = [_sortable(flat[chunk]).aminmax() for chunk in _chunks(flat.numel())]
    return Range(
        low=min(low.item() for low, _ in extremes),
        high=max(high.item() for _, high in extremes),
        allowed=share * rms(exact),
        count=exact.numel(),
    )


def _sortable(tensor: torch.Tensor) -> torch.Tensor:
    """The same values in a dtype that has a smallest one; `aminmax` lacks unsigned integers."""
    if tensor.is_complex():
        return torch.view_as_real(tensor.resolve_conj())
    return tensor if tensor.is_floating_point() else tensor.to(torch.int64)


def _compare(
    start: int, got: torch.Tensor, expected: torch.Tensor, rounded: torch.Tensor, rule: _Rule
) -> _Part:
    if _is_inexact(expected):
        error, allowed, wrong = _inexact(got, _as_held_by(got.dtype, expected), rule)
    else:
        error, allowed, wrong = _exact(got, expected, rounded)
    excess = _nan_is_worst(torch.where(wrong, error / allowed, 0.0))
    place = int(excess.argmax())
    zero = expected == 0
    relative = torch.where((error == 0.0) | zero, 0.0, error / _size(expected))
    return _Part(
        wrong=int(wrong.sum()),
        excess=float(excess[place]),
        place=start + place,
        allowed=float(allowed[place]),
        max_abs_error=float(_nan_is_worst(error).max()),
        max_rel_error=float(_nan_is_worst(relative).max()),
        wrong_zeros=bool((wrong & zero).any()),
    )


def _inexact(
    got: torch.Tensor, expected: torch.Tensor, rule: _Rule
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Error, allowed error, and what is wrong. Comparisons with NaN are false: it stays wrong."""
    actual, allowed = got.to(expected.dtype), rule.allowed(expected)
    equal = actual == expected  # infinities, whose difference is NaN
    error = torch.where(equal, 0.0, (actual - expected).abs())
    return error, allowed, ~equal & ~(error <= allowed)


def _exact(
    got: torch.Tensor, expected: torch.Tensor, rounded: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same for integers, where only the error passes through float64."""
    wrong = (got != expected) & (got != rounded)
    error = torch.where(wrong, (got.to(torch.float64) - expected.to(torch.float64)).abs(), 0.0)
    return error, torch.zeros_like(error), wrong


def _size(tensor: torch.Tensor) -> torch.Tensor:
    """Absolute values in float64; `abs` lacks booleans."""
    return tensor.abs() if tensor.is_complex() else tensor.to(torch.float64).abs()


def _is_inexact(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _as_held_by(dtype: torch.dtype, exact: torch.Tensor) -> torch.Tensor:
    """An answer beyond the largest number of `dtype` is an infinity there."""
    held = exact.to(dtype).to(exact.dtype)
    return torch.where(held.isinf(), held, exact)


def _nan_is_worst(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.nan_to_num(nan=math.inf, posinf=math.inf)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK) for start in range(0, count, CHUNK))


def _position(place: int, shape: Sequence[int]) -> tuple[int, ...]:
    index: list[int] = []
    for extent in reversed(shape):
        place, last = divmod(place, extent)
        index.insert(0, last)
    return tuple(index)


def _shown(value: complex) -> str:
    return f"{value:.9g}" if isinstance(value, float | complex) else str(value)


def _is_nan(value: complex) -> bool:
    return value != value  # noqa: PLR0124 - also for complex numbers, which math.isnan refuses
