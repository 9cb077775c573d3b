"""What bfloat16 kernels compute in Triton's CPU interpreter once the gate has prepared it.

Run by `test_interpreter.py` with TRITON_INTERPRET=1, which Triton reads when it is imported, in a
process of its own. Writes the name of each operation that gives what PyTorch gives; with
`unprepared` as its argument it leaves the interpreter as Triton made it.
"""

import sys

import torch
import triton
import triton.language as tl

from gate import interpreter


@triton.jit
def operations_kernel(x_ptr, y_ptr, z_ptr, NAME: tl.constexpr, SIZE: tl.constexpr):
    i = tl.arange(0, SIZE)
    square = i[:, None] * SIZE + i[None, :]
    if NAME == "product_of_matrices":
        product = tl.dot(tl.load(x_ptr + square), tl.load(y_ptr + square))
        tl.store(z_ptr + square, product.to(tl.bfloat16))
    else:
        x, y = tl.load(x_ptr + i), tl.load(y_ptr + i)
        if NAME == "sum":
            z = x + y
        elif NAME == "difference":
            z = x - y
        elif NAME == "product":
            z = x * y
        elif NAME == "quotient":
            z = x / y
        elif NAME == "constant":
            z = x * 2.0 + 1.0
        elif NAME == "negation":
            z = -x
        elif NAME == "absolute":
            z = tl.abs(x)
        elif NAME == "comparison":
            z = tl.where(x > y, x, y)
        elif NAME == "fused":
            z = tl.fma(x, y, x)
        elif NAME == "reduced":
            z = x * 0.0 + tl.sum(x, 0)
        elif NAME == "largest":
            z = x * 0.0 + tl.max(x, 0)
        elif NAME == "scanned":
            z = tl.cumsum(x, 0)
        elif NAME == "as_integer":
            z = (x * 4.0).to(tl.int32).to(tl.bfloat16)
        tl.store(z_ptr + i, z)


EXPECTED = {
    "sum": lambda x, y: x + y,
    "difference": lambda x, y: x - y,
    "product": lambda x, y: x * y,
    "quotient": lambda x, y: x / y,
    "constant": lambda x, _: x * 2 + 1,
    "negation": lambda x, _: -x,
    "absolute": lambda x, _: x.abs(),
    "comparison": torch.maximum,
    "fused": lambda x, y: (x.float() * y.float() + x.float()).bfloat16(),
    "reduced": lambda x, _: x.float().sum().bfloat16().expand(x.shape),
    "largest": lambda x, _: x.max().expand(x.shape),
    "scanned": lambda x, _: x.float().cumsum(0).bfloat16(),
    "as_integer": lambda x, _: (x * 4).int().bfloat16(),
    "product_of_matrices": lambda x, y: (x.float() @ y.float()).bfloat16(),
}


def main():
    if sys.argv[1:] != ["unprepared"]:
        interpreter.prepare()
    torch.manual_seed(0)
    for name, expected in EXPECTED.items():
        shape = (16, 16) if name == "product_of_matrices" else (16,)
        x, y = torch.randn(shape).bfloat16(), torch.randn(shape).bfloat16()
        z = torch.full_like(x, float("nan"))
        try:
            operations_kernel[(1,)](x, y, z, name, SIZE=16)
            torch.testing.assert_close(z, expected(x, y))
        except Exception as error:  # noqa: BLE001 - whatever Triton raises, the next one is tried
            sys.stderr.write(f"{name}: {error}\n")
        else:
            sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
