"""`gate hook` by real pushes to a bare repository.

Most kernels here break their contract: that needs no torch, and says which of them were checked.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from gate.cli import main
from gate.environment import find_gpu
from gate.git import base_kernel, head_commit
from gate.hook import changes, exported, find_repository
from gate.pushed import Update
from tests.pushing import QUIET, SMALL, checked, gate, refused

MAX_SECONDS = 1.0
# What else the machine does meanwhile is not the hook's: the least of a few is its own time.
ATTEMPTS = 5


def test_a_push_that_changes_no_kernel_takes_no_time(pushing):
    pushing.write("README.md", "words")
    pushing.write("kernels/README.md", "more words")
    commit = pushing.commit()
    seconds = []
    while len(seconds) < ATTEMPTS and min(seconds, default=MAX_SECONDS) >= MAX_SECONDS:
        started = time.monotonic()
        answer = pushing.push("--dry-run", "origin", "main")
        seconds.append(time.monotonic() - started)
        assert answer == (0, QUIET)
    assert min(seconds) < MAX_SECONDS
    assert pushing.push("origin", "main") == (0, QUIET)
    assert pushing.remote_has(commit)


def test_neither_torch_nor_the_driver_is_looked_for_without_a_changed_kernel(pushing):
    commit = pushing.git("rev-parse", "HEAD")
    source = (
        "import atexit, sys; from gate.cli import main; heavy = {'torch', 'triton', 'pynvml'}\n"
    )
    source += "atexit.register(lambda: print(heavy & {*sys.modules})); main()"
    ended = subprocess.run(
        [sys.executable, "-c", source, "hook", "run", "origin", "url"],
        input=f"refs/heads/main {commit} refs/heads/new {'0' * 40}\n",
        capture_output=True,
        text=True,
    )
    assert ended.stdout == f"{QUIET}set()\n", ended.stderr


def test_the_gate_that_runs_is_not_what_lies_in_the_working_tree(pushing):
    pushing.write("gate/__init__.py", "raise SystemExit('this is not the gate')")
    pushing.commit()
    assert pushing.push("origin", "main") == (0, QUIET)


def test_a_broken_contract_stops_the_push_unless_it_is_told_otherwise(pushing):
    commit = pushing.commit(relu="import sys\n")
    code, said = pushing.push("origin", "main")
    assert refused((code, said), "relu")
    assert "foreign_import" in said
    assert not pushing.remote_has(commit)
    assert not list(Path(os.environ["TMPDIR"]).iterdir())
    assert pushing.push("--no-verify", "origin", "main") == (0, "")
    assert pushing.remote_has(commit)


@pytest.mark.skipif(find_gpu() is not None, reason="there is a GPU here")
def test_a_good_kernel_passes_by_what_is_pushed_and_a_wrong_one_does_not(pushing):
    file = pushing.root / "kernels" / "relu" / "kernel.py"
    pushing.commit(relu=(SMALL / "kernel.py").read_text())
    stored = CliRunner().invoke(
        main, ["baseline", "refresh", "relu", "--gpu", "skip", "--reason", "first"]
    )
    assert stored.exit_code == 0, stored.output
    commit = pushing.commit()
    file.write_text("this is nowhere but in the working tree")
    code, said = pushing.push("origin", "main")
    assert (code, checked(said)) == (0, [["relu"]]), said
    assert "PASSED: 1 workload correct" in said
    assert said.count("not checked: performance (") == said.count("not checked") == 1
    assert pushing.remote_has(commit)

    good = (SMALL / "kernel.py").read_text()
    assert "return scaled_relu(x)" in good
    pushing.commit(relu=good.replace("return scaled_relu(x)", "return scaled_relu(x) + (1 / 0)"))
    file.write_text(good)
    code, said = pushing.push("origin", "main")
    assert refused((code, said), "relu")
    assert 'File "kernels/relu/kernel.py", line ' in said
    assert file.read_text() == good


def test_index_and_working_tree_stay_as_they_are(pushing):
    pushing.commit(relu="import sys\n")
    pushing.write("kernels/conv/kernel.py", "staged")
    pushing.git("add", ".")
    pushing.write("kernels/conv/kernel.py", "changed after")
    pushing.write("kernels/new/kernel.py", "untracked")
    index = (pushing.root / ".git" / "index").read_bytes()
    before = pushing.git("status", "--porcelain", "--untracked-files=all")
    assert refused(pushing.push("origin", "main"), "relu")
    assert (pushing.root / ".git" / "index").read_bytes() == index
    assert pushing.git("status", "--porcelain", "--untracked-files=all") == before
    assert pushing.git("worktree", "list").count("\n") == 0


def test_a_new_branch_is_held_against_what_the_remotes_branches_have(pushing):
    pushing.commit(conv="import sys\n")
    pushing.push("--no-verify", "origin", "main")
    pushing.git("checkout", "--quiet", "-b", "topic")
    pushing.commit(relu="import sys\n")
    assert refused(pushing.push("origin", "topic"), "relu")
    # What other branches of the remote have is no change either.
    pushing.push("--no-verify", "origin", "topic:other")
    assert pushing.push("origin", "topic") == (0, QUIET)


def test_where_nothing_is_known_of_the_remote_every_kernel_is_checked(pushing, tmp_path_factory):
    elsewhere = str(tmp_path_factory.mktemp("elsewhere"))
    pushing.git("init", "--quiet", "--bare", elsewhere)
    code, said = pushing.push(elsewhere, "main")
    assert refused((code, said), "conv", "relu")
    assert "nothing is known here of what the remote has" in said


def test_a_forced_push_is_held_against_what_it_replaces(pushing):
    start = pushing.git("rev-parse", "HEAD")
    pushing.commit(relu="import sys\n")
    pushing.push("--no-verify", "origin", "main")
    pushing.git("reset", "--quiet", "--hard", start)
    pushing.commit(conv="import sys\n")
    assert refused(pushing.push("--force", "origin", "main"), "conv", "relu")


def test_a_forced_push_over_what_was_never_fetched(pushing, tmp_path_factory):
    clone = tmp_path_factory.mktemp("clone") / "repository"
    pushing.git("clone", "--quiet", pushing.git("remote", "get-url", "origin"), str(clone))
    (clone / "kernels" / "relu" / "kernel.py").write_text("theirs")
    identity = ("-c", "user.name=Bo", "-c", "user.email=bo@example.org")
    pushing.git("-C", str(clone), *identity, "commit", "--quiet", "-am", "theirs")
    pushing.git("-C", str(clone), "push", "--quiet")
    pushing.commit(conv="import sys\n")
    assert refused(pushing.push("--force", "origin", "main"), "conv")


def test_deleted_refs_and_tags_are_none_of_its_business(pushing):
    pushing.git("push", "--quiet", "--no-verify", "origin", "main:old")
    assert pushing.push("origin", ":old") == (0, QUIET)
    commit = pushing.commit(relu="import sys\n")
    pushing.git("tag", "--annotate", "-m", "tag", "v1")
    assert pushing.push("origin", "v1") == (0, QUIET)
    # A branch that is made of a tag is a branch.
    assert refused(pushing.push("origin", "v1:refs/heads/new"), "relu")
    assert not pushing.remote_has(commit, "new")


def test_several_refs_at_once(pushing):
    pushing.commit(conv="import sys\n")
    pushing.git("branch", "one")
    pushing.git("branch", "same")
    pushing.commit(relu="import sys\n")
    pushing.git("branch", "-f", "two")
    code, said = pushing.push("origin", "one", "same", "two", "main~1:main", ":refs/heads/absent")
    assert code == 1
    assert checked(said) == [["conv"], ["conv", "relu"]]


def test_a_deleted_kernel_whose_baseline_is_left_concerns_all(pushing):
    pushing.write("baselines/sm_89/relu.json", "{}")
    pushing.commit()
    pushing.git("push", "--quiet", "--no-verify", "origin", "main")
    pushing.git("rm", "--quiet", "-r", "kernels/relu")
    pushing.commit()
    assert refused(pushing.push("origin", "main"), "conv")
    pushing.git("rm", "--quiet", "baselines/sm_89/relu.json")
    pushing.commit()
    assert pushing.push("origin", "main") == (0, QUIET)


def test_deleted_kernels_are_not_checked_and_incomplete_ones_do_not_pass(pushing):
    pushing.git("rm", "--quiet", "-r", "kernels/relu")
    pushing.commit()
    assert pushing.push("origin", "main") == (0, QUIET)
    pushing.git("rm", "--quiet", "kernels/conv/kernel.py")
    pushing.commit()
    code, said = pushing.push("origin", "main")
    assert code == 1
    assert "error: kernels/conv has no kernel.py" in said
    assert "; or push anyway: git push --no-verify" in said


@pytest.mark.parametrize(
    ("name", "text", "kernels"),
    [
        ("kernels/relu/workloads.toml", "", {"relu"}),
        ("kernels/relu/deeper/notes.txt", "", {"relu"}),
        ("baselines/sm_89/conv.json", "{}", {"conv"}),
        ("baselines/sm_89/absent.json", "{}", None),
        ("pyproject.toml", "[tool.gate]\nruntime_tolerance = 0.02\n", {"conv", "relu"}),
        ("pyproject.toml", "[tool.gate]\n[tool.other]\nkey = 1\n", None),
        ("pyproject.toml", "[tool.gate]\nkernels = 1\n", set()),
        ("pyproject.toml", "[tool.gate]\nkernels = '../kernels'\n", set()),
        ("other/kernels/relu/kernel.py", "", None),
    ],
)
def test_which_files_concern_which_kernels(pushing, name, text, kernels):
    pushing.write(name, text)
    pushing.commit()
    code, said = pushing.push("origin", "main")
    if kernels is None:
        assert (code, said) == (0, QUIET)
    else:
        assert code == 1
        assert [set(names) for names in checked(said)] == ([kernels] if kernels else []), said


def test_a_kernel_that_is_a_link_is_always_checked(pushing):
    pushing.write("shared/kernel.py", "import sys\n")
    (pushing.root / "kernels" / "linked").symlink_to("../shared")
    (pushing.root / "kernels" / "README.md").symlink_to("../README.md")
    pushing.commit()
    pushing.push("--no-verify", "origin", "main")
    pushing.write("shared/reference.py", "import torch\n")
    pushing.commit()
    code, said = pushing.push("origin", "main")
    assert (code, checked(said)) == (1, [["linked"]])
    assert "has no kernel" not in said
    (pushing.root / "kernels").rename(pushing.root / "moved")
    (pushing.root / "kernels").symlink_to("moved")
    pushing.commit()
    code, said = pushing.push("origin", "main")
    assert code == 1
    assert "kernels is no folder in this push" in said


def test_attributes_and_sparse_checkouts_hide_no_kernel(pushing):
    pushing.write(".gitattributes", "kernels/** export-ignore\n")
    pushing.commit(relu="import sys\n")
    pushing.git("sparse-checkout", "set", "--no-cone", "/pyproject.toml")
    code, said = pushing.push("origin", "main")
    assert refused((code, said), "relu")
    assert "foreign_import" in said


def test_what_git_shows_in_place_of_a_file_is_not_what_is_pushed(pushing):
    pushing.commit(relu="import sys\n")
    file = "kernels/relu/kernel.py"
    pushing.git("replace", "-f", f"HEAD:{file}", f"HEAD~1:{file}")
    code, said = pushing.push("origin", "main")
    assert refused((code, said), "relu")
    assert "import sys" in said


def test_a_check_that_is_ended_leaves_no_copy_behind(pushing):
    commit = pushing.commit(relu=(SMALL / "kernel.py").read_text())
    scratch = Path(os.environ["TMPDIR"])
    script = [sys.executable, "-m", "gate", "hook", "run", "origin", "url"]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        running.stdin.write(f"refs/heads/main {commit} refs/heads/main {'0' * 40}\n".encode())
        running.stdin.close()
        deadline = time.monotonic() + 60
        while len(list(scratch.glob("gate-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        running.terminate()
    assert running.returncode == 128 + signal.SIGTERM
    assert not list(scratch.iterdir())


def test_a_project_below_the_top(pushing, monkeypatch):
    below = pushing.root / "sub" / "project"
    pushing.write("sub/project/pyproject.toml", "[tool.gate]\nkernels = 'k'\n")
    pushing.write("sub/project/k/small/reference.py", (SMALL / "reference.py").read_text())
    pushing.write("sub/project/k/small/kernel.py", "import sys\n")
    pushing.commit(relu="another project's")
    monkeypatch.chdir(below)
    other = gate("install")
    assert other.exit_code == 7
    assert "checks another project of this repository" in other.output
    assert gate("uninstall").exit_code == 0
    assert gate("install").exit_code == 0
    assert refused(pushing.push("origin", "main"), "small")


def test_a_worktree_pushes_its_own_commit(pushing, tmp_path_factory):
    tree = tmp_path_factory.mktemp("worktree") / "tree"
    pushing.git("worktree", "add", "--quiet", str(tree), "-b", "topic")
    pushing.commit(conv="import sys\n")
    (tree / "kernels" / "relu" / "kernel.py").write_text("import sys\n")
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    pushing.git("-C", str(tree), *identity, "commit", "--quiet", "--all", "-m", "change")
    assert refused(pushing.push("origin", "topic", cwd=tree), "relu")
    assert pushing.git("-C", str(tree), "status", "--porcelain") == ""
    assert pushing.git("worktree", "list").count("\n") == 1


def test_what_git_sets_for_a_hook_does_not_lead_elsewhere(pushing, monkeypatch, tmp_path_factory):
    bare = tmp_path_factory.mktemp("elsewhere")
    moved = bare / "git"
    pushing.commit(relu="import sys\n")
    (pushing.root / ".git").rename(moved)
    monkeypatch.setenv("GIT_DIR", str(moved))
    monkeypatch.setenv("GIT_WORK_TREE", str(pushing.root))
    monkeypatch.setenv("GIT_INDEX_FILE", str(bare / "no-index"))
    assert refused(pushing.push("origin", "main"), "relu")
    assert not (bare / "no-index").exists()


def test_a_worktree_of_a_bare_repository_has_the_bases_kernel_at_hand(
    pushing, tmp_path_factory, monkeypatch
):
    bare, tree = (tmp_path_factory.mktemp(name) / name for name in ("bare", "tree"))
    base = pushing.git("rev-parse", "HEAD")
    commit = pushing.commit(relu="import sys\n")
    pushing.git("clone", "--quiet", "--bare", str(pushing.root), str(bare))
    pushing.git("-C", str(bare), "worktree", "add", "--quiet", str(tree), "main")
    repository = find_repository(tree)
    update = Update(revision=commit, remote_ref="refs/heads/main", remote_revision=base)
    (change,) = changes(repository, [update], remote="origin", project=".")
    with exported(repository, change) as config:
        file = config.kernels / "relu" / "kernel.py"
        assert file.read_text() == "import sys\n"
        assert base_kernel(config.root, change.base, file).source == b"import os  # relu\n"
        assert head_commit(config.root) == commit
    assert not config.root.exists()
    assert pushing.git("-C", str(tree), "status", "--porcelain") == ""


# ---------------------------------------------------------------------------- without git's lines


def test_pre_commit_says_it_in_variables(pushing, monkeypatch):
    base = pushing.git("rev-parse", "HEAD")
    commit = pushing.commit(relu="import sys\n")
    monkeypatch.setenv("PRE_COMMIT", "1")
    monkeypatch.setenv("PRE_COMMIT_REMOTE_NAME", "origin")
    monkeypatch.setenv("PRE_COMMIT_REMOTE_BRANCH", "refs/heads/main")
    monkeypatch.setenv("PRE_COMMIT_LOCAL_BRANCH", "refs/heads/main")
    monkeypatch.setenv("PRE_COMMIT_FROM_REF", base)
    monkeypatch.setenv("PRE_COMMIT_TO_REF", commit)
    answer = gate("run", input="")
    assert answer.exit_code == 7
    assert checked(answer.output) == [["relu"]]
    monkeypatch.setenv("PRE_COMMIT_FROM_REF", commit)
    assert gate("run", input="").output == QUIET
    # What git says itself is not overruled.
    line = f"refs/heads/main {commit} refs/heads/main {base}\n"
    assert gate("run", "origin", "url", input=line).exit_code == 7


def test_all_files_of_pre_commit_are_all_kernels(pushing, monkeypatch):
    monkeypatch.setenv("PRE_COMMIT", "1")
    assert checked(gate("run", input="").output) == [["conv", "relu"]]


def test_a_push_of_nothing_and_lines_that_are_none(pushing):
    assert (gate("run", input="").exit_code, gate("run", input="").output) == (0, "")
    strange = gate("run", input="three words only\n")
    assert strange.exit_code == 7
    assert "does not describe a ref of a push" in strange.output
    absent = f"refs/heads/main {'1' * 40} refs/heads/main {'0' * 40}\n"
    assert "is no commit" in gate("run", input=absent).output
