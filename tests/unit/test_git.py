import pytest

from gate.errors import InvalidConfiguration
from gate.git import (
    base_commit,
    base_kernel,
    changed_files,
    file_at,
    file_versions,
    git,
    head_commit,
)


def test_the_head_is_a_full_sha(project):
    assert head_commit(project.root) == project.git("rev-parse", "HEAD")


def test_changed_and_untracked_files_are_listed_whatever_their_names(project):
    (project.root / "pyproject.toml").write_text("[tool.gate]\n# changed\n")
    (project.root / "with space \u00e9.txt").write_text("")
    (project.root / "stored").mkdir()
    (project.root / "stored" / "b.json").write_text("")
    found = changed_files(project.root, ignoring=project.root / "stored")
    assert set(found) == {"pyproject.toml", "with space \u00e9.txt"}


def test_the_ignored_folder_is_a_name_and_no_pattern(project):
    (project.root / "untracked").write_text("")
    (project.root / "*").mkdir()
    (project.root / "*" / "b.json").write_text("")
    assert changed_files(project.root, ignoring=project.root / "*") == ("untracked",)


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


def test_the_merge_base_is_found_by_name_and_by_what_branches_are_called(project):
    first = project.git("rev-parse", "HEAD")
    project.git("branch", "-M", "main")
    project.git("checkout", "--quiet", "-b", "change")
    (project.root / "new").touch()
    project.commit("on the branch")
    assert base_commit(project.root, None) == first
    assert base_commit(project.root, "main") == first
    assert base_commit(project.root, "HEAD") == project.git("rev-parse", "HEAD")


def test_without_a_known_branch_or_a_repository_there_is_no_base(project, tmp_path_factory):
    project.git("branch", "-M", "unusual")
    assert base_commit(project.root, None) is None
    with pytest.raises(InvalidConfiguration, match="nowhere") as caught:
        base_commit(project.root, "nowhere")
    assert "git fetch" in caught.value.hint
    assert base_commit(tmp_path_factory.mktemp("no-repository"), None) is None


def test_a_shallow_clone_says_that_the_common_commit_is_missing(project, tmp_path_factory):
    project.git("branch", "-M", "main")
    project.git("checkout", "--quiet", "-b", "change")
    for branch in ("change", "main"):
        project.git("checkout", "--quiet", branch)
        (project.root / branch).touch()
        project.commit(branch)
    clone = tmp_path_factory.mktemp("clone")
    git(
        *("clone", "--quiet", "--depth=1", "--no-single-branch"),
        *(f"file://{project.root}", "."),
        cwd=clone,
    )
    with pytest.raises(InvalidConfiguration, match="no common commit") as caught:
        base_commit(clone, "origin/change")
    assert "--unshallow" in caught.value.hint


def test_a_base_kernel_is_read_whole_and_leaves_the_tree_alone(project):
    file = project.root / "kernels" / "conv" / "kernel.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("# line\n" * 10_000)
    project.commit("a long kernel")
    commit = project.git("rev-parse", "HEAD")
    file.write_text("# changed\n")
    found = base_kernel(project.root, commit, file)
    assert found.source == b"# line\n" * 10_000
    assert found.commit == commit
    assert file.read_text() == "# changed\n"
    assert base_kernel(project.root, commit, file.with_name("other.py")) is None
    assert base_kernel(project.root, commit, file.parents[3] / "elsewhere.py") is None


def test_what_a_hook_inherits_leads_to_no_other_repository(project, monkeypatch, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    git("init", "--quiet", cwd=elsewhere)
    commit = project.git("rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(elsewhere / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(elsewhere / "index"))
    assert head_commit(project.root) == commit
    assert changed_files(project.root, ignoring=project.root / "x") == ()
    named = git(
        "rev-parse", "--absolute-git-dir", cwd=project.root, GIT_DIR=str(elsewhere / ".git")
    )
    assert named.strip() == str(elsewhere / ".git")


def test_outside_of_a_repository_it_says_what_to_do(tmp_path):
    with pytest.raises(InvalidConfiguration, match="is in no git repository") as caught:
        head_commit(tmp_path)
    assert caught.value.hint.startswith("git init")


def test_before_the_first_commit_it_says_what_to_do(tmp_path):
    git("init", "--quiet", cwd=tmp_path)
    with pytest.raises(InvalidConfiguration, match="has no commit yet") as caught:
        head_commit(tmp_path)
    assert caught.value.hint.startswith("git add -A && git commit")


def test_anothers_repository_is_named_with_the_setting(project, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(InvalidConfiguration, match="belongs to another user") as caught:
        head_commit(project.root)
    assert caught.value.hint.endswith(f"safe.directory {project.root}")


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
