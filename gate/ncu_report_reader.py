"""Reads a .ncu-rep file into plain values.

The `ncu_report` package never raises: an empty file is a report without ranges, one that is cut off
has launches without a name, a metric that is not there is None, and a text asked for its number
says 0.0. So everything is looked at before it is believed.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gate.ncu_failures import Failure, ProfilingFailed
from gate.ncu_launches import MISSING, NOT_A_NUMBER, Launch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class MetricLike(Protocol):
    """`ncu_report.IMetric`, as far as it is used."""

    def kind(self) -> int: ...
    def has_value(self) -> bool: ...
    def as_double(self) -> float: ...
    def as_uint64(self) -> int: ...


class ActionLike(Protocol):
    """`ncu_report.IAction`: one profiled launch."""

    def name(self) -> str: ...
    def metric_by_name(self, metric_name: str, /) -> MetricLike | None: ...


class RangeLike(Protocol):
    """`ncu_report.IRange`."""

    def num_actions(self) -> int: ...
    def action_by_idx(self, idx: int, /) -> ActionLike | None: ...


class ReportLike(Protocol):
    """`ncu_report.IContext`."""

    def num_ranges(self) -> int: ...
    def range_by_idx(self, idx: int, /) -> RangeLike: ...


# Where NVIDIA's packages put ncu.
OPT = Path("/opt/nvidia/nsight-compute")

# ncu_report.IMetric.ValueKind_*; FLOAT and DOUBLE, then UINT32 and UINT64.
_REAL_KINDS = frozenset({3, 4})
_WHOLE_KINDS = frozenset({5, 6})


def read_report(
    file: Path, metrics: Sequence[str], *, ncu: Path | None = None
) -> tuple[Launch, ...]:
    """Every launch of the report, in the order they ran, with these metrics.

    `ncu` is the program whose own copy of `ncu_report` serves where the package is not installed.
    Raises ProfilingFailed where the report cannot be read or holds nothing.
    """
    if not file.is_file() or file.stat().st_size == 0:
        raise _unreadable(f"ncu wrote no report {file.name}")
    return launches_of(_module(ncu).load_report(str(file)), metrics)


def launches_of(report: ReportLike, metrics: Sequence[str]) -> tuple[Launch, ...]:
    if report.num_ranges() == 0:
        raise _unreadable("the file that ncu wrote is not a report")
    launches = tuple(_launch(action, metrics) for action in _actions(report))
    if not launches:
        raise ProfilingFailed(
            Failure(reason="no_kernels_profiled", message="ncu's report has no launch")
        )
    return launches


def package_problem(ncu: Path | None) -> str:
    """Why reports cannot be read here; empty where they can."""
    try:
        _module(ncu)
    except ProfilingFailed as failed:
        return failed.failure.message
    return ""


def _actions(report: ReportLike) -> Iterator[ActionLike | None]:
    for index in range(report.num_ranges()):
        found = report.range_by_idx(index)
        yield from (found.action_by_idx(i) for i in range(found.num_actions()))


def _launch(action: ActionLike | None, metrics: Iterable[str]) -> Launch:
    if action is None:
        return Launch(name="", values={})
    values, faults = {}, {}
    for name in metrics:
        metric = action.metric_by_name(name)
        value = None if metric is None else _number(metric)
        if value is not None:
            values[name] = value
        else:
            faults[name] = MISSING if metric is None else NOT_A_NUMBER
    return Launch(name=action.name() or "", values=values, faults=faults)


def _number(metric: MetricLike) -> float | None:
    if not metric.has_value():
        return None
    if metric.kind() in _WHOLE_KINDS:
        return float(metric.as_uint64())
    value = metric.as_double() if metric.kind() in _REAL_KINDS else math.nan
    return value if math.isfinite(value) else None


def _module(ncu: Path | None) -> Any:
    """The package from PyPI, else the copy that came with ncu."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its SWIG wrapper trips Python 3.12's deprecations
        for folder in (None, *_own_copies(ncu)):
            try:
                return _import_from(folder)
            except ImportError:
                continue
    raise _unreadable(
        "the package `ncu_report` that reads reports is not installed",
        mend="`pip install ncu-report`, or keep ncu's folder extras/python beside ncu",
    )


def _import_from(folder: Path | None) -> Any:
    if folder is None:
        return importlib.import_module("ncu_report")
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("ncu_report")
    finally:
        sys.path.remove(str(folder))


def _own_copies(ncu: Path | None) -> Iterator[Path]:
    """Folders with ncu's own `ncu_report`: beside ncu, or where CUDA's wrapper script finds ncu."""
    if ncu is None:
        return
    for beside in dict.fromkeys((ncu.parent, Path(os.path.realpath(ncu)).parent)):
        roots = [beside, *sorted(beside.parent.glob("nsight-compute-*"), reverse=True)]
        roots += sorted(OPT.glob("*"), reverse=True)
        yield from (r / "extras/python" for r in roots if (r / "extras/python").is_dir())


def _unreadable(message: str, mend: str = "") -> ProfilingFailed:
    return ProfilingFailed(Failure(reason="report_unreadable", message=message, mend=mend))
