"""`gate check` for real on a machine without a GPU, with a kernel small enough to be quick."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from gate.cli import main
from gate.environment import find_gpu

SMALL = Path(__file__).parents[1] / "broken_kernels" / "correctness" / "good_kernelbench"

pytestmark = pytest.mark.skipif(find_gpu() is not None, reason="there is a GPU here")


@pytest.fixture
def repository(project):
    folder = project.root / "kernels" / "relu"
    folder.mkdir(parents=True)
    for name in ("kernel.py", "reference.py"):
        shutil.copy(SMALL / name, folder / name)
    project.commit("an unmodified KernelBench problem, without workloads.toml")
    return project


def gate(*arguments, env=None):
    return CliRunner().invoke(main, list(arguments), env=env)


@pytest.fixture
def scratch(tmp_path_factory, monkeypatch):
    """A folder for temporary files that nobody else uses."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_a_measurement_says_of_which_run_and_which_text_it_is(repository, scratch):
    known = {"head_sha": "a" * 40, "base_sha": "b" * 40, "nonce": "n", "run": "7/1"}
    Path("binding.json").write_text(json.dumps(known))
    answer = gate("measure", "--gpu", "skip", "--binding", "binding.json", "-o", "run.json")
    assert answer.exit_code == 0, answer.output
    measured = json.loads(Path("run.json").read_text())
    assert measured["binding"] == known
    text = (SMALL / "kernel.py").read_bytes()
    assert measured["sources"] == {"relu": hashlib.sha256(text).hexdigest()}


def test_a_broken_binding_is_refused_before_anything_runs(repository):
    Path("binding.json").write_text('{"run": "7/1"}')
    answer = gate("measure", "--gpu", "skip", "--binding", "binding.json", "-o", "run.json")
    assert answer.exit_code == 7
    assert not Path("run.json").exists()


def test_from_no_baseline_to_a_wrong_kernel(repository, scratch):
    first = gate("check")
    assert first.exit_code == 7, first.output
    assert 'gate baseline refresh relu --gpu skip --reason "why"' in first.output

    stored = gate("baseline", "refresh", "--gpu", "skip", "--reason", "first")
    assert stored.exit_code == 0
    assert "wrote baselines/sm_89/relu.json" in stored.output
    assert "occupancy" in stored.output
    assert len(stored.output.splitlines()) < 10
    repository.commit("a baseline")
    again = gate("check", "--markdown", "report.md")
    assert again.exit_code == 0, again.output
    said = "performance (runtime, SM throughput, DRAM throughput)"
    assert f"{said}: this machine has no GPU" in again.output
    assert said in Path("report.md").read_text()

    kernel = repository.root / "kernels" / "relu" / "kernel.py"
    text = kernel.read_text()
    assert "tl.maximum(x, 0.0)" in text
    kernel.write_text(text.replace("tl.maximum(x, 0.0)", "tl.maximum(x, 0.125)"))
    wrong = gate("check")
    assert wrong.exit_code == 4, wrong.output
    assert "wrong_result" in wrong.output
    assert "--seed" in wrong.output
    assert not list(scratch.iterdir())


def test_a_measurement_on_stdout_is_not_called_a_file(repository):
    answer = gate("measure", "-o", "-")
    assert answer.exit_code == 0, answer.output
    assert len(json.loads(answer.stdout)["results"]) == 1
    assert "1 result on stdout\n" in answer.stderr


def test_a_kernel_that_rewrites_its_reference_while_it_runs(repository):
    """What it changes is a copy, and no figure of that run counts."""
    kernel = repository.root / "kernels" / "relu" / "kernel.py"
    reference = kernel.with_name("reference.py")
    before = reference.read_text()
    call = "return scaled_relu(x)"
    rewrite = 'open(__file__.replace("kernel.py", "reference.py"), "a").write("x = 1")'
    assert call in kernel.read_text()
    kernel.write_text(kernel.read_text().replace(call, f"{rewrite}\n        {call}"))
    answer = gate("check")
    assert answer.exit_code == 7, answer.output
    assert "tree_changed" in answer.output
    assert "reference.py changed while the gate was" in answer.output
    assert reference.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("check", "--gpu", "require"), 6, "a GPU is required"),
        (("check", "absent"), 7, "no kernel named 'absent'"),
        (("check", "--gpu", "maybe"), 2, "maybe"),
        (("check", "--processes", "2"), 2, "processes"),
        (("measure",), 2, "--output"),
        (("baseline", "refresh", "relu"), 2, "--reason"),
        (("baseline", "show", "absent"), 7, "no baseline of absent"),
    ],
)
def test_what_cannot_be_done_says_so_at_once(repository, arguments, exit_code, said):
    answer = gate(*arguments)
    assert answer.exit_code == exit_code
    assert said in answer.output
    assert "Traceback" not in answer.output


def test_under_ci_no_gpu_is_no_pass(repository):
    answer = gate("check", env={"CI": "true"})
    assert answer.exit_code == 6
    (step,) = (line for line in answer.output.splitlines() if line.startswith("  next: "))
    assert "CI is set, so a GPU is required: run this on the GPU runner" in step
    assert "gate doctor" in step
    assert "--gpu skip" in step


def test_who_asks_for_a_gpu_is_not_told_about_ci(repository):
    answer = gate("check", "--gpu", "require", env={"CI": "true"})
    assert answer.exit_code == 6
    assert "CI is set" not in answer.output


@pytest.mark.parametrize("given", ["relu/", "kernels/relu", "kernels/relu/", "./kernels/relu"])
def test_a_kernels_path_names_it_too(repository, given):
    (repository.root / "kernels" / "relu" / "kernel.py").write_text("import os\n")
    answer = gate("check", given)
    assert answer.exit_code == 7, answer.output
    assert "no kernel named" not in answer.output
    assert "relu" in answer.output
    shown = gate("baseline", "show", given)
    assert "no baseline of relu in" in shown.output


def test_the_folder_one_stands_in_names_its_kernel(repository, monkeypatch):
    monkeypatch.chdir(repository.root / "kernels" / "relu")
    assert "no baseline of relu in" in gate("baseline", "show", ".").output


@pytest.mark.parametrize("given", ["other/relu", "kernels", "."])
def test_other_paths_name_no_kernel(repository, given):
    assert "no kernel named" in gate("check", given).output


def test_a_workloads_file_with_a_fault_says_where_to_look(repository):
    file = repository.root / "kernels" / "relu" / "workloads.toml"
    file.write_text("[workload.big]\nbenchmrk = true\n")
    answer = gate("check")
    assert answer.exit_code == 7
    assert "benchmrk" in answer.output
    assert "next: the gate's README says" in answer.output
