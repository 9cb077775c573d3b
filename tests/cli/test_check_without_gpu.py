"""`gate check` for real on a machine without a GPU, with a kernel small enough to be quick."""

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


def test_from_no_baseline_to_a_wrong_kernel(repository, scratch):
    first = gate("check")
    assert first.exit_code == 7, first.output
    assert 'gate baseline refresh relu --gpu skip --reason "why"' in first.output

    assert gate("baseline", "refresh", "--gpu", "skip", "--reason", "first").exit_code == 0
    repository.commit("a baseline")
    again = gate("check", "--markdown", "report.md")
    assert again.exit_code == 0, again.output
    said = "runtime, SM throughput and DRAM throughput were not measured here"
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
    assert "gate doctor" in answer.output
