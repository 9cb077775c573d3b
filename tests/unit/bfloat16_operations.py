"""What bfloat16 kernels compute in Triton's CPU interpreter once the gate has prepared it.

Run by `test_interpreter_bfloat16.py` with TRITON_INTERPRET=1, which Triton reads when it is
imported, in a process of its own. Writes the name of each operation that gives what PyTorch gives;
with `unprepared` as its argument it leaves the interpreter as Triton made it.
"""

import sys
from functools import reduce
from itertools import accumulate
from operator import and_

import torch
import triton
import triton.language as tl

from gate import interpreter


@triton.jit
def elements_kernel(x_ptr, y_ptr, z_ptr, operation: tl.constexpr):
    i = tl.arange(0, 16)
    tl.store(z_ptr + i, operation(tl.load(x_ptr + i), tl.load(y_ptr + i)))


@triton.jit
def matrices_kernel(x_ptr, y_ptr, z_ptr, operation: tl.constexpr):
    i = tl.arange(0, 16)[:, None] * 16 + tl.arange(0, 16)[None, :]
    tl.store(z_ptr + i, operation(tl.load(x_ptr + i), tl.load(y_ptr + i)))


@triton.jit
def added(x, y):
    return x + y


@triton.jit
def subtracted(x, y):
    return x - y


@triton.jit
def multiplied(x, y):
    return x * y


@triton.jit
def divided(x, y):
    return x / y


@triton.jit
def with_constants(x, y):
    return x * 2.0 + 1.0


@triton.jit
def negated(x, y):
    return -x


@triton.jit
def absolute(x, y):
    return tl.abs(x)


@triton.jit
def compared(x, y):
    return tl.where(x > y, x, y)


@triton.jit
def fused(x, y):
    return tl.fma(x, y, x)


@triton.jit
def reduced(x, y):
    return y + tl.sum(x, 0)


@triton.jit
def largest(x, y):
    return y + tl.max(x, 0)


@triton.jit
def scanned(x, y):
    return tl.cumsum(x, 0)


@triton.jit
def add(a, b):
    return a + b


@triton.jit
def scanned_step_by_step(x, y):
    return tl.associative_scan(x, 0, add)


@triton.jit
def common_bits(a, b):
    common = a.to(tl.int16, bitcast=True) & b.to(tl.int16, bitcast=True)
    return common.to(tl.bfloat16, bitcast=True)


@triton.jit
def reduced_by_bits(x, y):
    return y + tl.reduce(x, 0, common_bits)


@triton.jit
def as_integer(x, y):
    return (x * 4.0).to(tl.int32).to(tl.bfloat16)


@triton.jit
def product_of_matrices(x, y):
    return tl.dot(x, y).to(tl.bfloat16)


EXPECTED = {
    added: lambda x, y: x + y,
    subtracted: lambda x, y: x - y,
    multiplied: lambda x, y: x * y,
    divided: lambda x, y: x / y,
    with_constants: lambda x, _: x * 2 + 1,
    negated: lambda x, _: -x,
    absolute: lambda x, _: x.abs(),
    compared: torch.maximum,
    fused: lambda x, y: (x.float() * y.float() + x.float()).bfloat16(),
    reduced: lambda x, y: y + x.float().sum().bfloat16(),
    largest: lambda x, y: y + x.max(),
    scanned: lambda x, _: x.float().cumsum(0).bfloat16(),
    scanned_step_by_step: lambda x, _: torch.stack([*accumulate(x)]),
    reduced_by_bits: lambda x, y: y + reduce(and_, x.view(torch.int16)).view(torch.bfloat16),
    as_integer: lambda x, _: (x * 4).int().bfloat16(),
    product_of_matrices: lambda x, y: (x.float() @ y.float()).bfloat16(),
}
NAMES = [operation.__name__ for operation in EXPECTED]


def main():
    if sys.argv[1:] != ["unprepared"]:
        interpreter.prepare()
    torch.manual_seed(0)
    for operation, expected in EXPECTED.items():
        name = operation.__name__
        matrices = operation is product_of_matrices
        shape = (16, 16) if matrices else (16,)
        x, y = torch.randn(shape).bfloat16(), torch.randn(shape).bfloat16()
        z = torch.full_like(x, float("nan"))
        kernel = matrices_kernel if matrices else elements_kernel
        try:
            kernel[(1,)](x, y, z, operation)
            torch.testing.assert_close(z, expected(x, y))
        except Exception as error:  # noqa: BLE001 - whatever Triton raises, the next one is tried
            sys.stderr.write(f"{name}: {error}\n")
        else:
            sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
