"""Turns a fresh measurement into stored baselines, or refuses where that would hide something."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gate.anchors import steps_from
from gate.check import rules_of
from gate.compare import MAX_RUNTIME_TOLERANCE, MAX_THROUGHPUT_TOLERANCE
from gate.documents import measurement_json, sorted_by_workload
from gate.errors import ExitCode, InvalidConfiguration, RefusedBaseline, most_severe
from gate.findings import metric_name
from gate.git import changed_files, head_commit
from gate.judge import Stored, judge
from gate.model import (
    RUNTIME,
    Anchor,
    BaselineInfo,
    Environment,
    Measurement,
)
from gate.verdict import Finding, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.baselines import Snapshot
    from gate.config import Config
    from gate.kernels import KernelFolder

MAX_LISTED = 5
MAX_REASON = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A baseline that may be stored: what it replaces, and how it compares with that.

    `name` is its file as the project's root sees it.
    """

    file: Path
    name: str
    baseline: Measurement
    before: Measurement | None
    verdict: Verdict | None

    def diff(self) -> str:
        """The change as its reviewer will see it, and as `git apply` takes it."""
        old = measurement_json(self.before).splitlines(keepends=True) if self.before else []
        new = measurement_json(self.baseline).splitlines(keepends=True)
        before = f"a/{self.name}" if self.before else "/dev/null"
        return "".join(difflib.unified_diff(old, new, before, f"b/{self.name}", n=1))


def refuse_dirty_tree(config: Config) -> str:
    """The commit that is about to be measured. Raises RefusedBaseline where files differ from it.

    The baselines' own folder may differ: refreshing two GPUs in a row is one change. Raises
    InvalidConfiguration where kernels lie in it, which would differ unseen.
    """
    if any(config.baselines.rglob("kernel.py")):
        raise InvalidConfiguration(
            f"{config.baselines} has kernels in it, so it is no folder of baselines",
            hint="name the folder that has one folder a GPU in it",
        )
    commit = head_commit(config.root)
    changed = changed_files(config.root, ignoring=config.baselines)
    if changed:
        more = f" and {len(changed) - MAX_LISTED} more" if len(changed) > MAX_LISTED else ""
        error = RefusedBaseline(
            f"the tree differs from {commit[:12]}: {', '.join(changed[:MAX_LISTED])}{more}",
            hint="commit or stash first: a baseline names the commit it was measured at",
        )
        error.exit_code = ExitCode.USAGE
        raise error
    return commit


def propose(
    measurement: Measurement,
    folders: Sequence[KernelFolder],
    config: Config,
    baselines: Snapshot,
    *,
    commit: str,
    reason: str,
    accept_regression: bool,
    new_anchor: bool = False,
) -> tuple[Proposal, ...]:
    """One proposal a kernel, or RefusedBaseline for the first that must not be stored."""
    return tuple(
        _propose_one(
            sorted_by_workload(measurement.about(folder.name)),
            baselines,
            config,
            info=BaselineInfo(
                commit=commit,
                date=measurement.environment.date,
                reason=reason,
                kernel_sha256=folder.sha256(),
                anchors={},
            ),
            accept_regression=accept_regression,
            new_anchor=new_anchor,
        )
        for folder in folders
    )


def _propose_one(
    measured: Measurement,
    baselines: Snapshot,
    config: Config,
    *,
    info: BaselineInfo,
    accept_regression: bool,
    new_anchor: bool,
) -> Proposal:
    (kernel,) = measured.scope.kernels
    before = baselines.load(kernel)
    _refuse_unfit(_against(measured, measured, config), kernel)
    _refuse_blind(measured.environment)
    verdict = _against(measured, before, config) if before else None
    if verdict:
        verdict = _accepted(verdict) if accept_regression else _refuse_hidden(verdict, kernel)
    anchors = _anchors(measured, before, info, cap=config.creep_cap, new=new_anchor)
    baseline = replace(measured.without_base(), baseline=replace(info, anchors=anchors))
    file = baselines.folder / f"{kernel}.json"
    name = config.relative(file)
    return Proposal(file=file, name=name, baseline=baseline, before=before, verdict=verdict)


def _against(measured: Measurement, baseline: Measurement, config: Config) -> Verdict:
    # A refresh after an upgrade is what a changed toolchain asks for: the figures still compare.
    same = baseline.under(measured.environment.toolchain)
    return judge(
        measured,
        stored=Stored(load=lambda _kernel: same, folder="the stored baseline"),
        required=(),
        rules=rules_of(config, require_gpu=False),
    )


def _refuse_unfit(itself: Verdict, kernel: str) -> None:
    """A baseline judged by itself must pass: it is complete, correct, and steady enough."""
    capped = (f for f in itself.findings if f.comparison and f.comparison.tolerance_origin == "cap")
    noisy = next(capped, None)
    if noisy:
        error = RefusedBaseline(
            f"{kernel}/{noisy.workload} is too noisy to be a baseline: "
            f"{metric_name(noisy.subject)} would need more than noise may buy "
            f"({MAX_RUNTIME_TOLERANCE:.0%} of a runtime, {MAX_THROUGHPUT_TOLERANCE:.0%} else)",
            hint=f"a quieter machine{', or more --processes' if noisy.subject == RUNTIME else ''}",
        )
        error.exit_code = ExitCode.INCONCLUSIVE
        raise error
    if itself.exit_code is ExitCode.PASSED:
        return
    first = next(f for f in itself.findings if f.exit_code is itself.exit_code)
    error = RefusedBaseline(
        f"{kernel}/{first.workload} cannot be a baseline: {first.subject}: {first.reason.message}",
        hint=first.next_step or "nothing was written",
    )
    error.exit_code = itself.exit_code
    raise error


def _refuse_blind(environment: Environment) -> None:
    """Held against a baseline without a canary, a machine that moved would pass unseen."""
    if environment.gpu and environment.canary is None:
        error = RefusedBaseline(
            "the canary, fixed work by which a machine that moves is known, could not be timed",
            hint="is the GPU's memory full? nvidia-smi, then refresh again",
        )
        error.exit_code = ExitCode.ENVIRONMENT
        raise error


def _refuse_hidden(verdict: Verdict, kernel: str) -> Verdict:
    """The verdict with new workloads accepted; whatever else is not green needs somebody's word.

    What cannot be compared any more, such as a renamed function, may be slower unseen.
    """
    open_findings = [f for f in verdict.findings if f.exit_code and not _is_new(f)]
    if not open_findings:
        return _accepted(verdict)
    code = most_severe(f.exit_code for f in open_findings)
    first = next(f for f in open_findings if f.exit_code is code)
    error = RefusedBaseline(
        f"{kernel}/{first.workload} is not shown to be as good as its baseline: "
        f"{first.reason.message}",
        hint="if that is meant, say so with --accept-regression and in --reason",
    )
    error.exit_code = code
    raise error


def _is_new(finding: Finding) -> bool:
    return finding.reason.code == "no_baseline"


def _accepted(verdict: Verdict) -> Verdict:
    """What a refresh accepts is no failure of it, and stays to be read."""
    findings = tuple(
        replace(f, status=Status.ACCEPTED, exit_code=ExitCode.PASSED, next_step="")
        if f.exit_code
        else f
        for f in verdict.findings
    )
    return replace(verdict, findings=findings, exit_code=most_severe(f.exit_code for f in findings))


def _anchors(
    measured: Measurement, before: Measurement | None, info: BaselineInfo, *, cap: float, new: bool
) -> dict[str, Mapping[str, Anchor]]:
    """The best runtime that each workload ever had, carried from baseline to baseline.

    Raises RefusedBaseline for a runtime beyond its anchor by more than `cap`, unless a `new` anchor
    is wanted.
    """
    anchors: dict[str, Mapping[str, Anchor]] = {}
    for workload, step in steps_from(before, measured, info).items():
        if step.best and step.crept > cap and not new:
            (kernel,) = measured.scope.kernels
            raise RefusedBaseline(
                f"{kernel}/{workload} has crept {step.crept:+.1%} from its best "
                f"({step.best.commit[:12]}, {step.best.date}), and {cap:.0%} is the cap",
                hint="if that is meant: --new-anchor, and why in --reason",
            )
        anchors[workload] = {RUNTIME: step.anchor(cap)}
    return anchors


def require_reason(reason: str) -> str:
    """Raises InvalidConfiguration for no reason or a whole essay: a baseline says why it moved."""
    if len(reason) > MAX_REASON:
        raise InvalidConfiguration(f"the reason is longer than {MAX_REASON} characters")
    if not reason.strip():
        raise InvalidConfiguration("a baseline needs a reason", hint='--reason "why it changes"')
    return reason.strip()
