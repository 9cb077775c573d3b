"""`gate judge --proposed`: a base and a head of a real repository, judged as a workflow does it.

Harness, configuration and baselines are the base's; of the head only the measurement, which is
hostile, and the folder of baselines, which is data.
"""

import json
import os
import subprocess
from dataclasses import replace

import pytest
from click.testing import CliRunner

from gate.baselines import Baselines
from gate.cli import main
from gate.documents import measurement_json
from gate.schemas import schema_errors
from tests.factories import measurement, refreshed, result
from tests.judging import times

GPU = "nvidia-h100-80gb-hbm3"
SLOWER = measurement(result(timing=times(1.05)))
TRUSTED = refreshed(measurement())


class Change:
    """A repository with a base and a head, each checked out beside the other."""

    def __init__(self, project):
        self.project, self.root = project, project.root
        self.baselines(self.root).write(TRUSTED)
        self.base = project.commit("a baseline")
        project.git("switch", "--quiet", "--create", "change")

    def baselines(self, root):
        return Baselines(root / "baselines" / GPU, "sm_89")

    def judged(self, measured, *options):
        """As the judging job: in the base's tree, with the head's baselines as a folder of data."""
        head = self.project.commit("the change") if self.dirty() else self.base
        self.project.git("worktree", "add", "--quiet", "--detach", "../harness", self.base)
        self.project.git("worktree", "add", "--quiet", "--detach", "../candidate", head)
        harness, candidate = self.root.parent / "harness", self.root.parent / "candidate"
        os.chdir(harness)
        (harness / "run.json").write_text(measurement_json(measured))
        options = ("--proposed", str(candidate / "baselines"), *options)
        return CliRunner().invoke(main, ["judge", "run.json", "--all", *options])

    def dirty(self):
        return bool(self.project.git("status", "--porcelain"))


@pytest.fixture
def change(project, tmp_path_factory, monkeypatch):
    root = tmp_path_factory.mktemp("of-change") / "repository"
    subprocess.run(["git", "clone", "--quiet", project.root, root], check=True)
    project.root = root
    monkeypatch.chdir(root)
    return Change(project)


def test_a_refreshed_baseline_of_the_same_change_accepts_it(change):
    change.baselines(change.root).write(refreshed(SLOWER, TRUSTED))
    answer = change.judged(SLOWER, "--json", "verdict.json", "--markdown", "report.md")
    assert answer.exit_code == 0, answer.output
    assert "Proposed baseline changes to approve by the owners of baselines/" in answer.output
    assert "bounds are checked now" in answer.output
    harness = change.root.parent / "harness"
    verdict = json.loads((harness / "verdict.json").read_text())
    assert not list(schema_errors("verdict", verdict))
    (runtime,) = (f for f in verdict["findings"] if f["subject"] == "runtime")
    assert (runtime["status"], runtime["reason"]["code"]) == ("accepted", "slower")
    assert "to approve by the owners" in (harness / "report.md").read_text()


def nothing(_change):
    """The baselines as they were."""


def slower_than_measured(change):
    slow = measurement(result(timing=times(1.5)))
    change.baselines(change.root).write(refreshed(slow, TRUSTED))


def gone(change):
    change.baselines(change.root).file("conv").unlink()


def all_gone(change):
    change.project.git("rm", "-r", "--quiet", "baselines")


def no_json(change):
    change.baselines(change.root).file("conv").write_text("{")


def not_a_number(change):
    file = change.baselines(change.root).file("conv")
    file.write_text(file.read_text().replace("356500.0", "NaN", 1))


def a_link(change):
    file = change.baselines(change.root).file("conv")
    file.unlink()
    file.symlink_to("/etc/passwd")


def a_link_to_a_good_one(change):
    file = change.baselines(change.root).file("conv")
    change.baselines(change.root).write(refreshed(SLOWER, TRUSTED))
    file.rename(change.root / "elsewhere.json")
    file.symlink_to("../../elsewhere.json")


def a_linked_folder(change):
    change.baselines(change.root).write(refreshed(SLOWER, TRUSTED))
    (change.root / "baselines").rename(change.root / "elsewhere")
    (change.root / "baselines").symlink_to("elsewhere")


def a_folder_in_its_place(change):
    file = change.baselines(change.root).file("conv")
    file.unlink()
    file.mkdir()
    (file / "x").write_text("")


def of_another_card(change):
    gpu = replace(SLOWER.environment.gpu, name="NVIDIA A100")
    forged = refreshed(measurement(result(timing=times(1.05)), gpu=gpu), TRUSTED)
    change.baselines(change.root).write(forged)


def a_laxer_gate(change):
    """Harness, configuration and workflow of the head, none of which the verdict comes from."""
    (change.root / "pyproject.toml").write_text("[tool.gate]\nruntime_tolerance = 0.5\n")
    (change.root / "gate").mkdir()
    (change.root / "gate" / "__init__.py").write_text("raise SystemExit(0)\n")
    (change.root / ".github" / "workflows").mkdir(parents=True)
    (change.root / ".github" / "workflows" / "gpu-gate.yml").write_text("on: push\n")


@pytest.mark.parametrize(
    ("edit", "exit_code"),
    [
        (nothing, 3),
        (gone, 3),
        (all_gone, 3),
        (a_laxer_gate, 3),
        (slower_than_measured, 7),
        (no_json, 7),
        (not_a_number, 7),
        (a_link, 7),
        (a_link_to_a_good_one, 7),
        (a_linked_folder, 7),
        (a_folder_in_its_place, 7),
        (of_another_card, 7),
    ],
)
def test_nothing_else_in_the_head_changes_the_verdict(change, edit, exit_code):
    edit(change)
    answer = change.judged(SLOWER)
    assert answer.exit_code == exit_code, answer.output
    assert "(slower)" in answer.output
    assert ("proposal_disagrees" in answer.output) == (exit_code == 7)
    assert "root:" not in answer.output


def test_a_proposal_that_disagrees_fails_what_is_green(change):
    slower_than_measured(change)
    answer = change.judged(measurement())
    assert answer.exit_code == 7
    assert "proposal_disagrees" in answer.output


def test_a_baseline_of_a_kernel_that_was_not_measured_is_not_taken_on_trust(change):
    change.baselines(change.root).write(refreshed(measurement(result("second"))))
    answer = change.judged(measurement())
    assert answer.exit_code == 7
    assert "proposal_disagrees" in answer.output


def test_a_new_kernel_comes_with_its_baseline(change):
    second = measurement(result("second"))
    change.baselines(change.root).write(refreshed(second))
    both = measurement(result(), result("second"))
    answer = change.judged(both)
    assert answer.exit_code == 0, answer.output
    assert "no_baseline" in answer.output


def test_a_file_that_no_kernel_can_be_named_by_ends_with_7(change):
    (change.root / "baselines" / GPU / "A B.json").write_text("{}")
    answer = change.judged(measurement())
    assert answer.exit_code == 7
    assert "cannot name a kernel" in answer.output
