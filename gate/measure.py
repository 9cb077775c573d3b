"""Steps 1 to 5: everything that runs or reads the kernels, collected into one measurement."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from gate import correctness, metrics, ncu, static
from gate.clocks import locked_clocks
from gate.config import Config
from gate.contract import check_contract
from gate.environment import (
    driver_version,
    exclusive,
    find_gpu,
    read_environment,
    read_state,
    refuse_busy,
)
from gate.errors import MachineUnfit
from gate.findings import TEST_ONLY
from gate.model import (
    SCHEMA_VERSION,
    STEPS,
    Canary,
    Contract,
    Correctness,
    Environment,
    Gpu,
    Measurement,
    NotMeasured,
    Profile,
    Result,
    Scope,
    Timing,
)
from gate.progress import Progress
from gate.timing_step import TimingStep
from gate.tree import Tree, TreeChanged, private_copies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gate.kernels import KernelFolder, Workload
    from gate.model import NcuBlock, StepName

    Load = Callable[[str], Measurement | None]

GpuMode = Literal["auto", "require", "skip"]
MAX_SEED = 2**32

NOT_BENCHMARKED = NotMeasured(status="not_run", reason=TEST_ONLY, message="it is tested only")
NO_GPU = NotMeasured(status="not_run", reason="no_gpu", message="this machine has no GPU")
SKIPPED = NotMeasured(status="not_run", reason="skipped", message="--gpu skip was given")
INCORRECT = NotMeasured(
    status="not_run", reason="incorrect", message="not run, since the kernel is not correct"
)
CONTRACT_BROKEN = NotMeasured(
    status="not_run", reason="contract_broken", message="not run, since the contract is broken"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one measurement does: on which GPU, or why on none.

    `processes` fixes how many time each workload, None leaves it to the looks; `base` is the commit
    that suspects are measured against.
    """

    gpu: Gpu | None
    no_gpu: NotMeasured
    seed: int
    processes: int | None
    base: str | None = None
    lock_clocks_mhz: int | None = None

    @property
    def steps(self) -> tuple[StepName, ...]:
        return STEPS if self.gpu else ("contract", "correctness", "static")


def make_plan(
    mode: GpuMode,
    *,
    seed: int | None,
    processes: int | None,
    base: str | None = None,
    lock_clocks_mhz: int | None = None,
) -> Plan:
    """Decide before anything runs. Raises MachineUnfit where `require` finds no GPU."""
    gpu = None if mode == "skip" else find_gpu()
    if gpu is None and mode == "require":
        raise MachineUnfit(
            "a GPU is required here and this machine has none",
            hint="gate doctor says what is missing; --gpu skip checks what needs no GPU",
        )
    return Plan(
        gpu=gpu,
        no_gpu=SKIPPED if mode == "skip" else NO_GPU,
        seed=secrets.randbelow(MAX_SEED) if seed is None else seed,
        processes=processes,
        base=base,
        lock_clocks_mhz=lock_clocks_mhz,
    )


def measure(
    folders: Sequence[KernelFolder],
    plan: Plan,
    config: Config,
    progress: Progress,
    stored: Load,
) -> Measurement:
    """Steps 1 to 5 for every workload of `folders`; whatever a candidate does becomes a result.

    `stored` gives a kernel's baseline, by which timing knows when it has enough. Raises
    MachineUnfit where another program uses the GPU.
    """
    with _the_gpu(plan, progress):
        return _measure(folders, plan, config, progress, stored)


@contextmanager
def _the_gpu(plan: Plan, progress: Progress) -> Iterator[None]:
    """The GPU for this gate alone, at the clock that was asked for."""
    with ExitStack() as stack:
        if plan.gpu:
            stack.enter_context(exclusive(plan.gpu, progress.note))
            if plan.lock_clocks_mhz:
                stack.enter_context(locked_clocks(plan.gpu.uuid, plan.lock_clocks_mhz))
        yield


def _measure(
    folders: Sequence[KernelFolder],
    plan: Plan,
    config: Config,
    progress: Progress,
    stored: Load,
) -> Measurement:
    if plan.gpu:
        refuse_busy(plan.gpu)
    ncu_path = ncu.find_ncu() if plan.gpu else None
    environment = read_environment(
        plan.gpu,
        driver=driver_version() if plan.gpu else None,
        ncu=ncu.ncu_version(ncu_path) if ncu_path else None,
    )
    measured: list[Result] = []
    with private_copies(folders) as trees:
        for tree in trees:
            baseline = stored(tree.original.name)
            run = KernelRun(tree, plan, config, progress, ncu_path, environment, baseline)
            measured += run.results()
            environment = replace(environment, canary=environment.canary or run.canary)
    state = read_state(plan.gpu.uuid) if plan.gpu else None
    return Measurement(
        schema_version=SCHEMA_VERSION,
        scope=Scope(kernels=tuple(folder.name for folder in folders), steps=plan.steps),
        environment=replace(environment, state_after=state),
        results=tuple(measured),
        sources={tree.original.name: tree.kernel_sha256 for tree in trees},
    )


@dataclass(slots=True)
class KernelRun:
    """The five steps on one kernel folder, each told what the steps before it found.

    The first kernel that is timed brings the canary's figures along.
    """

    tree: Tree
    plan: Plan
    config: Config
    progress: Progress
    ncu_path: Path | None
    environment: Environment
    stored: Measurement | None
    canary: Canary | None = None

    @property
    def folder(self) -> KernelFolder:
        return self.tree.copy

    def results(self) -> list[Result]:
        try:
            measured = self._results()
        except TreeChanged as changed:
            gap = NotMeasured(status="failed", reason="tree_changed", message=str(changed))
            measured = self._broken(gap)
        return [self._as_told(result) for result in measured]

    def _results(self) -> list[Result]:
        self.tree.refuse_changes("at work on another kernel")
        violations = check_contract(self.folder.source())
        if violations:
            return self._broken(Contract(status="failed", violations=violations))
        benchmarked = [w for w in self.folder.workloads if w.benchmark]
        analysed = self._analyse(benchmarked)
        exceeded = tuple(v for outcome in analysed.values() for v in outcome.violations)
        if exceeded:
            return self._broken(Contract(status="failed", violations=exceeded))
        tested = self._test()
        correct = all(c.status == "passed" for c in tested.values())
        timings, timed = self._time(benchmarked, correct=correct)
        signatures = {name: outcome.signature for name, outcome in analysed.items()} | timed
        profiled = self._profile(benchmarked, timings)
        return [
            Result(
                kernel=self.folder.name,
                workload=w.name,
                definition=self.tree.definitions[w.name],
                signature=signatures.get(w.name, ()),
                gates=self.config.gates if w.gates is None else w.gates,
                contract=Contract(status="passed"),
                correctness=tested[w.name],
                static=analysed[w.name].static if w.benchmark else NOT_BENCHMARKED,
                timing=timings.get(w.name, NOT_BENCHMARKED),
                ncu=profiled[w.name][0] if w.benchmark else NOT_BENCHMARKED,
                profile=profiled[w.name][1] if w.benchmark else None,
            )
            for w in self.folder.workloads
        ]

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        """A step that runs the kernel's code, which has to leave every file as it was."""
        with self.progress.step(f"{self.folder.name}: {what}"):
            yield
        self.tree.refuse_changes(what)

    def _as_told(self, result: Result) -> Result:
        """Messages name the user's files and not the copies that ran."""
        told: dict[str, Any] = {
            name: replace(step, message=self.tree.told(step.message))
            for name in ("correctness", "static", "timing", "ncu")
            if isinstance(step := getattr(result, name), NotMeasured | Correctness)
        }
        return replace(result, **told)

    def _broken(self, contract: Contract | NotMeasured) -> list[Result]:
        """Code that breaks the contract is not run, and what changed meanwhile has no figures."""
        gap = contract if isinstance(contract, NotMeasured) else CONTRACT_BROKEN
        return [
            Result(
                kernel=self.folder.name,
                workload=w.name,
                definition=self.tree.definitions[w.name],
                signature=(),
                gates=self.config.gates if w.gates is None else w.gates,
                contract=contract,
                correctness=Correctness(status="not_run", backend="none", message=gap.message),
                static=gap,
                timing=gap,
                ncu=gap,
            )
            for w in self.folder.workloads
        ]

    def _analyse(self, benchmarked: Sequence[Workload]) -> dict[str, static.StaticOutcome]:
        target = self.config.target
        if self.plan.gpu:
            target = "sm_" + self.plan.gpu.compute_capability.replace(".", "")
        with self._step(f"compiling for {target}"):
            return static.analyse(
                self.folder,
                benchmarked,
                target=target,
                timeout_s=self.config.correctness_timeout_s,
            )

    def _test(self) -> dict[str, Correctness]:
        device: Literal["cuda", "interpreter"] = "cuda" if self.plan.gpu else "interpreter"
        with self._step(f"testing on {device}"):
            return correctness.run_tests(
                self.folder,
                self.folder.workloads,
                device=device,
                seed=self.plan.seed,
                timeout_s=self.config.correctness_timeout_s,
            )

    def _time(
        self, benchmarked: Sequence[Workload], *, correct: bool
    ) -> tuple[dict[str, Timing | NotMeasured], dict[str, tuple[str, ...]]]:
        if self.plan.gpu is None or not correct or not benchmarked:
            gap = INCORRECT if self.plan.gpu else self.plan.no_gpu
            return {w.name: gap for w in benchmarked}, {}
        step = TimingStep(
            gpu=self.plan.gpu,
            config=self.config,
            environment=self.environment,
            stored=self.stored,
            processes=self.plan.processes,
            base=self.plan.base,
            seed=self.plan.seed,
        )
        with self._step("timing"):
            sampled = step.run(
                self.folder,
                benchmarked,
                canary=self.environment.canary is None,
                say=lambda what: self.progress.note(f"{self.folder.name}: {what}"),
            )
        self.canary = sampled.canary
        return sampled.timings, sampled.signatures

    def _profile(
        self, benchmarked: Sequence[Workload], timings: dict[str, Timing | NotMeasured]
    ) -> dict[str, tuple[NcuBlock | NotMeasured, Profile | None]]:
        """Only what could be timed is profiled: the rest keeps the reason that timing gave."""
        found: dict[str, tuple[NcuBlock | NotMeasured, Profile | None]] = {}
        forwards = {}
        for name, timing in timings.items():
            if isinstance(timing, NotMeasured):
                found[name] = (timing, None)
            else:
                forwards[name] = metrics.forwards(median(timing.process_medians_ns))
        timed = [w for w in benchmarked if w.name in forwards]
        if self.ncu_path is None or not timed:
            return found | {w.name: (NCU_MISSING, None) for w in timed}
        with self._step("profiling with ncu"):
            outcomes = ncu.profile(
                self.folder,
                timed,
                ncu=self.ncu_path,
                processes=metrics.PROCESSES,
                forwards=forwards,
                seed=self.plan.seed,
                timeout_s=self.config.ncu_timeout_s,
            )
        return found | {name: (outcome.ncu, outcome.profile) for name, outcome in outcomes.items()}


NCU_MISSING = NotMeasured(
    status="failed",
    reason="ncu_missing",
    message="Nsight Compute (ncu) was not found; gate doctor says where it is looked for",
)
