"""What `benchmarks/kernel.py` measured, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, geometric_mean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.kernel_cases import Case

RIVALS = {"conv2d": "F.conv2d", "seed": "seed-style", "compile": "torch.compile"}
# torch's copy, which is the driver's, and a Triton kernel's: the size decides which is faster.
COPIES = ("copy", "stream")
# A workload of more bytes than any L2 holds is asked to move them at this share of a copy's speed.
LARGE, ENOUGH = 64e6, 0.93
# Below this a difference between two medians of one process means nothing.
SAME = 0.01


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case: nanoseconds by competitor, what failed and why."""

    case: str
    device: str
    ns: Mapping[str, float]
    failed: Mapping[str, str] = field(default_factory=dict)

    def speed_up(self, rival: str) -> float | None:
        """How many times as long the rival takes; None where one of both was not timed."""
        if "kernel" not in self.ns or rival not in self.ns:
            return None
        return self.ns[rival] / self.ns["kernel"]

    def share_of_copy(self) -> float | None:
        """The time of the faster copy of as many bytes over the kernel's; None without both."""
        copies = [self.ns[name] for name in COPIES if name in self.ns]
        return min(copies) / self.ns["kernel"] if copies and "kernel" in self.ns else None


def markdown(cases: Sequence[Case], rows: Sequence[Row]) -> str:
    """A table of every case that was timed, means over them, and where the kernel loses."""
    by_name = {row.case: row for row in rows}
    timed = [(case, by_name[case.name]) for case in cases if case.name in by_name]
    devices = ", ".join(sorted({row.device for _, row in timed}))
    parts = [
        f"{len(timed)} of {len(cases)} workloads on {devices or 'no device'}",
        "\n".join([*_head(), *(_line(case, row) for case, row in timed)]),
        _means([row for _, row in timed]),
        _list("Slower than a competitor", _losses(row for _, row in timed)),
        _list(f"More than {LARGE / 1e6:.0f} MB, below {ENOUGH:.0%} of a copy", _short(timed)),
        _list(
            "Failed", [f"{r.case}, {who}: {why}" for _, r in timed for who, why in r.failed.items()]
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _head() -> list[str]:
    names = ["workload", "time", "GB/s", "of a copy", *(f"vs {name}" for name in RIVALS.values())]
    return [f"| {' | '.join(names)} |", f"| --- |{' ---: |' * (len(names) - 1)}"]


def _line(case: Case, row: Row) -> str:
    speed_ups = [_times(row.speed_up(rival)) for rival in RIVALS]
    if "kernel" not in row.ns:
        return f"| {' | '.join([case.name, 'failed', '', '', *speed_ups])} |"
    ns, share = row.ns["kernel"], row.share_of_copy()
    shown = [
        f"{ns / 1e3:.2f} us",
        f"{case.bytes / ns:.0f}",
        "" if share is None else f"{share:.1%}",
    ]
    return f"| {' | '.join([case.name, *shown, *speed_ups])} |"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"


def _means(rows: Sequence[Row]) -> str:
    lines = []
    for rival, name in RIVALS.items():
        ratios = [ratio for row in rows if (ratio := row.speed_up(rival)) is not None]
        if ratios:
            mean, least = geometric_mean(ratios), min(ratios)
            lines.append(
                f"- {mean:.2f} times as fast as {name} over {len(ratios)} (least {least:.2f})"
            )
    shares = [share for row in rows if (share := row.share_of_copy()) is not None]
    if shares:
        lines.append(f"- {fmean(shares):.1%} of the speed of a copy of as many bytes on average")
    return "\n".join(["Geometric means:", "", *lines]) if lines else "Nothing was timed."


def _losses(rows: Iterable[Row]) -> list[str]:
    return [
        f"{row.case}: {1 / ratio:.2f} times the time of {name}"
        for row in rows
        for rival, name in RIVALS.items()
        if (ratio := row.speed_up(rival)) is not None and ratio < 1 - SAME
    ]


def _short(timed: Iterable[tuple[Case, Row]]) -> list[str]:
    return [
        f"{row.case}: {share:.1%}"
        for case, row in timed
        if case.bytes > LARGE and (share := row.share_of_copy()) is not None and share < ENOUGH
    ]


def _list(title: str, entries: Sequence[str]) -> str:
    return "\n".join([f"{title}:", "", *(f"- {entry}" for entry in entries or ["none"])])
