"""What whoever judges knows of a measurement beforehand: which run it is of, on which card. Pure.

A measurement of another commit, run or card may be sound and proves nothing here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from gate.errors import ExitCode
from gate.findings import of_kernel
from gate.model import Binding, slug_of
from gate.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.model import Measurement
    from gate.verdict import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """None where nothing is expected; `gpu` is a card's name or its baselines' folder."""

    binding: Binding | None = None
    gpu: str | None = None


NOTHING = Expected()


def unexpected(measurement: Measurement, expected: Expected) -> Iterator[Finding]:
    """A finding for each kernel of the scope and each thing that is not as expected."""
    binding = _other_binding(measurement.binding, expected.binding)
    gpu = _other_gpu(measurement, expected.gpu)
    for kernel in measurement.scope.kernels:
        if binding:
            step = "measure again in this run, with --binding"
            yield of_kernel(kernel, "binding", binding, ExitCode.INVALID, next_step=step)
        if gpu:
            step = "measure on the card that is expected"
            yield of_kernel(kernel, "gpu", gpu, ExitCode.ENVIRONMENT, next_step=step)


def _other_binding(ours: Binding | None, expected: Binding | None) -> Reason | None:
    if expected is None or ours == expected:
        return None
    if ours is None:
        return Reason(code="other_binding", message="the measurement does not say of which run")
    said, known = asdict(ours), asdict(expected)
    differences = (f"{k} {said[k]}, not {known[k]}" for k in known if said[k] != known[k])
    return Reason(
        code="other_binding", message=f"the measurement is of another run: {'; '.join(differences)}"
    )


def _other_gpu(measurement: Measurement, expected: str | None) -> Reason | None:
    gpu = measurement.environment.gpu
    if expected is None or (gpu and slug_of(gpu.name) == slug_of(expected)):
        return None
    ours = gpu.name if gpu else "no GPU"
    return Reason(code="other_gpu", message=f"it was measured on {ours}, and not on {expected}")
