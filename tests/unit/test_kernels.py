from dataclasses import replace
from pathlib import Path

import pytest

from gate.errors import ExitCode, InvalidConfiguration, UnknownKernel
from gate.kernels import Workload, code_lines, discover, load_folder, load_workloads

PROBLEM = """
batch_size, width = 1, 2
rows: int = 3
depth = 1
class Model: pass
"""
FUNCTIONS = """
if rows:
    def get_inputs(): return []
def get_init_inputs(): return []
"""
PROBLEM += FUNCTIONS


def kernel(root, name="conv", workloads=None, reference=PROBLEM):
    path = root / name
    path.mkdir(parents=True)
    (path / "kernel.py").write_text("")
    if reference is not None:
        (path / "reference.py").write_text(reference)
    if workloads is not None:
        (path / "workloads.toml").write_text(workloads)
    return path


def test_a_folder_without_workloads_has_the_default_one_and_times_it(tmp_path):
    folder = load_folder(kernel(tmp_path))
    assert folder.workloads == (Workload(name="default", benchmark=True),)


def test_defaults_reach_every_workload_and_tables_are_merged(tmp_path):
    text = """
[defaults]
dtype = "float16"
constants = { rows = 1, depth = 3 }
[workload.a]
constants = { depth = 5 }
[workload.b]
dtype = "float32"
benchmark = true
gates = ["runtime"]
"""
    kernel(tmp_path, workloads=text)
    a, b = load_workloads(tmp_path / "conv" / "workloads.toml")
    assert (a.dtype, a.benchmark, a.constants) == ("float16", False, {"rows": 1, "depth": 5})
    assert (b.dtype, b.benchmark, b.gates) == ("float32", True, ("runtime",))
    assert Workload.from_json(b.to_json()) == b


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "is not TOML"),
        ("", '"workload" is a required property'),
        ("[workload]", "has less than 1 property"),
        ("[workload.A]", '"A"'),
        ('[workload."a/b"]', '"a/b"'),
        ("[workload.a]\nbatch = 1", "$.workload.a"),
        ('[workload.a]\ndtype = "int8"', "$.workload.a.dtype"),
        ('[workload.a]\nbenchmark = "yes"', "$.workload.a.benchmark"),
        ("[workload.a]\nseed = -1", "$.workload.a.seed"),
        ("[workload.a]\nconstants = { x = { y = 1 } }", "$.workload.a.constants.x"),
        ('[workload.a]\ngates = ["speed"]', "$.workload.a.gates[0]"),
        ("[workload.a]\nrtol = nan", "$.workload.a.rtol"),
    ],
)
def test_a_bad_workloads_file_is_refused_with_its_place(tmp_path, text, said):
    path = kernel(tmp_path, workloads=text)
    with pytest.raises(InvalidConfiguration) as refusal:
        load_folder(path)
    assert said in str(refusal.value)
    assert refusal.value.exit_code is ExitCode.INVALID


def test_a_workloads_file_that_cannot_be_read_is_not_taken_for_none(tmp_path):
    path = kernel(tmp_path)
    (path / "workloads.toml").symlink_to(tmp_path / "absent")
    with pytest.raises(InvalidConfiguration, match="cannot be read"):
        load_folder(path)


def test_folders_are_found_in_name_order_and_others_are_left_alone(tmp_path):
    kernel(tmp_path, "b")
    kernel(tmp_path, "a")
    (tmp_path / "notes").mkdir()
    assert [f.name for f in discover(tmp_path)] == ["a", "b"]
    assert [f.name for f in discover(tmp_path, ["b", "b"])] == ["b"]


@pytest.mark.parametrize("file", ["reference.py", "workloads.toml", "kernels.py", "test_it.py"])
def test_a_folder_that_lacks_only_its_kernel_is_not_passed_over(tmp_path, file):
    kernel(tmp_path)
    (tmp_path / "convolution").mkdir()
    (tmp_path / "convolution" / file).touch()
    with pytest.raises(InvalidConfiguration, match=r"/convolution has no kernel\.py"):
        discover(tmp_path)
    with pytest.raises(InvalidConfiguration, match=r"/convolution has no kernel\.py"):
        discover(tmp_path, ["convolution"])
    assert [f.name for f in discover(tmp_path, ["conv"])] == ["conv"]


@pytest.mark.parametrize("name", ["_shared", ".hidden", "__pycache__"])
def test_a_folder_that_says_so_is_no_kernel(tmp_path, name):
    kernel(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / name / "helpers.py").touch()
    assert [f.name for f in discover(tmp_path)] == ["conv"]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("class Model:\n    def f(:", r"reference\.py:2 is not Python: "),
        ("x = '\0'", "is not Python: "),
        ("", "has no Model and no get_inputs and no get_init_inputs"),
        (PROBLEM.replace("get_init_inputs", "get_arguments"), "has no get_init_inputs$"),
        ("def f():\n    Model = get_inputs = get_init_inputs = 1", "has no Model and"),
    ],
)
def test_a_reference_that_is_no_problem_is_refused_before_anything_runs(tmp_path, reference, said):
    with pytest.raises(InvalidConfiguration, match=said):
        load_folder(kernel(tmp_path, reference=reference))


@pytest.mark.parametrize(
    "reference",
    [
        "from problems import *",
        "from problems import a as Model, get_inputs\nget_init_inputs = lambda: []",
        "try:\n    from a import Model\nexcept ImportError:\n    class Model: pass\n" + FUNCTIONS,
        PROBLEM + "PATTERN = '\\d'",  # an invalid escape, of which Python warns
    ],
)
def test_a_problem_may_bind_its_names_as_it_likes(tmp_path, reference):
    assert load_folder(kernel(tmp_path, reference=reference)).name == "conv"


@pytest.mark.parametrize("table", ["constants", "interpreter"])
@pytest.mark.parametrize("name", ["size", "batch_size", "get_inputs"])
def test_a_constant_that_the_reference_lacks_is_refused(tmp_path, table, name):
    text = f"[workload.a]\n{table} = {{ rows = 1, {name} = 3 }}"
    with pytest.raises(InvalidConfiguration, match=f"no module-level constant {name}$"):
        load_folder(kernel(tmp_path, workloads=text))


def test_an_unknown_kernel_is_told_with_the_known_ones(tmp_path):
    kernel(tmp_path, "conv")
    with pytest.raises(UnknownKernel, match="'conf'") as refusal:
        discover(tmp_path, ["conf"])
    assert "conv" in refusal.value.hint


def test_no_kernels_are_no_success(tmp_path):
    with pytest.raises(UnknownKernel, match="holds no kernel"):
        discover(tmp_path)
    with pytest.raises(UnknownKernel, match="is not a folder") as refusal:
        discover(tmp_path / "absent")
    assert "[tool.gate]" in refusal.value.hint


def test_a_folder_must_have_a_reference_and_a_name(tmp_path):
    with pytest.raises(InvalidConfiguration, match=r"no reference\.py"):
        load_folder(kernel(tmp_path, reference=None))
    with pytest.raises(InvalidConfiguration, match="cannot name a kernel"):
        load_folder(kernel(tmp_path, "Conv"))


def test_a_source_is_bounded_and_read_whatever_its_bytes(tmp_path):
    folder = load_folder(kernel(tmp_path))
    folder.kernel_file.write_bytes(b"\xff")
    assert folder.source() == "\N{REPLACEMENT CHARACTER}"
    folder.kernel_file.write_bytes(b"x" * 2_000_000)
    with pytest.raises(InvalidConfiguration, match="larger than"):
        folder.source()


REFERENCE = b"""\
size = 3  # pixels

class Model:
    \"\"\"Says # what it does.\"\"\"
    scale = '#'
"""


@pytest.mark.parametrize(
    "same",
    [
        REFERENCE.replace(b"  # pixels", b""),
        REFERENCE.replace(b"# pixels", b"# another word"),
        REFERENCE.replace(b"\n\n", b"\n# a comment\n\n   \n"),
        REFERENCE.replace(b"\n", b"\r\n"),
        REFERENCE.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + REFERENCE,
        REFERENCE.rstrip(b"\n"),
    ],
)
def test_comments_blank_lines_and_line_ends_do_not_matter(same):
    assert code_lines(same) == code_lines(REFERENCE)
    assert code_lines(REFERENCE)[0] == "size = 3"
    assert code_lines(REFERENCE)[-1] == "    scale = '#'"


@pytest.mark.parametrize(
    "other",
    [
        REFERENCE.replace(b"3", b"4"),
        REFERENCE.replace(b"# what", b"# all"),
        REFERENCE.replace(b"'#'", b"'##'"),
        REFERENCE.replace(b"    scale", b"  scale"),
        REFERENCE.replace(b"# pixels\n", b"# pixels\rsize = 4\n"),
        b"# coding: utf-7\n" + REFERENCE.replace(b"pixels", b"+AAo-size = 4"),
        REFERENCE + b"(",
        b"",
    ],
)
def test_anything_else_does(other):
    assert code_lines(other) != code_lines(REFERENCE)


def test_no_code_hides_behind_a_comment():
    assert code_lines(b"x = 1 # c\ry = 2\n") == ["x = 1", "y = 2"]
    assert code_lines(b"# coding: utf-7\n# +AAo-y = 2\n") == ["y = 2"]


@pytest.mark.parametrize(
    "source", [b"\xff\xfe", b"# coding: nonsense\n", b"# coding: rot13\n(", b"\0"]
)
def test_what_is_no_python_is_told_apart_too(source):
    assert code_lines(source) != code_lines(source + b"x")


def test_a_definition_is_the_same_on_every_version_of_python():
    """Told from the text alone, by figures that were once computed."""
    assert code_lines(b"def f():\n\treturn f'{1:#x}'  # eight\n") == [
        "def f():",
        "\treturn f'{1:#x}'",
    ]
    folder = load_folder(Path(__file__).parents[2] / "kernels" / "depthwise_conv_h")
    flagship = next(w for w in folder.workloads if w.name == "flagship")
    assert folder.definition(flagship).startswith("3fed63ec")


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"name": "other"}, True),
        ({"benchmark": True}, True),
        ({"bound": "memory"}, True),
        ({"gates": ("runtime",)}, True),
        ({"dtype": "float16"}, False),
        ({"memory_format": "channels_last"}, False),
        ({"seed": 1}, False),
        ({"rtol": 0.1}, False),
        ({"atol": 0.1}, False),
        ({"constants": {"size": 4}}, False),
        ({"interpreter": {"size": 4}}, False),
    ],
)
def test_a_definition_is_what_says_how_a_workload_is_tested(tmp_path, changes, same):
    folder = load_folder(kernel(tmp_path))
    plain = folder.definition(Workload(name="a"))
    assert (folder.definition(replace(Workload(name="a"), **changes)) == plain) is same
    assert len(plain) == 64


def test_a_definition_is_the_references_and_not_the_kernels(tmp_path):
    folder = load_folder(kernel(tmp_path))
    workload = Workload(name="a")
    before = folder.definition(workload)
    folder.kernel_file.write_text("x = 1")
    assert folder.definition(workload) == before
    text = folder.reference_file.read_text()
    folder.reference_file.write_text(text + "\n# a comment\n")
    assert folder.definition(workload) == before
    folder.reference_file.write_text("x = 1")
    assert folder.definition(workload) != before
