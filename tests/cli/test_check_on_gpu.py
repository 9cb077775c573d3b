"""The gate as on a GPU: the steps' figures are those that were recorded on an H100.

Only the edges are stand-ins (NVML, the workers, ncu); plan, assembly, baselines, judge, reports and
exit codes are the real ones.
"""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gate import measure, timing_step
from gate.cli import main
from gate.documents import load_measurement
from gate.errors import MachineUnfit
from gate.model import SM_THROUGHPUT, Correctness, NotMeasured, Violation
from gate.ncu import NcuOutcome
from gate.sampling import Sampled
from gate.sequential import CALIBRATION
from gate.static import StaticOutcome, analyse

ROOT = Path(__file__).parents[2]
RECORDED = load_measurement(ROOT / "tests" / "data" / "h100" / "measurement.json")
KERNEL = "depthwise_conv_h"
FAILED = NotMeasured(status="failed", reason="counter_permission", message="no counters: mend so")


class Card:
    """What the steps answer; a test changes one of them."""

    def __init__(self):
        self.results = {r.workload: r for r in RECORDED.results}
        self.ncu_path = Path("/usr/local/cuda/bin/ncu")
        self.violations = ()
        self.asked = []
        self.meanwhile = lambda _step, _folder: None

    def analyse(self, folder, workloads, *, target, timeout_s):
        self.asked.append(("static", target))
        self.meanwhile("static", folder)
        return {
            w.name: StaticOutcome(
                signature=(), static=self.results[w.name].static, violations=self.violations
            )
            for w in workloads
        }

    def run_tests(self, folder, workloads, *, device, seed, timeout_s):
        self.asked.append(("correctness", device))
        self.meanwhile("correctness", folder)
        return {w.name: self.results[w.name].correctness for w in workloads}

    def time(self, folder, workloads, *, rules, **_how):
        self.asked.append(("timing", rules))
        self.meanwhile("timing", folder)
        return Sampled(
            timings={w.name: self.results[w.name].timing for w in workloads},
            signatures={w.name: self.results[w.name].signature for w in workloads},
            canary=None,
        )

    def profile(self, folder, workloads, **_how):
        self.asked.append(("ncu", tuple(w.name for w in workloads)))
        self.meanwhile("ncu", folder)
        return {
            w.name: NcuOutcome(ncu=self.results[w.name].ncu, profile=self.results[w.name].profile)
            for w in workloads
        }

    def change(self, workload, **changes):
        self.results[workload] = replace(self.results[workload], **changes)

    def slow_down(self, factor):
        for name, result in self.results.items():
            if not isinstance(result.timing, NotMeasured):
                medians = tuple(m * factor for m in result.timing.process_medians_ns)
                self.change(name, timing=replace(result.timing, process_medians_ns=medians))


@pytest.fixture
def card(monkeypatch):
    fake = Card()
    monkeypatch.setattr(measure, "find_gpu", lambda: RECORDED.environment.gpu)
    monkeypatch.setattr(measure, "refuse_busy", lambda _gpu: None)
    monkeypatch.setattr(measure, "read_state", lambda _uuid: RECORDED.environment.state_after)
    monkeypatch.setattr(measure, "driver_version", lambda: "580.159.04")
    monkeypatch.setattr(measure, "read_environment", lambda *_a, **_k: RECORDED.environment)
    monkeypatch.setattr(measure.ncu, "find_ncu", lambda: fake.ncu_path)
    monkeypatch.setattr(measure.ncu, "ncu_version", lambda _path: "2025.3.1.0")
    monkeypatch.setattr(measure.static, "analyse", fake.analyse)
    monkeypatch.setattr(measure.correctness, "run_tests", fake.run_tests)
    monkeypatch.setattr(timing_step.timing, "measure", fake.time)
    monkeypatch.setattr(measure.ncu, "profile", fake.profile)
    return fake


@pytest.fixture
def repository(project):
    """This repository's first kernel and its baselines in a repository of the test's own."""
    shutil.copytree(ROOT / "kernels" / KERNEL, project.root / "kernels" / KERNEL)
    for stored in (ROOT / "baselines").glob(f"*/{KERNEL}.json"):
        folder = project.root / stored.parent.relative_to(ROOT)
        folder.mkdir(parents=True)
        shutil.copy(stored, folder)
    project.commit("kernels and baselines")
    return project


def gate(*arguments, env=None):
    return CliRunner().invoke(main, list(arguments), env={"CI": "true", **(env or {})})


def refresh(*more):
    return gate("baseline", "refresh", KERNEL, "--reason", "because", *more)


def test_an_unchanged_kernel_passes_and_every_step_ran(repository, card):
    answer = gate("check", "--json", "verdict.json", "-o", "run.json")
    assert answer.exit_code == 0, answer.output
    assert [step for step, _ in card.asked] == ["static", "correctness", "timing", "ncu"]
    assert card.asked[0] == ("static", "sm_90")
    assert json.loads(Path("verdict.json").read_text())["not_checked"] == []
    assert gate("judge", "run.json", "--all").exit_code == 0


def timing_rules(card):
    return dict(card.asked)["timing"]


def test_timing_knows_the_baseline_and_the_base_revisions_kernel(repository, card):
    repository.git("branch", "-M", "main")
    commit = repository.git("rev-parse", "HEAD")
    file = repository.root / "kernels" / KERNEL / "kernel.py"
    source = file.read_bytes()
    file.write_bytes(source + b"# changed\n")
    gate("check")
    rules = timing_rules(card)
    assert (rules.base.commit, rules.base.kernel_sha256) == (
        *(commit, hashlib.sha256(source).hexdigest()),
    )
    assert set(rules.stored) == {"flagship", "medium", "small"}
    assert (rules.processes, rules.suspect, rules.floor) == (None, "", 0.01)


def test_what_was_asked_for_reaches_the_timing(repository, card):
    gate("check", "--processes", "7", "--base", "HEAD")
    assert timing_rules(card).processes == 7
    answer = gate("check", "--base", "nowhere")
    assert answer.exit_code == 7
    assert "nowhere" in answer.output
    card.asked.clear()
    refresh()
    assert timing_rules(card).processes == CALIBRATION


def test_the_baselines_may_lie_in_another_tree_than_the_kernels(repository, card, tmp_path_factory):
    """A workflow takes them from the base, whatever the tree that it measures says."""
    base = tmp_path_factory.mktemp("base") / "baselines"
    (repository.root / "baselines").rename(base)
    assert gate("check").exit_code == 7
    assert gate("check", "--baselines", str(base)).exit_code == 0
    gate("measure", "--baselines", str(base), "-o", "run.json")
    assert set(timing_rules(card).stored) == {"flagship", "medium", "small"}


def test_a_refresh_stores_where_the_baselines_are_said_to_lie(repository, card, tmp_path_factory):
    base = tmp_path_factory.mktemp("base") / "baselines"
    shutil.copytree(repository.root / "baselines", base)
    file = base / "nvidia-h100-80gb-hbm3" / f"{KERNEL}.json"
    assert refresh("--baselines", str(base)).exit_code == 0
    assert json.loads(file.read_text())["baseline"]["reason"] == "because"
    assert repository.git("status", "--porcelain") == ""


def test_figures_of_another_toolchain_decide_nothing_and_suspect_all(repository, card, monkeypatch):
    tools = replace(RECORDED.environment.toolchain, triton="9.9")
    other = replace(RECORDED.environment, toolchain=tools)
    monkeypatch.setattr(measure, "read_environment", lambda *_a, **_k: other)
    answer = gate("check")
    assert answer.exit_code == 6
    assert "other_toolchain" in answer.output
    assert timing_rules(card).stored == {}
    assert "triton" in timing_rules(card).suspect


def test_where_ncu_is_missing_it_is_named_and_the_toolchain_is_not(repository, card, monkeypatch):
    card.ncu_path = None
    tools = replace(RECORDED.environment.toolchain, ncu=None)
    bare = replace(RECORDED.environment, toolchain=tools)
    monkeypatch.setattr(measure, "read_environment", lambda *_a, **_k: bare)
    answer = gate("check", "--gpu", "require")
    assert answer.exit_code == 6, answer.output
    assert "Nsight Compute (ncu) was not found" in answer.stdout.splitlines()[0]
    assert "next: gate doctor\n" in answer.stdout
    assert "toolchain" not in answer.output
    assert set(timing_rules(card).stored) == {"flagship", "medium", "small"}


def test_a_kernel_that_vanished_is_missed_unless_only_others_were_asked_for(repository, card):
    folder = repository.root / "baselines" / "nvidia-h100-80gb-hbm3"
    text = (folder / f"{KERNEL}.json").read_text()
    (folder / "vanished.json").write_text(text.replace(f'"{KERNEL}"', '"vanished"'))
    answer = gate("check")
    assert answer.exit_code == 7
    assert "kernel_missing" in answer.output
    assert gate("check", KERNEL).exit_code == 0


def test_a_slower_kernel_fails_and_names_runtime(repository, card):
    card.slow_down(1.1)
    answer = gate("check")
    assert answer.exit_code == 3
    assert " runtime +" in answer.stdout.splitlines()[0]


def test_a_wrong_kernel_is_not_timed(repository, card):
    wrong = Correctness(status="failed", backend="cuda", seed=7, message="off by one")
    card.change("bias", correctness=wrong)
    answer = gate("check")
    assert answer.exit_code == 4
    assert "off by one" in answer.output
    assert [step for step, _ in card.asked] == ["static", "correctness"]


def test_a_broken_contract_runs_nothing(repository, card):
    file = repository.root / "kernels" / KERNEL / "kernel.py"
    file.write_text("import os\n" + file.read_text())
    answer = gate("check")
    assert answer.exit_code == 4, answer.output
    assert "kernel.py:1" in answer.output
    assert card.asked == []


def test_a_contract_that_only_the_compiler_can_check_fails_the_same_way(repository, card):
    tall = Violation(code="hardware_limit", line=9, message="2048 threads in a block")
    card.violations = (tall,)
    answer = gate("check")
    assert answer.exit_code == 4
    assert "hardware_limit" in answer.output


def test_counters_that_cannot_be_read_are_the_environments_fault(repository, card):
    for name in ("flagship", "medium", "small"):
        card.change(name, ncu=FAILED, profile=None)
    answer = gate("check")
    assert answer.exit_code == 6
    assert "no counters: mend so" in answer.output


def test_without_ncu_the_check_ends_with_6(repository, card):
    card.ncu_path = None
    answer = gate("check")
    assert answer.exit_code == 6
    assert "ncu" in answer.output


def test_a_kernel_that_dies_while_it_is_timed_is_wrong(repository, card):
    died = NotMeasured(status="failed", reason="crashed", message="was ended by SIGSEGV")
    card.change("small", timing=died)
    answer = gate("check")
    assert answer.exit_code == 4
    assert ("ncu", ("flagship", "medium")) in card.asked


@pytest.mark.parametrize("value", [-1.0, 1e9, float("nan"), "31.1", None])
def test_metrics_are_held_against_the_schema_before_they_are_judged(repository, card, value):
    block = card.results["flagship"].ncu
    function = f"{KERNEL}_kernel"
    card.change("flagship", ncu={function: {**block[function], SM_THROUGHPUT: value}})
    answer = gate("check")
    assert answer.exit_code == 7, answer.output
    assert "Traceback" not in answer.output
    assert "not a number" in answer.output or f"$.results[0].ncu.{function}" in answer.output


def test_a_busy_gpu_is_refused_before_anything_runs(repository, card, monkeypatch):
    def busy(_gpu):
        raise MachineUnfit("the GPU is busy", hint="wait")

    monkeypatch.setattr(measure, "refuse_busy", busy)
    answer = gate("check")
    assert answer.exit_code == 6
    assert card.asked == []


def test_a_card_without_baselines_ends_with_7_and_the_refresh_command(
    repository, card, monkeypatch
):
    gpu = replace(RECORDED.environment.gpu, name="NVIDIA GeForce RTX 4090")
    environment = replace(RECORDED.environment, gpu=gpu)
    monkeypatch.setattr(measure, "find_gpu", lambda: gpu)
    monkeypatch.setattr(measure, "read_environment", lambda *_a, **_k: environment)
    answer = gate("check")
    assert answer.exit_code == 7
    assert f"gate baseline refresh {KERNEL}" in answer.output
    assert refresh().exit_code == 0
    assert (repository.root / "baselines/nvidia-geforce-rtx-4090" / f"{KERNEL}.json").is_file()
    assert gate("check").exit_code == 0


def test_a_refresh_is_refused_where_it_would_hide_something_and_says_how_to_go_on(repository, card):
    card.slow_down(1.08)
    answer = refresh()
    assert answer.exit_code == 3
    assert "--accept-regression" in answer.output
    assert refresh("--accept-regression").exit_code == 0
    card.slow_down(1.08)
    crept = refresh("--accept-regression")
    assert crept.exit_code == 3
    assert "has crept" in crept.output
    assert refresh("--accept-regression", "--new-anchor").exit_code == 0
    assert gate("check").exit_code == 0
    changed = repository.git("status", "--porcelain")
    assert changed == f"M baselines/nvidia-h100-80gb-hbm3/{KERNEL}.json"


def test_a_refresh_that_was_told_to_accept_says_what_it_accepted(repository, card):
    card.slow_down(1.08)
    answer = refresh("--accept-regression")
    assert "FAILED" not in answer.output
    assert "3 changes accepted" in answer.output
    assert "runtime accepted (slower)" in answer.output


@pytest.mark.parametrize("command", ["check", "refresh"])
def test_baselines_that_a_kernel_rewrites_count_as_they_were(repository, card, command):
    """A kernel may write where its user may, and knows what it is judged by."""
    card.slow_down(1.5)
    file = repository.root / "baselines" / "nvidia-h100-80gb-hbm3" / f"{KERNEL}.json"

    def rewrite(_step, _folder):
        plain = json.loads(file.read_text())
        for one in plain["results"]:
            if "process_medians_ns" in one["timing"]:
                medians = one["timing"]["process_medians_ns"]
                one["timing"]["process_medians_ns"] = [m * 1.5 for m in medians]
        file.write_text(json.dumps(plain))

    card.meanwhile = rewrite
    answer = gate("check") if command == "check" else refresh()
    assert answer.exit_code == 3, answer.output
    assert "runtime" in answer.output


@pytest.mark.parametrize("step", ["static", "correctness", "timing", "ncu"])
@pytest.mark.parametrize("name", ["kernel.py", "reference.py", "workloads.toml"])
@pytest.mark.parametrize("where", ["original", "copy"])
def test_a_kernel_that_rewrites_its_folder_is_found_out(repository, card, step, name, where):
    original = repository.root / "kernels" / KERNEL

    def rewrite(at, folder):
        assert folder.path != original
        assert folder.path.name == KERNEL
        file = (original if where == "original" else folder.path) / name
        file.write_text(file.read_text() + "# looks the same\n" * (at == step))

    card.meanwhile = rewrite
    answer = gate("check")
    assert answer.exit_code == 7, answer.output
    assert "tree_changed" in answer.output
    assert f"{name} changed while the gate was" in answer.output
    assert card.asked[-1][0] == step


def test_a_refresh_of_a_wrong_kernel_or_a_dirty_tree_writes_nothing(repository, card):
    (repository.root / "kernels" / KERNEL / "new.py").write_text("")
    assert refresh().exit_code == 2
    assert card.asked == []
    repository.commit("no longer dirty")
    card.change("bias", correctness=Correctness(status="crashed", backend="cuda", message="died"))
    answer = refresh("--accept-regression")
    assert answer.exit_code == 4
    assert "died" in answer.output
    assert repository.git("status", "--porcelain") == ""


def test_a_refresh_asks_for_a_reason(repository, card):
    assert gate("baseline", "refresh", KERNEL).exit_code == 2
    assert gate("baseline", "refresh", KERNEL, "--reason", " ").exit_code == 7
    assert card.asked == []


def test_a_card_newer_than_the_gate_is_measured_all_the_same(repository, card, monkeypatch):
    gpu = replace(RECORDED.environment.gpu, compute_capability="19.9")
    monkeypatch.setattr(measure, "find_gpu", lambda: gpu)
    monkeypatch.setattr(measure.static, "analyse", analyse)
    answer = gate("check", "-o", "run.json")
    assert answer.exit_code == 0, answer.output
    assert [step for step, _ in card.asked] == ["correctness", "timing", "ncu"]
    assert answer.stdout.count("not checked: the compiled code was not looked at") == 1
    assert "sm_199" in answer.stdout
    static = next(r.static for r in load_measurement(Path("run.json")).results if r.profile)
    assert (static.status, static.reason) == ("not_run", "unknown_gpu")


def test_a_push_is_measured_whole_and_its_suspects_against_what_the_remote_has(repository, card):
    base = repository.git("rev-parse", "HEAD")
    kernel = repository.root / "kernels" / KERNEL / "kernel.py"
    kernel.write_text(kernel.read_text() + "# changed\n")
    pushed = f"refs/heads/main {repository.commit('change')} refs/heads/main {base}\n"
    kernel.write_text("not pushed")
    passed = CliRunner().invoke(main, ["hook", "run", "origin", "url"], input=pushed)
    assert passed.exit_code == 0, passed.output
    assert [step for step, _ in card.asked] == ["static", "correctness", "timing", "ncu"]
    assert dict(card.asked)["timing"].base.commit == base
    assert "not checked" not in passed.output
    card.slow_down(1.1)
    slower = CliRunner().invoke(main, ["hook", "run", "origin", "url"], input=pushed)
    assert slower.exit_code == 3, slower.output
    assert "push anyway: git push --no-verify" in slower.output
