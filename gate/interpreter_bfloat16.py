"""bfloat16 in Triton's CPU interpreter, which keeps it as uint16 and computes with its bits.

A sum of two such tensors is noise there, and a kernel would be blamed for it; Triton's developers
call it not supported: https://github.com/triton-lang/triton/issues/11584. Here arithmetic,
comparisons and casts are made in float32 and rounded to the nearest, which for a sum, a product or
a quotient is what a GPU gives; `tl.sum` and its like are rounded once. What a block pointer pads
with NaN is still 0. Triton is imported by the caller, since `TRITON_INTERPRET` must be set before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

# What all element-wise operations are made of, and those that are made of none of these.
OPERATIONS = ("binary_op", "unary_op", "ternary_op", "create_fma", "create_rsqrt", "create_erf")
# What numpy reduces at once; other combinations are made of operations, element by element.
REDUCTIONS, SCANS = ("sum", "min_max"), ("cumsum", "cumprod")


def teach(interpreter: Any) -> None:
    """Have the module `triton.runtime.interpreter` compute bfloat16 as such."""
    builder, language = interpreter.InterpreterBuilder, interpreter.tl
    types = _Types(interpreter.TensorHandle, language.bfloat16, language.float32)
    for name in OPERATIONS:
        setattr(builder, name, types.widened(getattr(builder, name)))
    builder.create_dot = types.widened_product(builder.create_dot)
    builder.cast_impl = types.cast_through_float32(builder.cast_impl)
    builder.get_bf16 = lambda _, value: types.narrow(
        interpreter.TensorHandle(np.array([value], dtype=np.float32), language.float32)
    )
    for each, names in ((interpreter.ReduceOps, REDUCTIONS), (interpreter.ScanOps, SCANS)):
        for name in names:
            setattr(each, name, types.widened_reduction(getattr(each, name), language.tensor))


class _Types:
    """Triton's classes of a value and its two types."""

    def __init__(self, handle: Any, bfloat16: Any, float32: Any) -> None:
        self.handle, self.bfloat16, self.float32 = handle, bfloat16, float32

    def is_narrow(self, value: Any) -> bool:
        return isinstance(value, self.handle) and value.dtype.scalar == self.bfloat16

    def widen(self, value: Any) -> Any:
        """A bfloat16 value as float32; any other as it is."""
        if not self.is_narrow(value):
            return value
        return self.handle((value.data.astype(np.uint32) << 16).view(np.float32), self.float32)

    def narrow(self, value: Any) -> Any:
        """A float32 value as bfloat16, rounded to the nearest."""
        numbers = torch.from_numpy(np.array(value.data, dtype=np.float32))
        bits = numbers.bfloat16().view(torch.int16).numpy().view(np.uint16)
        return self.handle(bits, self.bfloat16)

    def widened(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def operate(builder: Any, *given: Any) -> Any:
            result = operation(builder, *map(self.widen, given))
            # A comparison's result is no number.
            rounds = any(map(self.is_narrow, given)) and result.data.dtype == np.float32
            return self.narrow(result) if rounds else result

        return operate

    def widened_product(self, dot: Callable[..., Any]) -> Callable[..., Any]:
        def multiply(builder: Any, a: Any, b: Any, added: Any, *how: Any) -> Any:
            result = dot(builder, *map(self.widen, (a, b, added)), *how)
            return self.narrow(result) if self.is_narrow(added) else result

        return multiply

    def cast_through_float32(self, cast: Callable[..., Any]) -> Callable[..., Any]:
        def convert(builder: Any, value: Any, to: Any) -> Any:
            if to.scalar == self.bfloat16:
                return self.narrow(cast(builder, self.widen(value), self.float32))
            return cast(builder, self.widen(value), to)

        return convert

    def widened_reduction(self, reduction: Callable[..., Any], tensor: Any) -> Callable[..., Any]:
        def retyped(value: Any, convert: Callable[[Any], Any], to: Any) -> Any:
            return tensor(convert(value.handle), value.type.with_element_ty(to))

        def reduce(operation: Any, given: Any, *how: Any, **named: Any) -> Any:
            if not self.is_narrow(given.handle):
                return reduction(operation, given, *how, **named)
            wide = retyped(given, self.widen, self.float32)
            results = reduction(operation, wide, *how, **named)
            several = isinstance(results, tuple | list)
            back = [
                retyped(each, self.narrow, self.bfloat16) if each.dtype == self.float32 else each
                for each in (results if several else [results])
            ]
            return type(results)(back) if several else back[0]

        return reduce
