"""What correctness is asked: one kernel under one workload, tried on several inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from gate.kernels import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

Device = Literal["cuda", "interpreter"]
DEVICES: tuple[Device, ...] = get_args(Device)
SEEDS = 2**32

LARGE_SCALE = 1000.0
# float16 ends at 65,504: a thousandfold input would overflow in honest kernels.
LARGE_SCALE_FLOAT16 = 64.0

LEAST_UNCHECKED, MOST_UNCHECKED = 4, 16


def unchecked_calls(seed: int, device: Device) -> int:
    """As many as a kernel cannot know; none where the interpreter takes long for each."""
    if device == "interpreter":
        return 0
    return LEAST_UNCHECKED + seed % (MOST_UNCHECKED - LEAST_UNCHECKED + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call of the kernel: inputs drawn from `seed`, floating ones multiplied by `scale`.

    `unchecked` further calls, with the inputs of the last one, come before it. `where` ends a
    sentence about a fault that only this call showed.
    """

    seed: int
    scale: float = 1.0
    unchecked: int = 0
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A kernel's folder (absolute), its workload, where it runs, and the seed of this run.

    `reference` is what reference.py held before any kernel ran, which could rewrite it.
    """

    folder: Path
    reference: bytes
    workload: Workload
    device: Device
    seed: int

    @property
    def torch_device(self) -> str:
        return "cuda" if self.device == "cuda" else "cpu"

    @property
    def small(self) -> bool:
        return self.device == "interpreter"

    def cases(self) -> tuple[Case, ...]:
        """Calls of one process in order, all on the same input tensors refilled.

        The second shows what was kept from the first, and work that is done in the first calls
        only; the third shows narrow number formats, absolute constants and overflow.
        """
        again, large = (self.seed + 1) % SEEDS, (self.seed + 2) % SEEDS
        scale = LARGE_SCALE_FLOAT16 if self.workload.dtype == "float16" else LARGE_SCALE
        return (
            Case(seed=self.seed),
            Case(
                seed=again,
                unchecked=unchecked_calls(self.seed, self.device),
                where=" on a later call, with fresh inputs in the same memory",
            ),
            Case(seed=large, scale=scale, where=f" with inputs {scale:g} times as large"),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "reference": self.reference.decode("latin-1"),  # JSON has no bytes
            "workload": self.workload.to_json(),
            "device": self.device,
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Trial:
        return cls(
            folder=Path(plain["folder"]),
            reference=plain["reference"].encode("latin-1"),
            workload=Workload.from_json(plain["workload"]),
            device=plain["device"],
            seed=plain["seed"],
        )
