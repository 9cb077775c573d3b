import pytest

from gate.errors import InvalidConfiguration
from gate.git import changed_files, file_at, file_versions, git, head_commit


def test_the_head_is_a_full_sha(project):
    assert head_commit(project.root) == project.git("rev-parse", "HEAD")


def test_changed_and_untracked_files_are_listed_whatever_their_names(project):
    (project.root / "pyproject.toml").write_text("[tool.gate]\n# changed\n")
    (project.root / "with space \u00e9.txt").write_text("")
    (project.root / "stored").mkdir()
    (project.root / "stored" / "b.json").write_text("")
    found = changed_files(project.root, ignoring=project.root / "stored")
    assert set(found) == {"pyproject.toml", "with space \u00e9.txt"}


def test_a_renamed_file_is_a_change(project):
    project.git("mv", "pyproject.toml", "other.toml")
    assert "other.toml" in changed_files(project.root, ignoring=project.root / "x")


def test_gits_own_words_come_out(project):
    with pytest.raises(InvalidConfiguration, match=r"git show.*unknown revision"):
        git("show", "nothing", cwd=project.root)


def test_without_git_it_says_so(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidConfiguration, match="git is not installed"):
        git("status", cwd=project.root)


def test_the_versions_of_a_file_are_followed_over_renames_and_skip_its_deletion(project):
    text = "".join(f"line {n}\n" for n in range(50))
    old, new = project.root / "old \u00e9.txt", project.root / "folder" / "new.txt"
    new.parent.mkdir()
    old.write_text(text)
    commits = [project.commit("add")]
    project.git("mv", old.name, "folder/new.txt")
    commits.append(project.commit("rename"))
    project.git("rm", "--quiet", "folder/new.txt")
    project.commit("delete")
    new.parent.mkdir(exist_ok=True)
    new.write_text(text + "more\n")
    commits.append(project.commit("again"))
    found = file_versions(new)
    assert [v.commit for v in found][-1] == commits[-1]
    assert {v.commit for v in found} <= set(commits)
    assert all(v.date.startswith("20") for v in found)
    assert file_at(found[-1], cwd=new.parent) == text + "more\n"


def test_a_rename_keeps_what_came_before(project):
    text = "".join(f"line {n}\n" for n in range(2000))
    (project.root / "old \u00e9.txt").write_text(text)
    project.commit("add")
    project.git("mv", "old \u00e9.txt", "new.txt")
    project.commit("rename")
    found = file_versions(project.root / "new.txt")
    assert [v.path for v in found] == ["old \u00e9.txt", "new.txt"]
    assert [file_at(v, cwd=project.root) for v in found] == [text, text]  # more than last words


def test_what_was_never_committed_has_no_versions(project):
    (project.root / "new.txt").write_text("")
    assert file_versions(project.root / "new.txt") == ()
