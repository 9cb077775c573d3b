"""The frozen values of a measurement; judging makes those of `verdict.py` of it.

Nothing here does I/O, reads a clock, or imports torch, click or a subprocess. Measurement and what
it holds mirror `schemas/measurement.schema.json`. Durations are nanoseconds and metrics carry
Nsight Compute's full names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """A step that has no figures, and why.

    `not_run` was not attempted (no GPU, not asked for); `failed` was attempted and broke.
    """

    status: Literal["not_run", "failed"]
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken rule of the kernel file's contract, at a line of `kernel.py`."""

    code: str
    line: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    status: Literal["passed", "failed"]
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Correctness:
    """How the kernel's output compared with its reference's, for one workload.

    `unsupported` means that the backend cannot run this kernel (Triton's interpreter has limits):
    neither a pass nor a wrong answer.
    """

    status: Literal["passed", "failed", "crashed", "timed_out", "unsupported", "not_run"]
    backend: Literal["cuda", "interpreter", "none"]
    seed: int | None = None
    max_abs_error: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticLaunch:
    """What the compiler made of one launched specialisation. Sizes are bytes, widths bits.

    `times` is how often one forward call launches it so.
    """

    function: str
    grid: tuple[int, int, int]
    grid_size: int
    threads: int
    registers: int
    stack_bytes: int
    local_bytes: int
    shared_bytes: int
    instructions: int
    widest_global_load_bits: int
    widest_global_store_bits: int
    theoretical_occupancy_pct: float
    occupancy_limit: str
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """Every distinct launch of one forward call, compiled for `target` (such as `sm_89`)."""

    target: str
    launches: tuple[StaticLaunch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSummary:
    """One process's samples: how many, five points of their distribution, the clock under load."""

    count: int
    min_ns: float
    q1_ns: float
    median_ns: float
    q3_ns: float
    max_ns: float
    sm_clock_mhz: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseTiming:
    """The base revision's kernel, timed in turn with the candidate's: same run, method and inputs.

    By it a change of the machine is told apart from a change of the code. `candidate_medians_ns`
    are the candidate's processes that were measured between the base's.
    """

    commit: str
    kernel_sha256: str
    process_medians_ns: tuple[float, ...]
    candidate_medians_ns: tuple[float, ...]


Method = Literal["cuda_graph", "held_queue", "events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """GPU time of one forward call; one median for each fresh process.

    `retaken` counts processes that were measured again because the GPU was throttled meanwhile.
    """

    method: Method
    process_medians_ns: tuple[float, ...]
    samples: tuple[SampleSummary, ...]
    batch: int
    l2_flush_bytes: int
    retaken: int = 0
    base: BaseTiming | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How the `ncu` block was made.

    `launches` counts, for each JIT function, its launches in one forward call; `spread` holds the
    lowest and the highest value seen over `forwards` profiled calls in `processes` processes, and
    `deviation` the relative deviation between calls of the metrics that may gate.
    """

    processes: int
    forwards: int
    launches: Mapping[str, int]
    spread: Mapping[str, Mapping[str, tuple[float, float]]]
    deviation: Mapping[str, Mapping[str, float]]
    clock_control: str
    cache_control: str
    replay_mode: str


RUNTIME = "runtime"
SM_THROUGHPUT = "sm__throughput.avg.pct_of_peak_sustained_elapsed"
DRAM_THROUGHPUT = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
GATED_METRICS = (RUNTIME, SM_THROUGHPUT, DRAM_THROUGHPUT)

NcuBlock = dict[str, dict[str, float]]
"""The seed's shape: JIT function name -> full Nsight Compute metric name -> value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One kernel under one workload.

    `signature` describes the tensors that the reference's `get_inputs` and `get_init_inputs` gave
    (such as `float32[64, 8, 512, 512]`) and `definition` is the digest of what says how the kernel
    is tested (`KernelFolder.definition`). Both are part of a result's identity, so that a workload
    made smaller or a test made laxer is not mistaken for a kernel made better. `gates` names the
    metrics that gate here; the baseline's copy decides.
    """

    kernel: str
    workload: str
    definition: str
    signature: tuple[str, ...]
    gates: tuple[str, ...]
    contract: Contract | NotMeasured
    correctness: Correctness
    static: Static | NotMeasured
    timing: Timing | NotMeasured
    ncu: NcuBlock | NotMeasured
    profile: Profile | None = None


def slug_of(gpu_name: str) -> str:
    """`nvidia-h100-80gb-hbm3`, by which the baselines of a card are kept."""
    return re.sub(r"[^a-z0-9]+", "-", gpu_name.lower()).strip("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    name: str
    uuid: str
    compute_capability: str
    sm_count: int
    l2_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuState:
    """One reading of the card's state through NVML."""

    sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    temperature_c: int | None
    power_w: float | None
    throttle_reasons: tuple[str, ...]
    other_processes: int | None
    power_limit_w: float | None = None
    mig: bool | None = None
    ecc: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Versions that change what is compiled or how it is measured; None where absent."""

    python: str
    torch: str | None
    triton: str | None
    cuda: str | None
    driver: str | None
    ncu: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Fixed work of the gate's own, timed beside the kernels: if it moved, the machine did.

    One median for each fresh process, of a copy (memory) and of a chain of multiply-adds (clock).
    """

    copy_ns: tuple[float, ...]
    compute_ns: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    date: str
    platform: str
    gate: str
    gpu: Gpu | None
    toolchain: Toolchain
    state_before: GpuState | None = None
    state_after: GpuState | None = None
    canary: Canary | None = None


StepName = Literal["contract", "correctness", "static", "timing", "ncu"]
STEPS: tuple[StepName, ...] = ("contract", "correctness", "static", "timing", "ncu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a measurement was asked for: which kernels, by which steps."""

    kernels: tuple[str, ...]
    steps: tuple[StepName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The best value that a baseline ever had for one metric, and where that was."""

    value: float
    commit: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineInfo:
    """Who stored these figures, when, why, of which kernel file.

    `anchors` maps workload -> metric key -> the best value so far.
    """

    commit: str
    date: str
    reason: str
    kernel_sha256: str
    anchors: Mapping[str, Mapping[str, Anchor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Which run a measurement belongs to: that of one head on one base, and of no other."""

    head_sha: str
    base_sha: str
    nonce: str
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured document; a baseline is one with `baseline` set and a single kernel.

    `sources` maps kernel -> SHA-256 of the `kernel.py` that ran, where that is known.
    """

    schema_version: int
    scope: Scope
    environment: Environment
    results: tuple[Result, ...]
    sources: Mapping[str, str] = field(default_factory=dict)
    binding: Binding | None = None
    baseline: BaselineInfo | None = None

    def without_base(self) -> Measurement:
        """The same figures less what was timed in turn, which is evidence for one verdict alone."""
        return replace(self, results=tuple(map(_without_base, self.results)))

    def under(self, toolchain: Toolchain) -> Measurement:
        """The same figures as though of `toolchain`, for whoever compares them all the same."""
        return replace(self, environment=replace(self.environment, toolchain=toolchain))

    def about(self, kernel: str) -> Measurement:
        """The part of it that is about one kernel."""
        known = self.sources.get(kernel)
        return replace(
            self,
            scope=replace(self.scope, kernels=(kernel,)),
            results=tuple(result for result in self.results if result.kernel == kernel),
            sources={kernel: known} if known else {},
        )


def _without_base(result: Result) -> Result:
    if isinstance(result.timing, NotMeasured):
        return result
    return replace(result, timing=replace(result.timing, base=None))
