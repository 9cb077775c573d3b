import pytest

from gate.pushed import (
    NOTHING,
    UnreadablePush,
    Update,
    read_listing,
    read_updates,
    touched,
    update_from_pre_commit,
)

ONE, TWO = "1" * 40, "2" * 64


def test_each_line_is_a_ref():
    text = (
        f"refs/heads/a {ONE} refs/heads/b {TWO}\nHEAD@{{1 day ago}} {ONE} refs/heads/c {NOTHING}\n"
    )
    assert read_updates(text) == (
        Update(revision=ONE, remote_ref="refs/heads/b", remote_revision=TWO),
        Update(revision=ONE, remote_ref="refs/heads/c"),
    )
    assert read_updates("") == ()


@pytest.mark.parametrize("text", ["\n", "refs/heads/a", f"{ONE} refs/heads/b {TWO}"])
def test_other_lines_are_refused(text):
    with pytest.raises(UnreadablePush):
        read_updates(text)


@pytest.mark.parametrize(
    ("revision", "remote_ref", "judged"),
    [
        (ONE, "refs/heads/a", True),
        (TWO, "refs/for/main", True),
        (ONE, "refs/tags/v1", False),
        (NOTHING, "refs/heads/a", False),
        ("0" * 64, "refs/heads/a", False),
    ],
)
def test_tags_and_what_is_deleted_are_not_judged(revision, remote_ref, judged):
    assert Update(revision=revision, remote_ref=remote_ref).is_judged == judged


def test_pre_commit_names_revisions_or_means_all_of_them():
    assert update_from_pre_commit({"PRE_COMMIT_TO_REF": ONE}) == ()
    assert update_from_pre_commit({"PRE_COMMIT": "1"}) == (
        Update(revision="HEAD", remote_ref="HEAD"),
    )
    first = {
        "PRE_COMMIT": "1",
        "PRE_COMMIT_LOCAL_BRANCH": "refs/heads/a",
        "PRE_COMMIT_REMOTE_BRANCH": "refs/heads/b",
    }
    assert update_from_pre_commit(first) == (
        Update(revision="refs/heads/a", remote_ref="refs/heads/b"),
    )
    again = first | {"PRE_COMMIT_FROM_REF": TWO, "PRE_COMMIT_TO_REF": ONE}
    assert update_from_pre_commit(again) == (
        Update(revision=ONE, remote_ref="refs/heads/b", remote_revision=TWO),
    )


def listing(*entries):
    return read_listing([f"{mode} blob {ONE}\t{path}" for mode, path in entries], "some/kernels")


def test_kernels_are_what_the_check_would_look_at():
    found = listing(
        ("100644", "some/kernels/README.md"),
        ("100644", "some/kernels/whole/kernel.py"),
        ("100644", "some/kernels/incomplete/reference.py"),
        ("100644", "some/kernels/untested/workloads.toml"),
        ("100644", "some/kernels/notes/README.md"),
        ("100644", "some/kernels/deep/below/kernel.py"),
        ("100644", "some/kernels/_shared/helper.py"),
        ("100644", "some/kernels/_odd/kernel.py"),
        ("160000", "some/kernels/other"),
        ("120000", "some/kernels/link"),
        ("120000", "some/kernels/LICENSE.txt"),
        ("120000", "some/kernels/half/kernel.py"),
    )
    assert found.linked == {"link", "half"}
    assert found.kernels == {"whole", "incomplete", "untested", "_odd", "other", "link", "half"}


@pytest.mark.parametrize("mode", ["120000", "160000", "100644"])
def test_a_folder_of_kernels_that_is_none_is_refused(mode):
    with pytest.raises(UnreadablePush, match="some/kernels is no folder"):
        listing((mode, "some/kernels"))


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("kernels/relu/kernel.py", {"relu"}),
        ("kernels/relu", {"relu"}),
        ("kernels2/relu/kernel.py", set()),
        ("sub/kernels/relu/kernel.py", set()),
        ("baselines/sm_89/relu.json", {"relu"}),
        ("baselines/relu.json", set()),
        ("kernels", set()),
    ],
)
def test_paths_name_kernels(path, names):
    assert touched([path], kernels="kernels", baselines="baselines") == names


def test_kernels_may_lie_at_the_top():
    assert "relu" in touched(["relu/kernel.py"], kernels=".", baselines="baselines")
