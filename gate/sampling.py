"""How often each workload is timed, in which order, and when that is enough. No I/O of its own.

Fresh processes come in looks (`gate.sequential`). Where a look leaves a suspect, the base
revision's kernel is timed in turn with the candidate's, in random order, by the same looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from gate.compare import status_of
from gate.model import RUNTIME, BaseTiming, Canary, Method, NotMeasured, SampleSummary, Timing
from gate.runtime import compare_in_turn, compare_with_stored
from gate.sequential import LOOKS, next_look
from gate.stats import log_deviation

if TYPE_CHECKING:
    import random

    from gate.verdict import Comparison

Arm = Literal["candidate", "base", "canary"]
CANARY = ""  # no workload has this name
METHODS: tuple[Method, ...] = ("cuda_graph", "held_queue", "events")
# A card that throttles this often is not going to stop.
MAX_RETAKEN = 6
# Few enough to cost little; where the canary is noisier than it ever was on a machine in order, as
# many more as still show one that moved by a tenth.
CANARY_PROCESSES = 3
NOISY_CANARY = 0.001
NOISY_CANARY_PROCESSES = 8
# Without a stored baseline there is nothing to decide: enough for an interval.
UNDECIDED_PROCESSES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One fresh process: which code, under which workload, timed how."""

    workload: str
    arm: Arm
    method: Method


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedProcess:
    """What one fresh process says; `medians_ns` and `samples_ns` by the name of what it timed."""

    signature: tuple[str, ...]
    medians_ns: Mapping[str, float]
    summary: SampleSummary
    batch: int
    l2_flush_bytes: int
    throttled: tuple[str, ...] = ()
    samples_ns: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A process without figures: `reason` is `method` where another method may work."""

    reason: str
    message: str


Take = Callable[[Order], TimedProcess | Lost]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The base revision's kernel file, as far as a timing names it."""

    commit: str
    kernel_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decides how long to go on.

    `stored` holds the baseline's timings by workload; `processes` fixes their number instead;
    `suspect` says why every workload is one from the start (another toolchain, a machine that
    moved), or is empty.
    """

    stored: Mapping[str, Timing]
    floor: float
    processes: int | None = None
    base: Base | None = None
    suspect: str = ""


@dataclass(slots=True)
class _State:
    """One workload on its way to a timing."""

    method: Method = METHODS[0]
    taken: dict[Arm, list[TimedProcess]] = field(default_factory=dict)
    in_turn: dict[Arm, list[TimedProcess]] = field(default_factory=dict)
    retaken: int = 0
    gap: NotMeasured | None = None
    base_gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    timings: dict[str, Timing | NotMeasured]
    signatures: dict[str, tuple[str, ...]]
    canary: Canary | None


class Sampler:
    """Runs the looks. `say` is told what goes on, `overdue` whether time is up."""

    def __init__(
        self,
        take: Take,
        rules: Rules,
        *,
        order: random.Random,
        say: Callable[[str], None] = lambda _: None,
        overdue: Callable[[], bool] = lambda: False,
    ) -> None:
        self._take, self._rules, self._order = take, rules, order
        self._say, self._overdue = say, overdue
        self._states: dict[str, _State] = {}

    def run(
        self, workloads: Sequence[str], *, canary: bool, moved: Callable[[Canary], str]
    ) -> Sampled:
        """Time `workloads`; `moved` says whether a canary's figures suspect all of them."""
        self._states = {name: _State() for name in workloads}
        if canary:
            self._states[CANARY] = _State()
        self._look({name: self._first_look(name) for name in self._states})
        seen = self._canary()
        if seen and max(map(log_deviation, (seen.copy_ns, seen.compute_ns))) > NOISY_CANARY:
            self._look({CANARY: NOISY_CANARY_PROCESSES})
            seen = self._canary()
        while undecided := self._undecided(workloads):
            self._look(undecided)
        suspicious = self._rules.suspect or (moved(seen) if seen else "")
        self._confirm([name for name in workloads if suspicious or self._suspect(name)])
        return Sampled(
            timings={name: self._timing(name) for name in workloads},
            signatures={
                name: state.taken["candidate"][0].signature
                for name, state in self._states.items()
                if state.taken.get("candidate")
            },
            canary=seen,
        )

    # ------------------------------------------------------------------------------ looks

    def _first_look(self, name: str) -> int:
        if name == CANARY:
            return CANARY_PROCESSES
        known = LOOKS[0] if name in self._rules.stored else UNDECIDED_PROCESSES
        return self._rules.processes or known

    def _undecided(self, workloads: Sequence[str]) -> dict[str, int]:
        """The workloads that the next look may decide, with their number of processes then."""
        if self._rules.processes or self._overdue():
            return {}
        looks = {
            name: next_look(len(self._states[name].taken.get("candidate", ())))
            for name in workloads
            if self._states[name].gap is None and self._status(name) == "inconclusive"
        }
        return {name: look for name, look in looks.items() if look}

    def _look(self, wanted: Mapping[str, int]) -> None:
        """Take processes until each workload has as many as wanted, or cannot be timed."""
        self._say(f"{max(wanted.values())} fresh processes of {_listed(wanted)}")
        while orders := self._missing_candidates(wanted):
            self._run(orders, in_turn=False)

    def _missing_candidates(self, wanted: Mapping[str, int]) -> list[Order]:
        orders = []
        for name, count in wanted.items():
            state = self._states[name]
            arm: Arm = "canary" if name == CANARY else "candidate"
            missing = count - len(state.taken.get(arm, ())) if state.gap is None else 0
            orders += [Order(workload=name, arm=arm, method=state.method)] * missing
        return orders

    def _run(self, orders: list[Order], *, in_turn: bool) -> None:
        self._order.shuffle(orders)
        for order in orders:
            state = self._states[order.workload]
            if order.method != state.method or state.gap or (in_turn and state.base_gap):
                continue  # what another of its kind said has overtaken it
            answer = self._take(order)
            if isinstance(answer, Lost):
                _lost(state, order, answer, in_turn=in_turn)
            elif answer.throttled:
                _retake(state, answer)
            else:
                taken = state.in_turn if in_turn else state.taken
                taken.setdefault(order.arm, []).append(answer)

    # --------------------------------------------------------------------- the base revision

    def _confirm(self, suspects: list[str]) -> None:
        """Time the base revision's kernel and the candidate's in turn, look by look."""
        if self._rules.base is None:
            return
        for look in LOOKS:
            open_ones = [name for name in suspects if self._open_in_turn(name)]
            if not open_ones or (self._overdue() and look > LOOKS[0]):
                return
            self._say(f"{look} processes in turn with the base revision: {_listed(open_ones)}")
            while orders := self._missing_in_turn(open_ones, look):
                self._run(orders, in_turn=True)

    def _missing_in_turn(self, names: list[str], look: int) -> list[Order]:
        arms: tuple[Arm, ...] = ("candidate", "base")
        return [
            Order(workload=name, arm=arm, method=state.method)
            for name in names
            if (state := self._states[name]).gap is None and not state.base_gap
            for arm in arms
            for _ in range(look - len(state.in_turn.get(arm, ())))
        ]

    def _open_in_turn(self, name: str) -> bool:
        state = self._states[name]
        if state.gap or state.base_gap:
            return False
        base, ours = _medians(state.in_turn.get("base", ())), _medians(_ours(state))
        if not base:
            return True
        against = self._against_stored(name) or compare_with_stored(
            base, ours, floor=self._rules.floor
        )
        return status_of(RUNTIME, compare_in_turn(base, ours, like=against)) == "inconclusive"

    # ---------------------------------------------------------------------------- verdicts

    def _against_stored(self, name: str) -> Comparison | None:
        stored, ours = self._rules.stored.get(name), self._states[name].taken.get("candidate")
        if stored is None or not ours or stored.method != self._states[name].method:
            return None
        return compare_with_stored(
            stored.process_medians_ns, _medians(ours), floor=self._rules.floor
        )

    def _status(self, name: str) -> str:
        against = self._against_stored(name)
        return status_of(RUNTIME, against) if against else ""

    def _suspect(self, name: str) -> bool:
        return self._status(name) in ("regressed", "inconclusive")

    def _timing(self, name: str) -> Timing | NotMeasured:
        state = self._states[name]
        if state.gap:
            return state.gap
        ours = state.taken["candidate"]
        timing = Timing(
            method=state.method,
            process_medians_ns=_medians(ours),
            samples=tuple(process.summary for process in ours),
            batch=ours[0].batch,
            l2_flush_bytes=ours[0].l2_flush_bytes,
            retaken=state.retaken,
        )
        base = state.in_turn.get("base")
        if not base or self._rules.base is None or state.base_gap:
            return timing
        return replace(
            timing,
            base=BaseTiming(
                commit=self._rules.base.commit,
                kernel_sha256=self._rules.base.kernel_sha256,
                process_medians_ns=_medians(base),
                candidate_medians_ns=_medians(_ours(state)),
            ),
        )

    def _canary(self) -> Canary | None:
        state = self._states.get(CANARY)
        if state is None or state.gap:
            return None
        taken = state.taken["canary"]
        return Canary(
            copy_ns=tuple(process.medians_ns["copy"] for process in taken),
            compute_ns=tuple(process.medians_ns["compute"] for process in taken),
        )


def _ours(state: _State) -> list[TimedProcess]:
    return state.in_turn.get("candidate", [])


def _medians(processes: Sequence[TimedProcess]) -> tuple[float, ...]:
    return tuple(process.medians_ns["forward"] for process in processes)


def _lost(state: _State, order: Order, answer: Lost, *, in_turn: bool) -> None:
    following = METHODS.index(state.method) + 1
    no_method = answer.reason == "method" and order.arm == "candidate"
    if order.arm == "base" or (no_method and in_turn):
        state.base_gap = True  # what the looks have found stays
    elif no_method and following < len(METHODS):
        state.method, state.taken = METHODS[following], {}
    else:
        state.gap = NotMeasured(status="failed", reason=answer.reason, message=answer.message)


def _retake(state: _State, answer: TimedProcess) -> None:
    """Figures of a card that slowed itself down are taken again, and counted."""
    state.retaken += 1
    if state.retaken > MAX_RETAKEN:
        reasons = ", ".join(answer.throttled)
        state.gap = NotMeasured(
            status="failed",
            reason="throttled",
            message=f"the GPU slowed itself down again and again: {reasons}",
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name or "the canary" for name in names)
