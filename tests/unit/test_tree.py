import os

import pytest

from gate.errors import InvalidConfiguration
from gate.kernels import load_folder
from gate.tree import TreeChanged, private_copies

REFERENCE = "Model = get_inputs = get_init_inputs = None\n"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "kernels" / "conv"
    path.mkdir(parents=True)
    (path / "kernel.py").write_text("# a kernel\n")
    (path / "reference.py").write_text(REFERENCE)
    (path / "data").mkdir()
    (path / "data" / "weights.txt").write_text("1")
    (path / "__pycache__").mkdir()
    (path / ".#kernel.py").symlink_to("ada@host")  # an editor's lock
    return load_folder(path)


@pytest.fixture
def tree(folder):
    with private_copies([folder]) as (tree,):
        yield tree


def test_a_copy_has_the_folders_name_and_files_and_goes_at_the_end(folder):
    with private_copies([folder]) as (tree,):
        copy = tree.copy.path
        assert (tree.copy.name, copy.name, tree.copy.workloads) == (
            *("conv", "conv"),
            folder.workloads,
        )
        assert sorted(p.name for p in copy.iterdir()) == ["data", "kernel.py", "reference.py"]
        tree.refuse_changes("testing")
        (workload,) = folder.workloads
        assert tree.definitions == {workload.name: folder.definition(workload)}
    assert not copy.parent.exists()


def test_a_link_to_a_folder_is_not_followed_and_one_to_a_file_is(folder, tmp_path):
    """It may lead to a whole disk, or back here."""
    (folder.path / "back").symlink_to("..")
    (tmp_path / "shared.py").write_text("y = 2\n")
    (folder.path / "shared.py").symlink_to("../../shared.py")
    with private_copies([folder]) as (tree,):
        found = sorted(p.name for p in tree.copy.path.iterdir())
        assert found == ["data", "kernel.py", "reference.py", "shared.py"]
        tree.refuse_changes("testing")


def delete(file):
    file.unlink()


def grow(file):
    file.write_text(file.read_text() + "\n")


def replace_by_pipe(file):
    file.unlink()
    os.mkfifo(file)


def replace_by_link(file):
    file.unlink()
    file.symlink_to("/dev/zero")


def same_size(file):
    file.write_bytes(file.read_bytes()[::-1])


@pytest.mark.parametrize("change", [delete, grow, replace_by_pipe, replace_by_link, same_size])
@pytest.mark.parametrize("side", ["original", "copy"])
@pytest.mark.parametrize("name", ["kernel.py", "reference.py"])
def test_a_changed_file_is_named_with_the_step(tree, side, name, change):
    change(getattr(tree, side).path / name)
    with pytest.raises(TreeChanged, match=rf"^{name} changed while the gate was testing: "):
        tree.refuse_changes("testing")


def test_what_is_new_counts_where_the_code_runs_and_is_the_users_own_elsewhere(tree):
    (tree.original.path / ".kernel.py.swp").write_text("")
    (tree.copy.path / "__pycache__").mkdir()
    (tree.copy.path / "__pycache__" / "reference.pyc").write_text("")
    tree.refuse_changes("testing")
    (tree.copy.path / "data" / "new.py").write_text("")
    with pytest.raises(TreeChanged, match=r"^data/new.py changed"):
        tree.refuse_changes("testing")


def test_a_folder_that_is_gone_has_changed(tree):
    tree.copy.path.rename(tree.copy.path.with_name("elsewhere"))
    with pytest.raises(TreeChanged, match=r"kernel.py, reference.py changed"):
        tree.refuse_changes("testing")


def test_many_files_and_hostile_names_stay_readable(tree):
    for index in range(3):
        (tree.copy.path / f"a{index:02}").touch()
    open(os.fsencode(tree.copy.path) + b"/b\xff" + b"x" * 200, "w").close()  # noqa: PTH123
    with pytest.raises(TreeChanged) as changed:
        tree.refuse_changes("testing")
    said = str(changed.value)
    assert len(said) < 400
    assert said.startswith("a00, a01, a02, b?xxx")
    assert said.isprintable()
    for index in range(30):
        (tree.copy.path / f"a{index:02}").touch()
    with pytest.raises(TreeChanged, match=r"^a00, a01, a02, a03, a04 and 26 more changed"):
        tree.refuse_changes("testing")


def test_messages_name_the_users_path(tree):
    said = f'File "{tree.copy.path}/kernel.py", line 3'
    assert tree.told(said) == f'File "{tree.original.path}/kernel.py", line 3'


def test_every_folder_is_copied_before_any_runs(folder, tmp_path):
    other = tmp_path / "kernels" / "other"
    other.mkdir()
    (other / "kernel.py").write_text("")
    (other / "reference.py").write_text(REFERENCE)
    with private_copies([folder, load_folder(other)]) as (_first, second):
        (other / "kernel.py").write_text("evil")
        assert second.copy.source() == ""
        with pytest.raises(TreeChanged):
            second.refuse_changes("at work on another kernel")


def test_a_folder_that_cannot_be_copied_is_the_users_to_mend(folder):
    os.mkfifo(folder.path / "pipe")
    with pytest.raises(InvalidConfiguration, match="cannot be copied"), private_copies([folder]):
        pass
