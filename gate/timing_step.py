"""The glue of the timing step: what the stored baseline and the base revision mean for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gate import timing
from gate.config import Config
from gate.git import base_kernel
from gate.judge import other_tools
from gate.model import Environment, Gpu, Measurement, Timing
from gate.runtime import machine_moved
from gate.sampling import Base, Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.git import BaseKernel
    from gate.kernels import KernelFolder, Workload
    from gate.model import Canary
    from gate.sampling import Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingStep:
    """Times one kernel folder on `gpu`.

    `processes` fixes how many; else the looks decide by `stored`, the kernel's baseline. `base` is
    the commit whose kernel a suspect is measured against.
    """

    gpu: Gpu
    config: Config
    environment: Environment
    stored: Measurement | None
    processes: int | None
    base: str | None
    seed: int

    def run(
        self,
        folder: KernelFolder,
        workloads: Sequence[Workload],
        *,
        canary: bool,
        say: Callable[[str], None],
    ) -> Sampled:
        base = self._base_kernel(folder)
        return timing.measure(
            folder,
            workloads,
            gpu=self.gpu,
            rules=self._rules(base),
            base=base,
            seed=self.seed,
            timeout_s=self.config.timing_timeout_s,
            canary=canary,
            moved=self._moved,
            say=say,
        )

    def _base_kernel(self, folder: KernelFolder) -> BaseKernel | None:
        if self.base is None:
            return None
        file = self.config.kernels / folder.name / folder.kernel_file.name
        # Git knows a file by where it lies, and not by the links that lead there.
        return base_kernel(self.config.root, self.base, file.resolve())

    def _rules(self, base: BaseKernel | None) -> Rules:
        stored = self.stored.results if self.stored else ()
        other, canary = self._other_toolchain(), self.environment.canary
        timings = {r.workload: r.timing for r in stored if isinstance(r.timing, Timing)}
        return Rules(
            stored={} if other else timings,
            floor=self.config.runtime_tolerance,
            processes=self.processes,
            base=Base(commit=base.commit, kernel_sha256=base.sha256) if base else None,
            suspect=other or (self._moved(canary) if canary else ""),
        )

    def _other_toolchain(self) -> str:
        """Figures of another toolchain decide nothing; the base revision's kernel may."""
        if self.stored is None:
            return ""
        return ", ".join(other_tools(self.stored.environment, self.environment, ()))

    def _moved(self, canary: Canary) -> str:
        if self.stored is None:
            return ""
        return machine_moved(self.stored.environment, replace(self.environment, canary=canary))
