"""`gate plan` in a real repository: two kernels on `main`, and a change that left it."""

import pytest
from click.testing import CliRunner

from gate.cli import main


@pytest.fixture
def change(project):
    for name in ("conv", "relu"):
        write(project, f"kernels/{name}/kernel.py", "import torch\n")
    write(project, "baselines/card/conv.json", "{}\n")
    project.commit("two kernels")
    project.git("switch", "--quiet", "--create", "change")
    project.git("branch", "--force", "main")
    return project


def write(project, name, text):
    file = project.root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def planned(*arguments):
    answer = CliRunner().invoke(main, ["plan", "--base", "main", *arguments])
    assert answer.exit_code == 0, answer.output
    return answer.stdout.splitlines()


@pytest.mark.parametrize(
    ("file", "kernels"),
    [
        ("README.md", ""),
        ("kernels/README.md", ""),
        ("gate/cli.py", ""),
        ("kernels/relu/kernel.py", "relu"),
        ("kernels/relu/workloads.toml", "relu"),
        ("baselines/card/conv.json", "conv"),
        ("kernels/new/kernel.py", "new"),
    ],
)
def test_a_change_concerns_the_kernels_whose_files_it_changes(change, file, kernels):
    write(change, file, "changed\n")
    change.commit("a change")
    assert planned() == [f"kernels={kernels}", "whole=false"]


def test_what_others_changed_meanwhile_is_not_this_changes(change):
    write(change, "kernels/relu/kernel.py", "changed\n")
    change.commit("a change")
    change.git("switch", "--quiet", "main")
    write(change, "kernels/conv/kernel.py", "changed\n")
    change.commit("main moves on")
    assert planned("--head", "change") == ["kernels=relu", "whole=false"]


def test_a_merge_that_brings_back_what_one_of_its_parents_had_concerns_all(change):
    """Held against that parent alone it changes nothing, and merged it would undo the other."""
    change.git("switch", "--quiet", "--create", "better", "main")
    write(change, "kernels/relu/kernel.py", "better\n")
    better = change.commit("a better kernel")
    change.git("switch", "--quiet", "main")
    write(change, "README.md", "news\n")
    before = change.commit("news")
    change.git("merge", "--quiet", "--no-ff", "--message", "merged", "better")
    for first, second in ((before, better), (better, before)):
        change.git("switch", "--quiet", "--detach", first)
        change.git("merge", "--quiet", "--no-ff", "--no-commit", second)
        write(change, "kernels/relu/kernel.py", "import torch\n")
        change.commit("merged, with the kernel as it was")
        assert planned() == ["kernels=conv relu", "whole=true"]
        change.git("merge", "--quiet", "--message", "undone", "main")
        assert change.git("show", "HEAD:kernels/relu/kernel.py") == "import torch"


def test_a_kernel_that_is_gone_concerns_all_whose_baselines_stay(change):
    change.git("rm", "--quiet", "-r", "kernels/conv")
    change.commit("a kernel less")
    assert planned() == ["kernels=relu", "whole=true"]


def test_another_configuration_concerns_all(change):
    change.configure("runtime_tolerance = 0.02")
    change.commit("another tolerance")
    assert planned() == ["kernels=conv relu", "whole=true"]


def test_a_configuration_reached_by_a_link_is_refused(change):
    hidden = "#/pyproject.toml"  # as TOML a comment: the link would read as no configuration
    write(change, hidden, "[tool.gate]\nruntime_tolerance = 0.2\n")
    (change.root / "pyproject.toml").unlink()
    (change.root / "pyproject.toml").symlink_to(hidden)
    change.commit("another tolerance")
    answer = CliRunner().invoke(main, ["plan", "--base", "main"])
    assert (answer.exit_code, answer.stdout) == (7, "")
    assert "pyproject.toml is a link" in answer.output
    change.git("branch", "--force", "main")
    (change.root / "pyproject.toml").unlink()
    write(change, "pyproject.toml", "[tool.gate]\n")
    change.commit("the file itself")
    assert planned() == ["kernels=conv relu", "whole=true"]


@pytest.mark.parametrize("where", ["nowhere", "linked", "sub"])
def test_where_no_kernel_is_seen_nothing_is_told_of_them(change, where):
    (change.root / "linked").symlink_to(".")
    change.git("init", "--quiet", "sub")
    change.git("-C", "sub", "commit", "--quiet", "--allow-empty", "--message", "one")
    change.commit("a link and a submodule")
    change.git("branch", "--force", "main")
    write(change, "kernels/relu/kernel.py", "changed\n")
    change.git("-C", "sub", "commit", "--quiet", "--allow-empty", "--message", "two")
    change.commit("a change")
    answer = CliRunner().invoke(main, ["plan", "--base", "main", "--project", where])
    assert (answer.exit_code, answer.stdout) == (7, "")
    assert f"holds no kernel in {where}/kernels" in answer.output


@pytest.mark.parametrize("name", ["other", "A B", "$(touch x)", "conv.json"])
def test_a_baseline_that_no_kernel_has_concerns_all(change, name):
    write(change, f"baselines/card/{name}.json", "{}\n")
    change.commit("a baseline of nothing")
    assert planned() == ["kernels=conv relu", "whole=true"]


def test_a_baseline_that_no_kernel_has_may_go(change):
    write(change, "baselines/card/other.json", "{}\n")
    change.commit("a baseline of nothing")
    change.git("branch", "--force", "main")
    change.git("rm", "--quiet", "baselines/card/other.json")
    change.commit("and its end")
    assert planned() == ["kernels=", "whole=false"]


@pytest.mark.parametrize("name", ["two words", "new\nwhole=false", "Upper"])
def test_a_name_that_would_be_an_output_of_its_own_is_refused(change, name):
    write(change, f"kernels/{name}/kernel.py", "import torch\n")
    change.commit("a hostile name")
    answer = CliRunner().invoke(main, ["plan", "--base", "main"])
    assert answer.exit_code == 7
    assert "no name of a kernel" in answer.output
    assert "kernels=" not in answer.stdout


def test_a_commit_that_is_not_here_is_told(change):
    answer = CliRunner().invoke(main, ["plan", "--base", "f" * 40])
    assert answer.exit_code == 7
    assert f"git fetch origin {'f' * 40}" in answer.output
    change.git("switch", "--quiet", "--orphan", "alone")
    change.git("commit", "--quiet", "--allow-empty", "--message", "no parent")
    answer = CliRunner().invoke(main, ["plan", "--base", "main"])
    assert answer.exit_code == 7
    assert "no common commit" in answer.output


def test_the_project_is_the_one_around_here(project, monkeypatch):
    write(project, "sub/pyproject.toml", "[tool.gate]\n")
    write(project, "sub/kernels/relu/kernel.py", "import torch\n")
    project.commit("a project below the top")
    project.git("branch", "--force", "old")
    write(project, "sub/kernels/relu/kernel.py", "changed\n")
    project.commit("a change")
    monkeypatch.chdir(project.root / "sub" / "kernels")
    answer = CliRunner().invoke(main, ["plan", "--base", "old"])
    assert answer.stdout.splitlines() == ["kernels=relu", "whole=false"]
