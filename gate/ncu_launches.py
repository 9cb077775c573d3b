"""From single profiled launches to one value for each function and metric. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from gate.metrics import DURATION, REQUIRED, combine, summarise
from gate.model import GATED_METRICS, NcuBlock
from gate.ncu_failures import Failure, ProfilingFailed
from gate.stats import robust_deviation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The worker launches this before each subject's first forward call and after its last, so that what
# belongs to whom is seen in the report itself. NVTX ranges would miss launches from other threads.
BOUNDARY = "gate_forward_boundary"

MISSING = "metric_missing"
NOT_A_NUMBER = "metric_not_a_number"
DIFFER = "launches_differ"
NO_TRITON = "triton_kernel_not_launched"

MAX_IDENTIFIER = 200
# A deviation is known to a few per cent of itself.
DEVIATION_DIGITS = 5
# How many different kernels a message lists.
LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One action of a report. `faults` maps a metric that has no value to MISSING or NOT_A_NUMBER.

    A name is empty where the report is cut off.
    """

    name: str
    values: Mapping[str, float]
    faults: Mapping[str, str] = field(default_factory=dict)


Forward = tuple[Launch, ...]


def identifier(name: str) -> str:
    """A kernel's name as the documents' schema has names: foreign ones can hold anything.

    A Triton kernel's is one already. `at::native::fill<int>` becomes `at__native__fill_int_`.
    """
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return (f"_{plain}" if not plain or plain[0].isdigit() else plain)[:MAX_IDENTIFIER]


def split(launches: Sequence[Launch], forwards: Sequence[int]) -> tuple[tuple[Forward, ...], ...]:
    """The launches of each forward call of each subject, which is called `forwards` times.

    Raises ProfilingFailed unless each subject lies between boundaries of its own and launched the
    same in each call.
    """
    if not all(launch.name for launch in launches):
        raise _failed("report_unreadable", "ncu's report is cut off: one of its launches is empty")
    if not any(launch.name == BOUNDARY for launch in launches):
        raise _failed(
            "no_kernels_profiled",
            f"ncu profiled none of the gate's own launches, only {_listed(launches)}",
        )
    stretches: list[list[Launch]] = [[]]
    for launch in launches:
        if launch.name == BOUNDARY:
            stretches.append([])
        else:
            stretches[-1].append(launch)
    # Before the first subject, between two and after the last nothing may run.
    between = [launch for stretch in stretches[::2] for launch in stretch]
    if len(stretches) != 2 * len(forwards) + 1 or between:
        raise _failed(
            DIFFER,
            f"{len(stretches) - 1} boundaries around {len(forwards)} workloads came back, and "
            f"{len(between)} launches outside of them: {_listed(launches)}",
        )
    subjects = zip(stretches[1::2], forwards, strict=True)
    return tuple(_calls(stretch, count) for stretch, count in subjects)


def _calls(stretch: Sequence[Launch], forwards: int) -> tuple[Forward, ...]:
    """A subject's launches, call by call: as many in each."""
    size, rest = divmod(len(stretch), forwards)
    if rest:
        raise _failed(
            DIFFER,
            f"{forwards} forward calls were profiled, and {len(stretch)} launches came back, which"
            f" is not as many for each: {_listed(stretch)}",
        )
    calls = tuple(tuple(stretch[i * size : (i + 1) * size]) for i in range(forwards))
    _refuse_different(calls)
    return calls


def refuse_foreign(forwards: Iterable[Forward], kernels: Iterable[str]) -> None:
    """Raises ProfilingFailed where no Triton kernel of the kernel file was launched."""
    launches = [launch for forward in forwards for launch in forward]
    if not {launch.name for launch in launches} & set(kernels):
        raise _failed(
            NO_TRITON,
            f"no @triton.jit function of kernel.py was launched; what ran: {_listed(launches)}",
        )


def counts(forward: Forward) -> dict[str, int]:
    return dict(sorted(Counter(identifier(launch.name) for launch in forward).items()))


def refuse_other_counts(processes: Sequence[Sequence[Forward]]) -> None:
    """Raises ProfilingFailed where fresh processes do not launch the same."""
    _refuse_different([forwards[0] for forwards in processes])


class Merged(NamedTuple):
    """Each function's metrics over all forward calls: median, extremes, and robust deviation."""

    block: NcuBlock
    spread: dict[str, dict[str, tuple[float, float]]]
    deviation: dict[str, dict[str, float]]


def merge(forwards: Sequence[Forward], metrics: Sequence[str]) -> Merged:
    """The figures of all forward calls in one.

    Raises ProfilingFailed where a required metric has no finite value in one of the launches. An
    optional one is then left out, for every function.
    """
    usable = _usable(forwards, metrics)
    block: NcuBlock = {}
    spread: dict[str, dict[str, tuple[float, float]]] = {}
    deviation: dict[str, dict[str, float]] = {}
    for function in counts(forwards[0]):
        own = [[x for x in forward if identifier(x.name) == function] for forward in forwards]
        values = {name: [_combined(name, x) for x in own] for name in usable}
        summaries = {name: summarise(name, seen) for name, seen in values.items()}
        block[function] = {name: middle for name, (middle, _) in summaries.items()}
        spread[function] = {name: bounds for name, (_, bounds) in summaries.items()}
        deviation[function] = {
            name: round(robust_deviation(values[name]), DEVIATION_DIGITS)
            for name in GATED_METRICS
            if name in values
        }
    return Merged(block, spread, deviation)


def _combined(metric: str, launches: Sequence[Launch]) -> float:
    durations = [launch.values[DURATION] for launch in launches]
    return combine(metric, [launch.values[metric] for launch in launches], durations)


def _usable(forwards: Iterable[Forward], metrics: Sequence[str]) -> tuple[str, ...]:
    unusable = set()
    for launch in (launch for forward in forwards for launch in forward):
        for metric in metrics:
            fault = launch.faults.get(metric, "" if metric in launch.values else MISSING)
            if fault and metric in REQUIRED:
                what = "no value" if fault == MISSING else "a value that is no finite number"
                raise _failed(fault, f"ncu gave {what} of {metric} for {launch.name}")
            if fault:
                unusable.add(metric)
    return tuple(sorted(set(metrics) - unusable))


def _refuse_different(calls: Sequence[Sequence[Launch]]) -> None:
    expected = [launch.name for launch in calls[0]]
    for index, call in enumerate(calls[1:], start=2):
        if [launch.name for launch in call] != expected:
            raise _failed(
                DIFFER,
                f"forward call 1 launched {_listed(calls[0])}, call {index} {_listed(call)}",
            )


def _listed(launches: Iterable[Launch]) -> str:
    """What ran, for people: `3 x conv_kernel, 1 x fill_kernel`."""
    ran = Counter(x.name[:MAX_IDENTIFIER] for x in launches if x.name != BOUNDARY)
    shown = [f"{count} x {name or 'a nameless one'}" for name, count in sorted(ran.items())]
    more = [f"{len(shown) - LISTED} others"] if len(shown) > LISTED else []
    return ", ".join(shown[:LISTED] + more) or "nothing"


def _failed(reason: str, message: str) -> ProfilingFailed:
    return ProfilingFailed(Failure(reason=reason, message=message))
