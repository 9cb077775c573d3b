"""`gate hook install` and what it leaves of the hooks that are there."""

import os
import re
import shutil
import stat

import pytest

from tests.pushing import checked, gate, refused


def hook_of(pushing, folder=".git/hooks"):
    return pushing.root / folder / "pre-push"


def foreign(pushing, text, folder=".git/hooks"):
    file = hook_of(pushing, folder)
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_installing_twice_is_installing_once_and_uninstalling_leaves_nothing(pushing):
    file = hook_of(pushing)
    text = file.read_text()
    assert gate("install").output == f"wrote {file}\n"
    assert file.read_text() == text
    assert file.stat().st_mode & stat.S_IXUSR
    assert gate("uninstall").output == f"removed {file}\n"
    assert gate("uninstall").output == f"there is no {file}; nothing was changed\n"
    assert [f for f in file.parent.iterdir() if not f.name.endswith(".sample")] == []


def test_a_hook_that_was_there_is_called_first_with_all_that_git_says(pushing):
    gate("uninstall")
    file = foreign(pushing, 'cat > heard; echo "$@" >> heard; [ ! -e stop ]')
    before = file.read_text()
    for _ in range(2):
        assert "pre-push.before-gate is called first" in gate("install").output
    commit = pushing.commit(relu="import sys\n")
    start = pushing.git("rev-parse", "HEAD~1")
    assert refused(pushing.push("origin", "main"), "relu")
    url = pushing.git("remote", "get-url", "origin")
    heard = f"refs/heads/main {commit} refs/heads/main {start}\norigin {url}\n"
    assert (pushing.root / "heard").read_text() == heard
    pushing.write("stop", "")
    code, said = pushing.push("origin", "main")
    assert (code, checked(said)) == (1, [])
    assert gate("uninstall").output == f"restored {file}\n"
    assert file.read_text() == before
    assert not file.with_name("pre-push.before-gate").exists()


@pytest.mark.parametrize("text", ['. "${0%/*}/h"', 'run-parts "$0.d"', "run $(basename $HOOK)"])
def test_a_hook_that_may_go_by_its_name_keeps_it(pushing, text):
    file = foreign(pushing, text)
    answer = gate("install")
    assert answer.exit_code == 7
    assert 'gate hook run "$@"' in answer.output
    assert file.read_text() == f"#!/bin/sh\n{text}\n"


def test_of_three_hooks_none_is_lost(pushing):
    file = hook_of(pushing)
    foreign(pushing, "exit 0")
    file.with_name("pre-push.before-gate").write_text("older")
    answer = gate("install")
    assert answer.exit_code == 7
    assert "neither is the gate's" in answer.output
    assert file.read_text() == "#!/bin/sh\nexit 0\n"
    assert file.with_name("pre-push.before-gate").read_text() == "older"


def test_the_hooks_lie_where_git_is_told_to_look(pushing, monkeypatch):
    gate("uninstall")
    pushing.git("config", "core.hooksPath", "my hooks")
    monkeypatch.chdir(pushing.root / "kernels")
    assert gate("install").output == f"wrote {hook_of(pushing, 'my hooks')}\n"
    pushing.commit(relu="import sys\n")
    assert refused(pushing.push("origin", "main"), "relu")


def test_hooks_that_are_switched_off_cannot_be_installed(pushing):
    pushing.git("config", "core.hooksPath", os.devnull)
    answer = gate("install")
    assert answer.exit_code == 7
    assert "cannot be written" in answer.output


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_hook_whose_python_is_gone_looks_for_the_gate_or_stops(pushing, monkeypatch, elsewhere):
    file = hook_of(pushing)
    text = re.sub(r"(?m)^python=.*$", "python=/gone/python", file.read_text())
    file.write_text(text)
    programs = pushing.root / ".git" / "programs"
    programs.mkdir()
    for name in ("git", "sh", "cat", "dirname"):
        (programs / name).symlink_to(shutil.which(name))
    if elsewhere:
        (programs / "gate").write_text('#!/bin/sh\ncat; echo "gate $@"\n')
        (programs / "gate").chmod(0o755)
    pushing.write("README.md", "words")
    pushing.commit()
    monkeypatch.setenv("PATH", str(programs))
    code, said = pushing.push("origin", "main")
    if elsewhere:
        assert code == 0
        assert "gate hook run --project . origin" in said
    else:
        assert code == 1
        assert "neither in /gone/python nor on PATH" in said
        assert "git push --no-verify" in said
