"""Every folder of tests/broken_kernels/correctness comes out as what is wrong with it."""

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gate.correctness import (
    _nameless,
    append_result,
    check,
    check_kernel,
    detect_device,
    last_words,
    pytest_command,
    pytest_environment,
    read_results,
    run_tests,
)
from gate.kernels import Workload, load_folder
from gate.model import Correctness
from gate.processes import Completed
from gate.report import terminal
from gate.trials import Trial, unchecked_calls

FOLDERS = Path(__file__).parents[1] / "broken_kernels" / "correctness"
SEED = 20_240_229
LATER_CALL = "on a later call, with fresh inputs in the same memory"

# kernel/workload: status, and what the message says
EXPECTED = {
    "assumes_contiguous/contiguous": ("passed", ""),
    "assumes_contiguous/strided": ("failed", "got nan"),
    "cached_by_address/default": ("failed", f"the output is wrong {LATER_CALL}: "),
    "changes_input/default": ("failed", "changes input 0 in place"),
    "clamps_large_values/default": ("failed", "with inputs 1000 times as large: "),
    "constant_output/default": ("failed", "2,405 of 2,405 values differ"),
    "exits/default": ("crashed", "exited with 0 before its result was there"),
    "float16_arithmetic/default": ("failed", "values differ"),
    # Under `gate check`, where there are results to forge: tests/unit/test_pytest_plugin.py.
    "forges_results/default": ("failed", "shares its memory with an input"),
    "good_autotuned/default": ("passed", ""),
    "good_integer_output/default": ("passed", ""),
    "good_kernelbench/default": ("passed", ""),
    "good_several_outputs/default": ("passed", ""),
    "huge_allocation/default": ("crashed", "ran out of memory: RuntimeError: "),
    "illegal_address/default": ("crashed", "was ended by SIGSEGV"),
    "leaves_a_process/default": ("passed", ""),
    "misspells_triton/default": ("crashed", "has no attribute 'maxium'"),
    "needs_cuda/default": ("unsupported", "needs CUDA: AssertionError (assert x.is_cuda)"),
    "needs_driver/default": ("unsupported", "0 active drivers"),
    "needs_inline_asm/default": ("unsupported", "inline_asm not supported in interpreter mode"),
    "needs_libdevice/default": ("unsupported", "libdevice.abs not supported in interpreter"),
    "not_a_number/default": ("failed", "got nan"),
    "odd_rows/even": ("passed", ""),
    "odd_rows/odd": ("failed", "most at [36, "),
    "off_by_one_row/default": ("failed", "values differ, most at ["),
    "out_of_bounds/default": ("crashed", "wrote out of bounds, at least 12 bytes after a tensor"),
    "patches_torch/default": ("failed", "values differ"),
    "prints_megabytes/default": ("crashed", "raised RuntimeError: after 20 MB"),
    "python_allocation/default": ("crashed", "ran out of memory: MemoryError"),
    "raises/default": ("crashed", "raised ValueError: cannot do (37, 65)"),
    "raises_on_import/default": ("crashed", "raised SyntaxError: "),
    "recursion/default": ("crashed", "raised RecursionError: "),
    "returns_input/default": ("failed", "the output shares its memory with an input"),
    "reused_buffer/default": ("failed", f"memory with an earlier output {LATER_CALL}"),
    "segfaults/default": ("crashed", "was ended by SIGSEGV\nFatal Python error: Segmentation"),
    # Calls that are not checked would take the interpreter too long: see LATE.
    "stops_working/default": ("passed", ""),
    "system_exit/default": ("crashed", "raised SystemExit: 0"),
    "tensor_subclass/default": ("failed", "Lazy, the reference's a torch.Tensor"),
    "too_large/default": ("unsupported", "a grid of 32,768 x 1 x 1; add `interpreter` sizes"),
    "two_outputs/default": ("failed", "gives 2 outputs, the reference 1 output"),
    "unrepeatable_inputs/default": ("failed", "had other inputs than this seed gives"),
    "unwritten_tail/default": ("failed", "memory that nobody has written yet holds NaN here"),
    "wrong_dtype/default": ("failed", "the output is float64, the reference's float32"),
    "wrong_shape/default": ("failed", "has shape [2405], the reference's [37, 65]"),
    "wrong_strides/default": ("failed", "has strides [1, 37], the reference's [65, 1]"),
}
# These take a worker of their own: two need a short time limit, one ends its worker.
ALONE = {
    "closes_its_files/default": ("timed_out", "did not finish within 4 s"),
    "hangs/default": ("timed_out", "did not finish within 4 s; if it is only slow here, add"),
    "kills_its_parent/default": ("crashed", "no result came back: the test process was ended by"),
}
# What comes out otherwise on a GPU.
ON_CUDA = {
    # Seen on an H100: what lies beyond the view is other memory there, not poison.
    "assumes_contiguous/strided": ("failed", "the output is wrong"),
    "hangs/default": ("timed_out", "did not finish within 4 s"),
    "illegal_address/default": ("crashed", "illegal memory access"),
    "needs_cuda/default": ("passed", ""),
    "needs_driver/default": ("passed", ""),
    "needs_inline_asm/default": ("passed", ""),
    "needs_libdevice/default": ("passed", ""),
    # CUDA's own address space leaves no room for a limit: a machine of 128 GiB was slow to fill.
    "python_allocation/default": ("timed_out", "did not finish within"),
    # Beside it lies what the allocator rounds up to.
    "out_of_bounds/default": ("passed", ""),
    "patches_torch/default": ("failed", "the output lies on cpu, the reference's on cuda"),
    "stops_working/default": ("failed", f"the output is wrong {LATER_CALL}: "),
    "too_large/default": ("passed", ""),
}


def trials(device, *names):
    return [
        Trial(
            folder=folder.path,
            reference=folder.reference_file.read_bytes(),
            workload=workload,
            device=device,
            seed=SEED,
        )
        for folder in (load_folder(FOLDERS / name) for name in names)
        for workload in folder.workloads
    ]


def outcomes(chosen, timeout_s=60.0):
    results = check(chosen, device=chosen[0].device, timeout_s=timeout_s)
    names = [f"{trial.folder.name}/{trial.workload.name}" for trial in chosen]
    return list(zip(names, results, strict=True))


def every_outcome(device):
    """Two workers at a time: importing torch and interpreting are what costs."""
    every = trials(device, *sorted({name.partition("/")[0] for name in EXPECTED}))
    batches = [
        partial(outcomes, every[::2]),
        partial(outcomes, every[1::2]),
        partial(outcomes, trials(device, "hangs", "closes_its_files"), timeout_s=4.0),
        partial(outcomes, trials(device, "kills_its_parent", "good_kernelbench")),
    ]
    with ThreadPoolExecutor(2) as pool:
        return dict(pair for batch in pool.map(lambda run: run(), batches) for pair in batch)


@pytest.fixture(scope="module")
def results():
    return every_outcome("interpreter")


@pytest.fixture(scope="module")
def results_on_cuda():
    if detect_device() != "cuda":
        pytest.skip("no GPU here")
    return every_outcome("cuda")


@pytest.mark.parametrize("name", [*EXPECTED, *ALONE])
def test_each_fault_has_its_status_and_its_words(results, name):
    status, words = {**EXPECTED, **ALONE}[name]
    assert results[name].status == status, results[name].message
    assert words in results[name].message


@pytest.mark.gpu
@pytest.mark.parametrize("name", [*EXPECTED, *ALONE])
def test_each_fault_has_its_status_on_a_gpu_too(results_on_cuda, name):
    status, words = {**EXPECTED, **ALONE, **ON_CUDA}[name]
    assert results_on_cuda[name].status == status, results_on_cuda[name].message
    assert words in results_on_cuda[name].message
    assert results_on_cuda[name].backend == "cuda"


LATE = """
import sys
from pathlib import Path
import gate.trials
from gate.correctness_worker import test
from gate.kernels import Workload
on_cuda = gate.trials.unchecked_calls(4, "cuda")
gate.trials.unchecked_calls = lambda seed, device: on_cuda
workload, folder = Workload(name="w"), Path(sys.argv[1])
trial = gate.trials.Trial(
    folder=folder,
    reference=(folder / "reference.py").read_bytes(),
    workload=workload,
    device="interpreter",
    seed=4,
)
print(test(trial, timeout_s=60).message)
"""


def test_work_that_stops_after_some_calls_is_seen():
    said = subprocess.run(
        [sys.executable, "-c", LATE, str(FOLDERS / "stops_working")],
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"the output is wrong {LATER_CALL}: " in said


def test_how_many_calls_are_not_checked_depends_on_the_seed():
    counts = {unchecked_calls(seed, "cuda") for seed in range(100)}
    assert (min(counts), max(counts), len(counts)) == (4, 16, 13)


def test_every_folder_is_in_the_table(results):
    folders = {path.parent.name for path in FOLDERS.glob("*/kernel.py")}
    assert {name.partition("/")[0] for name in results} == folders


def test_results_say_where_and_from_which_seed(results):
    for result in results.values():
        assert (result.backend, result.seed) == ("interpreter", SEED)


def test_messages_are_short(results):
    assert max(len(result.message) for result in results.values()) < 4000


def test_a_wrong_value_has_a_largest_error(results):
    assert results["constant_output/default"].max_abs_error > 1
    assert results["good_kernelbench/default"].max_abs_error < 1e-5
    assert results["unwritten_tail/default"].max_abs_error is None  # NaN is no number


@pytest.mark.parametrize(
    ("name", "innermost"),
    [
        ("raises/default", 'raises/kernel.py", line 25, in forward'),
        ("huge_allocation/default", 'huge_allocation/kernel.py", line 25, in forward'),
        ("segfaults/default", 'segfaults/kernel.py", line 12 in forward'),
        ("raises_on_import/default", 'raises_on_import/kernel.py", line 9'),
        ("hangs/default", 'hangs/kernel.py", line 1'),  # 11 or 12
    ],
)
def test_a_traceback_shows_the_kernel_and_nothing_of_the_gate(results, name, innermost):
    assert innermost in results[name].message
    for own in ("gate/correctness", "gate/tensors", "gate/problem", "multiprocessing"):
        assert own not in results[name].message


def test_a_fault_inside_a_launch_shows_every_line_of_the_kernel_and_none_of_triton(results):
    said = results["misspells_triton/default"].message
    assert "/triton/" not in said
    places = [line for line in said.splitlines() if line.lstrip().startswith("File ")]
    assert [place.partition('kernel.py", ')[2] for place in places] == [
        "line 30, in forward",
        "line 24, in scaled_relu",
        "line 19, in scaled_relu_kernel",
        "line 11, in scaled",
    ]
    assert "    return tl.maxium(x, 0.0) * 3.0\n" in said
    # All of it is within what a terminal shows of a message.
    assert len(said.splitlines()) <= terminal.MAX_MESSAGE_LINES


def test_nothing_that_a_kernel_started_outlives_it(results):
    running = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            running.append(file.read_bytes())
    assert results["leaves_a_process/default"].status == "passed"
    assert b"sleep\x0031415.9\x00" not in running


def test_a_workload_may_fix_its_seed():
    folder = load_folder(FOLDERS / "raises_on_import")
    workload = Workload(name="default", seed=7)
    found = check_kernel(folder, [workload], device="interpreter", seed=SEED, timeout_s=60)
    assert found["default"].seed == 7


def test_nothing_to_check_starts_nothing():
    assert check([], device="interpreter", timeout_s=0) == []


# -------------------------------------------------------------------------- what comes back

PASSED = Correctness(status="passed", backend="cuda", seed=1, max_abs_error=0.5)


@pytest.fixture
def results_file():
    with _nameless() as stream:
        yield stream


def append(stream, key):
    append_result(Path(f"/dev/fd/{stream.fileno()}"), key, PASSED)


def test_results_are_read_as_they_were_written(results_file):
    append(results_file, "one")
    append(results_file, "two")
    assert read_results(results_file) == {"one": PASSED, "two": PASSED}


def test_two_results_for_one_workload_are_a_crash(results_file):
    append(results_file, "one")
    append(results_file, "one")
    result = read_results(results_file)["one"]
    assert (result.status, result.message) == ("crashed", "gave more than one result")


@pytest.mark.parametrize(
    "line",
    [
        "",
        '{"key": "one", "resu',
        "[]",
        '{"key": "one", "result": {"status": "fine", "backend": "cuda"}}',
        '{"key": "one", "result": {"status": "passed", "backend": "cuda", "more": 1}}',
        json.dumps({"key": ["one"], "result": {"status": "passed", "backend": "cuda"}}),
    ],
)
def test_what_is_no_result_counts_as_missing(results_file, line):
    results_file.write(line + "\n")
    assert read_results(results_file) == {}


ENDED = Completed(returncode=0, stdout="", stderr="", timed_out=False, seconds=1.0)


@pytest.mark.parametrize(
    ("ended", "believed"),
    [
        (ENDED, True),
        (replace(ENDED, returncode=1), True),
        (replace(ENDED, returncode=2), False),
        (replace(ENDED, returncode=-9), False),
        (replace(ENDED, returncode=0, timed_out=True), False),
    ],
)
def test_results_count_only_if_pytest_ended_by_itself(monkeypatch, ended, believed):
    def pytest_that_wrote(argv, *, pass_fds, **_):
        append_result(Path(argv[argv.index("--gate-results") + 1]), "default", PASSED)
        return ended

    monkeypatch.setattr("gate.processes.run", pytest_that_wrote)
    monkeypatch.setattr("gate.processes.allow_inspection", lambda *, allowed: None)
    folder = load_folder(FOLDERS / "raises")
    found = run_tests(folder, folder.workloads, device="cuda", seed=1, timeout_s=1)
    assert (found["default"] == PASSED) is believed
    assert believed or found["default"].status == "crashed"


def test_a_result_that_nobody_asked_for_spoils_the_others(monkeypatch):
    def pytest_that_wrote(argv, *, pass_fds, **_):
        for key in ("default", "more"):
            append_result(Path(argv[argv.index("--gate-results") + 1]), key, PASSED)
        return ENDED

    monkeypatch.setattr("gate.processes.run", pytest_that_wrote)
    monkeypatch.setattr("gate.processes.allow_inspection", lambda *, allowed: None)
    folder = load_folder(FOLDERS / "raises")
    found = run_tests(folder, folder.workloads, device="cuda", seed=1, timeout_s=1)
    assert {name: result.status for name, result in found.items()} == {"default": "crashed"}
    assert found["default"].message == "a result came back that was not asked for"


def test_last_words_are_bounded():
    said = last_words("first\n" + "x" * 10_000 + "\nlast\n")
    assert said.endswith("\nlast")
    assert len(said) < 300


def test_a_fatal_error_is_shown_from_its_begin():
    said = last_words("noise\nFatal Python error: Aborted\n" + "frame\n" * 100)
    assert said.startswith("Fatal Python error: Aborted\nframe")


# ------------------------------------------------------------------------------- the command


def test_pytest_takes_nothing_from_the_tree(tmp_path):
    folder = load_folder(FOLDERS / "odd_rows")
    command = pytest_command(
        folder, folder.workloads, scratch=tmp_path, results=7, device="cuda", seed=3, timeout_s=2.5
    )
    assert command[1:] == [
        *("-I", "-B", "-m", "pytest", "-q", "--noconftest"),
        *("-p", "no:python", "-p", "no:cacheprovider", "-p", "gate.pytest_plugin"),
        *("-c", f"{tmp_path}/pytest.ini", "--rootdir", str(folder.path)),
        *("--gate-results", "/dev/fd/7", "--gate-device", "cuda"),
        *("--gate-seed", "3", "--gate-timeout", "2.5"),
        f"{folder.path}/kernel.py::even",
        f"{folder.path}/kernel.py::odd",
    ]


def test_pytest_takes_nothing_from_the_environment():
    given = {"PATH": "/bin", "PYTEST_ADDOPTS": "-p evil", "PYTEST_PLUGINS": "evil"}
    assert pytest_environment(given) == {"PATH": "/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@pytest.mark.parametrize("hidden", ["", "-1", " "])
def test_a_hidden_gpu_is_none(monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert detect_device() == "interpreter"
