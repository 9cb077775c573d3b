"""The plugin as pytest loads it: each run is a pytest of its own in a temporary folder."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from gate import processes
from gate.correctness import run_tests
from gate.kernels import load_folder

FOLDERS = Path(__file__).parents[1] / "broken_kernels" / "correctness"
# Importing it anywhere leaves this file behind.
MARK = "from pathlib import Path\nPath({path!r}).touch()\n"
REMOVE = """
import pathlib
pathlib.Path(__file__).with_name("reference.py").unlink(missing_ok=True)
"""


def pytest_in(folder, *arguments):
    return processes.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        timeout_s=120,
        cwd=folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "NO_COLOR": "1", "COLUMNS": "200"},
    )


def kernels(root, *names):
    for name in names:
        shutil.copytree(FOLDERS / name, root / "kernels" / name)
    return root / "kernels"


def collected(folder, *arguments):
    lines = pytest_in(folder, "--collect-only", "-q", *arguments).stdout.splitlines()
    return [line for line in lines if "::" in line]


@pytest.mark.parametrize(
    "argument", [".", "kernels", "kernels/odd_rows", "kernels/odd_rows/kernel.py"]
)
def test_each_workload_is_an_item(tmp_path, argument):
    kernels(tmp_path, "odd_rows")
    assert collected(tmp_path, argument) == [
        "kernels/odd_rows/kernel.py::even",
        "kernels/odd_rows/kernel.py::odd",
    ]


def test_items_are_selected_by_name(tmp_path):
    kernels(tmp_path, "odd_rows", "raises")
    assert collected(tmp_path, "-k", "odd_rows and even") == ["kernels/odd_rows/kernel.py::even"]
    chosen = "kernels/raises/kernel.py::default"
    assert collected(tmp_path, chosen) == [chosen]


def test_collecting_imports_nothing_of_the_kernels_and_no_torch(tmp_path):
    folder = kernels(tmp_path, "raises") / "raises"
    mark = tmp_path / "imported"
    for name in ("kernel.py", "__init__.py"):
        (folder / name).write_text(MARK.format(path=str(mark)))
    (tmp_path / "conftest.py").write_text(
        "import sys\ndef pytest_sessionfinish():\n    assert 'torch' not in sys.modules\n"
    )
    ended = pytest_in(tmp_path, "--collect-only", "--doctest-modules", "kernels/raises/kernel.py")
    assert ended.returncode == 0, ended.stdout
    assert not mark.exists()


def test_a_kernel_py_of_another_project_is_left_alone(tmp_path):
    kernels(tmp_path, "raises")
    (tmp_path / "kernels/raises/reference.py").write_text("answer = 42\n")
    (tmp_path / "kernels/raises/kernel.py").write_text("raise RuntimeError\n")
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone/kernel.py").write_text("raise RuntimeError\n")
    assert collected(tmp_path) == []


def test_a_run_without_kernels_is_as_it_was(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    heavy = {'torch', 'cattrs', 'jsonschema_rs', 'gate.correctness', 'gate.kernels'}\n"
        "    assert not heavy & sys.modules.keys()\n"
    )
    ended = pytest_in(tmp_path)
    assert ended.ok
    assert "gate: " not in ended.stdout


def test_a_broken_workloads_toml_is_an_error_with_a_sentence(tmp_path):
    folder = kernels(tmp_path, "odd_rows") / "odd_rows"
    (folder / "workloads.toml").write_text("[workload.x]\ndtype = 'int8'\n")
    ended = pytest_in(tmp_path)
    assert ended.returncode == 2
    assert "workloads.toml: " in ended.stdout
    assert "Traceback" not in ended.stdout


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("reference.py", "answer = 42\n", "has no Model and no get_inputs and no get_init_inputs"),
        ("reference.py", "def get_init_inputs(:\n", "reference.py:1 is not Python: "),
        ("workloads.toml", "[workload.x]\nconstants = { size = 1 }\n", "constant size"),
    ],
)
def test_a_broken_definition_is_an_error_with_a_sentence(tmp_path, file, text, said):
    (kernels(tmp_path, "odd_rows") / "odd_rows" / file).write_text(text)
    ended = pytest_in(tmp_path)
    assert ended.returncode == 2
    assert said in ended.stdout
    assert "Traceback" not in ended.stdout


@pytest.mark.parametrize("seconds", ["0", "-1", "3601", "inf", "nan", "soon"])
def test_a_time_limit_is_bounded(tmp_path, seconds):
    ended = pytest_in(tmp_path, f"--gate-timeout={seconds}")
    assert ended.returncode == 4
    assert f"--gate-timeout: {'invalid' if seconds == 'soon' else seconds}" in ended.stderr


def test_a_failure_is_short_and_can_be_repeated(tmp_path):
    kernels(tmp_path, "odd_rows", "too_large")
    ended = pytest_in(tmp_path, "-ra", "-W", "error", "--gate-results", "results.jsonl")
    assert ended.returncode == 1, ended.stdout
    assert "1 failed, 1 passed, 1 skipped" in ended.stdout
    assert "too large for the interpreter: a grid of 32,768 x 1 x 1" in ended.stdout
    assert "pytest_plugin.py" not in ended.stdout.partition("FAILURES")[2].partition("summary")[0]
    (seed,) = {line.split()[2] for line in ended.stdout.splitlines() if "gate: seed" in line}
    assert f"odd_rows/odd failed on interpreter, seed {seed}\nthe output is wrong: " in ended.stdout
    repeat = f"pytest 'kernels/odd_rows/kernel.py::odd' --gate-seed {seed}"
    assert f"\nrepeat with: {repeat}\n" in ended.stdout
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["result"]["seed"] for line in lines] == [int(seed)] * 3
    assert [json.loads(line)["result"]["status"] for line in lines] == [
        "passed",
        "failed",
        "unsupported",
    ]


def test_seeds_are_fresh_unless_given(tmp_path):
    kernels(tmp_path, "raises")
    first, second = (pytest_in(tmp_path, "--collect-only").stdout for _ in range(2))
    assert first != second
    assert "gate: seed 5 (repeat with --gate-seed 5), kernels run on interpreter" in (
        pytest_in(tmp_path, "--collect-only", "--gate-seed", "5").stdout
    )


# ---------------------------------------------------------------------- as gate check runs it


def test_gate_check_runs_the_same_items_and_nothing_of_the_tree(tmp_path, monkeypatch):
    root = kernels(tmp_path, "odd_rows")
    mark = tmp_path / "imported"
    hostile = MARK.format(path=str(mark))
    for name in ("conftest.py", "kernels/conftest.py", "kernels/odd_rows/conftest.py"):
        (tmp_path / name).write_text(hostile)
    for name in ("__init__.py", "kernels/__init__.py", "kernels/odd_rows/__init__.py"):
        (tmp_path / name).write_text(hostile)
    for name in ("sitecustomize.py", "pytest.py", "torch.py", "triton.py"):
        (tmp_path / name).write_text(hostile)
        (root / "odd_rows" / name).write_text(hostile)
    (root / "odd_rows/test_evil.py").write_text(hostile)
    (root / "odd_rows/pytest.ini").write_text("[pytest]\naddopts = --maxfail=nonsense\n")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--nonsense")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(root / "odd_rows")
    folder, said = load_folder(root / "odd_rows"), []
    found = run_tests(
        folder,
        folder.workloads,
        device="interpreter",
        seed=5,
        timeout_s=60,
        progress=said.append,
    )
    assert {name: result.status for name, result in found.items()} == {
        "even": "passed",
        "odd": "failed",
    }
    assert {result.seed for result in found.values()} == {5}
    assert said == ["odd_rows: test_evil.py is run by a plain `pytest` only"]
    assert not mark.exists()


def test_a_kernel_cannot_write_its_own_result(tmp_path):
    folder = load_folder(kernels(tmp_path, "forges_results") / "forges_results")
    found = run_tests(folder, folder.workloads, device="interpreter", seed=5, timeout_s=60)
    assert found["default"].status == "crashed"
    assert "the test process was ended by SIGKILL" in found["default"].message


def test_a_kernel_that_removes_its_reference_changes_nothing(tmp_path):
    folder = load_folder(kernels(tmp_path, "odd_rows") / "odd_rows")
    text = folder.kernel_file.read_text()
    folder.kernel_file.write_text(text + REMOVE)
    found = run_tests(folder, folder.workloads, device="interpreter", seed=5, timeout_s=60)
    assert {name: result.status for name, result in found.items()} == {
        "even": "passed",
        "odd": "failed",
    }


def test_a_workload_without_a_result_has_crashed(tmp_path):
    folder = load_folder(kernels(tmp_path, "raises") / "raises")
    (folder.path / "reference.py").write_text("no = 'KernelBench problem'\n")
    found = run_tests(folder, folder.workloads, device="interpreter", seed=5, timeout_s=60)
    assert found["default"].status == "crashed"
    assert "no result came back: the test process exited with" in found["default"].message
    assert "has no Model and no get_inputs" in found["default"].message
