"""What the stored baseline and the base revision mean for how a kernel is timed."""

from dataclasses import replace

import pytest

from gate import timing_step
from gate.config import Config
from gate.kernels import KernelFolder, Workload
from gate.model import Canary
from gate.timing_step import TimingStep
from tests.factories import H100, TOOLCHAIN, baseline, environment

WORKLOADS = (Workload(name="flagship", benchmark=True),)


def canary(ns):
    return Canary(copy_ns=(ns,) * 3, compute_ns=(ns,) * 3)


@pytest.fixture
def rules_of(tmp_path, monkeypatch):
    """`rules_of(environment, stored)` are the rules that the sampler is given."""
    monkeypatch.setattr(timing_step.timing, "measure", lambda *_, rules, **__: rules)

    def of(ours, stored):
        step = TimingStep(
            gpu=H100,
            config=Config(root=tmp_path, kernels=tmp_path, baselines=tmp_path),
            environment=ours,
            stored=stored,
            processes=None,
            base=None,
            seed=1,
        )
        folder = KernelFolder(name="conv", path=tmp_path, workloads=WORKLOADS)
        return step.run(folder, WORKLOADS, canary=False, say=lambda _: None)

    return of


@pytest.fixture
def base_of(project, monkeypatch):
    """`base_of(kernels)` is the base revision's kernel as the rules name it."""
    monkeypatch.setattr(timing_step.timing, "measure", lambda *_, rules, **__: rules)

    def of(kernels):
        config = replace(project.config, kernels=kernels)
        step = TimingStep(
            gpu=H100,
            config=config,
            environment=environment(),
            stored=None,
            processes=None,
            base=project.git("rev-parse", "HEAD"),
            seed=1,
        )
        folder = KernelFolder(name="conv", path=kernels / "conv", workloads=WORKLOADS)
        return step.run(folder, WORKLOADS, canary=False, say=lambda _: None).base

    return of


def test_the_base_revisions_kernel_is_found_where_links_lead_and_nowhere_else(
    project, base_of, tmp_path_factory
):
    outside = tmp_path_factory.mktemp("outside") / "conv"
    for path in (project.root / "src" / "conv", outside):
        path.mkdir(parents=True)
        (path / "kernel.py").write_text("# a kernel\n")
    (project.root / "kernels").symlink_to("src")
    project.commit("a kernel behind a link")
    assert base_of(project.root / "src") == base_of(project.root / "kernels") is not None
    assert base_of(outside.parent) is None
    assert base_of(project.root / ".." / outside.parent.name) is None


def stored_with(ns):
    stored = baseline()
    return replace(stored, environment=replace(stored.environment, canary=canary(ns)))


@pytest.mark.parametrize(("ns", "suspect"), [(100.0, False), (150.0, True)])
def test_a_canary_that_an_earlier_kernel_brought_suspects_the_next_ones_too(rules_of, ns, suspect):
    rules = rules_of(replace(environment(), canary=canary(ns)), stored_with(100.0))
    assert bool(rules.suspect) == suspect
    assert set(rules.stored) == {"flagship"}, "what it was is still what it is held against"


def test_before_the_canary_was_measured_nobody_is_suspected(rules_of):
    assert rules_of(environment(canary=None), stored_with(100.0)).suspect == ""


def test_figures_of_another_toolchain_decide_nothing(rules_of):
    rules = rules_of(environment(toolchain=replace(TOOLCHAIN, triton="9.9")), baseline())
    assert rules.suspect == "triton 3.6.0 -> 9.9"
    assert rules.stored == {}


def test_an_ncu_that_is_missing_suspects_no_timing(rules_of):
    rules = rules_of(environment(toolchain=replace(TOOLCHAIN, ncu=None)), baseline())
    assert rules.suspect == ""
    assert set(rules.stored) == {"flagship"}


def test_without_a_baseline_there_is_nothing_to_decide_by(rules_of):
    rules = rules_of(environment(), None)
    assert (rules.stored, rules.suspect) == ({}, "")
