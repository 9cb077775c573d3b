"""How far a kernel's output may lie from its float64 reference, by dtype.

Element i passes where |got - expected| <= rtol * |expected| + atol * rms(expected). The root mean
square makes `atol` free of units, so that the same bound holds for inputs a thousand times larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate.kernels import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    rtol: float
    atol: float


# torch.testing.assert_close (1e-3, 1.6e-2, 1.3e-6 and 1e-7 in this order) compares results of one
# dtype; here the reference is exact, so the bound is what honest arithmetic in the dtype errs by:
# - float16 and bfloat16 are summed in float32 and rounded once or twice: two machine epsilons;
# - float32 errs by about sqrt(K) * 6e-8 for sums of K terms, 1e-5 at K = 2^16; arithmetic in TF32
#   or float16 errs by 2e-4 and more, and is not float32;
# - float64 errs by less than 1e-12, arithmetic in float32 by 6e-8.
BY_DTYPE = {
    "float16": Tolerance(rtol=2e-3, atol=2e-3),
    "bfloat16": Tolerance(rtol=1.6e-2, atol=1.6e-2),
    "float32": Tolerance(rtol=2e-5, atol=2e-5),
    "float64": Tolerance(rtol=1e-10, atol=1e-10),
}


def tolerance_for(workload: Workload, output_dtype: str) -> Tolerance:
    """The looser of the workload's and the output's dtype; the workload's own figures come first.

    An output of another kind (complex, float8) is held to the workload's dtype.
    """
    own = BY_DTYPE[workload.dtype]
    default = max(own, BY_DTYPE.get(output_dtype, own), key=lambda tolerance: tolerance.rtol)
    return Tolerance(
        rtol=default.rtol if workload.rtol is None else workload.rtol,
        atol=default.atol if workload.atol is None else workload.atol,
    )
