"""Real compiles with Triton for GPUs that this machine need not have."""

import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import asdict, replace
from importlib import util
from pathlib import Path

import jsonschema_rs
import pytest

from gate import static
from gate.errors import MissingExtra
from gate.kernels import Workload, load_folder
from gate.model import NotMeasured, Static
from gate.processes import Completed, run
from gate.schemas import schema
from gate.static_answer import Answer, Failure, RecordedLaunch, read_answers, to_line

KERNELS = Path(__file__).parents[1] / "broken_kernels" / "static"
REFERENCE = (KERNELS / "reference.py").read_text()
SEEDS_REFERENCE = """
import torch
import torch.nn as nn

batch_size = 64


class Model(nn.Module):
    pass


def get_inputs():
    return [torch.rand(batch_size, 8, 512, 512)]


def get_init_inputs():
    return [8, 3]
"""


# What the schema says of the static step, and what that refers to.
DEFINITIONS = ("static", "static_launch", "not_measured", "identifier", "short", "text", "code")
DEFINITIONS += ("count", "positive")
TILE_BYTES = 32 * 32 * 4  # of `small_tiles`


def make_folder(tmp_path, kernel="modes", reference=REFERENCE):
    path = tmp_path / kernel
    path.mkdir()
    shutil.copy(KERNELS / f"{kernel}.py", path / "kernel.py")
    (path / "reference.py").write_text(reference)
    return load_folder(path)


def modes(*names):
    return [Workload(name=name, constants={"mode": name}) for name in names]


def line_of(function):
    """The line of its `def` in modes.py."""
    lines = (KERNELS / "modes.py").read_text().splitlines()
    return 1 + next(i for i, line in enumerate(lines) if line.startswith(f"def {function}("))


# Each is one forward of modes.py. All are analysed by one worker.
LAUNCHES = {
    # mode: (function, grid, threads) of each launch
    "plain": [("copy_kernel", (8, 1, 1), 128)],
    "unaligned": [("copy_kernel", (8, 1, 1), 128)],
    "grid_of_meta": [("copy_kernel", (32, 2, 3), 128)],
    "two_launches": [("copy_kernel", (8, 1, 1), 128), ("scale_kernel", (16, 1, 1), 128)],
    "two_grids": [("copy_kernel", (1, 1, 1), 128), ("copy_kernel", (2, 1, 1), 128)],
    "heuristics": [("heuristic_kernel", (4, 1, 1), 128)],
    "autotune": [("tuned_kernel", (8, 1, 1), 256)],  # the first that fits, of three
    "spills": [("hungry_kernel", (1, 1, 1), 128)],
    "small_tiles": [("dot_kernel", (1, 1, 1), 128)],
    "smaller_tiles_on_refusal": [("dot_kernel", (1, 1, 1), 128)],
}
LIMITS = {
    "many_warps": ("copy_kernel", "threads per block: 2,048 needed, sm_89 allows 1,024"),
    "many_registers": (
        "hungry_kernel",
        r"threads per block with as many registers each: 1,024 needed, sm_89 allows \d+",
    ),
    "large_tiles": (
        "dot_kernel",
        r"bytes of shared memory per block: [\d,]+ needed, sm_89 allows 101,376",
    ),
    "static_shared": (
        "static_shared_kernel",
        "bytes of static shared data: 200,000 needed, sm_89 allows 49,152",
    ),
    "autotune_nothing_fits": (
        "untunable_kernel",
        "threads per block: 2,048 needed, sm_89 allows 1,024",
    ),
    "large_grid": ("copy_kernel", "blocks in grid dimension 1: 70,000 needed, sm_89 allows 65,535"),
}
FAILURES = {
    "no_launch": ("no_launch", "the forward call launches no Triton kernel"),
    "empty_grid": ("no_launch", "the forward call launches no Triton kernel"),
    "refuses_cpu": ("launch_not_recorded", "AssertionError: x must be on the GPU"),
    "no_gpu": ("launch_not_recorded", "kernel.py:"),
    "exits": ("launch_not_recorded", "SystemExit: 3"),
    "broken_constructor": ("kernel_not_built", "ValueError: cannot be built"),
    "does_not_compile": ("compile_failed", "NameError('no_such_name is not defined')"),
    "does_not_assemble": ("compile_failed", "ptxas"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("kernels"))
    workloads = modes(*LAUNCHES, *LIMITS, *FAILURES)
    found = static.analyse(folder, workloads, target="sm_89", timeout_s=60)
    assert list(found) == [workload.name for workload in workloads]
    return found


@pytest.mark.parametrize("mode", LAUNCHES)
def test_every_distinct_launch_is_reported_in_order(outcomes, mode):
    found = outcomes[mode]
    assert found.violations == ()
    assert found.static.target == "sm_89"
    launches = [(x.function, x.grid, x.threads) for x in found.static.launches]
    assert launches == LAUNCHES[mode]
    assert all(x.grid_size == x.grid[0] * x.grid[1] * x.grid[2] for x in found.static.launches)


def test_launches_that_are_alike_are_counted(outcomes):
    assert [x.times for x in outcomes["two_launches"].static.launches] == [2, 1]
    assert [x.times for x in outcomes["plain"].static.launches] == [1]


@pytest.mark.parametrize("mode", LIMITS)
def test_an_exceeded_hardware_limit_is_a_violation_at_the_kernel(outcomes, mode):
    function, limit = LIMITS[mode]
    (violation,) = outcomes[mode].violations
    assert violation.code == "hardware_limit"
    assert violation.line == line_of(function)
    assert re.fullmatch(f"{function} cannot run: {limit}", violation.message)


def test_what_cannot_be_loaded_has_no_figures(outcomes):
    assert outcomes["many_warps"].static == NotMeasured(
        status="failed",
        reason="hardware_limit",
        message="copy_kernel: threads per block: 2,048 needed, sm_89 allows 1,024",
    )


def test_a_kernel_whose_grid_alone_is_too_large_has_its_figures(outcomes):
    assert outcomes["large_grid"].static.launches[0].grid == (1, 70_000, 1)


@pytest.mark.parametrize("mode", FAILURES)
def test_a_forward_without_a_recorded_launch_says_why(outcomes, mode):
    reason, message = FAILURES[mode]
    found = outcomes[mode]
    assert found.static.status == "failed"
    assert found.static.reason == reason
    assert message in found.static.message
    assert found.violations == ()


def test_signatures_are_known_wherever_the_reference_works(outcomes):
    for mode, outcome in outcomes.items():
        assert outcome.signature == ("float32[128, 64]", repr(mode))


def only_launch(outcome):
    (launch,) = outcome.static.launches
    return launch


def test_accesses_are_as_wide_as_the_alignment_allows(outcomes):
    plain, unaligned = only_launch(outcomes["plain"]), only_launch(outcomes["unaligned"])
    assert (plain.widest_global_load_bits, plain.widest_global_store_bits) == (128, 128)
    assert (unaligned.widest_global_load_bits, unaligned.widest_global_store_bits) == (32, 32)
    assert unaligned.instructions > plain.instructions > 0
    assert (plain.theoretical_occupancy_pct, plain.occupancy_limit) == (100.0, "warps")


def test_spills_are_bytes_of_stack(outcomes):
    launch = only_launch(outcomes["spills"])
    assert launch.registers <= 24
    assert launch.stack_bytes > 0
    assert only_launch(outcomes["plain"]).stack_bytes == 0


def test_asynchronous_copies_are_loads_and_shared_memory_limits(outcomes):
    launch = only_launch(outcomes["small_tiles"])
    assert launch.widest_global_load_bits == 128
    assert launch.shared_bytes in {2 * stages * TILE_BYTES for stages in (1, 2, 3)}
    assert launch.occupancy_limit == "shared_mem"


def test_every_outcome_fits_the_measurements_schema(outcomes):
    everything = schema("measurement")["$defs"]
    definitions = {name: everything[name] for name in DEFINITIONS}
    for outcome in outcomes.values():
        kind = "static" if isinstance(outcome.static, Static) else "not_measured"
        plain = json.loads(json.dumps(asdict(outcome.static)))
        jsonschema_rs.validate({"$ref": f"#/$defs/{kind}", "$defs": definitions}, plain)


def test_the_seeds_kernel_at_its_own_size(tmp_path):
    folder = make_folder(tmp_path, "seed_style", SEEDS_REFERENCE)
    (found,) = static.analyse(folder, folder.workloads, target="sm_89", timeout_s=60).values()
    assert found.signature == ("float32[64, 8, 512, 512]", "8", "3")
    launch = only_launch(found)
    assert launch.function == "depthwise_heightwise_kernel"
    assert launch.grid == (512, 510, 4)
    assert launch.grid_size == 1_044_480  # the seed's launch__grid_size
    assert (launch.stack_bytes, launch.shared_bytes, launch.local_bytes) == (0, 0, 0)
    assert launch.theoretical_occupancy_pct == 100.0
    # 34 where nothing is known of its arguments; here strides are 1 and sizes divisible by 16.
    assert 16 <= launch.registers < 34


def test_the_same_kernels_on_hopper(tmp_path):
    folder = make_folder(tmp_path)
    workloads = modes("large_tiles", "small_tiles")
    large, small = static.analyse(folder, workloads, target="sm_90", timeout_s=60).values()
    (violation,) = large.violations
    assert violation.message.endswith(" needed, sm_90 allows 232,448")
    assert small.static.target == "sm_90"
    # Whole tiles, without the 1024 bytes that CUDA keeps there for itself.
    assert only_launch(small).shared_bytes % TILE_BYTES == 0


def test_a_crash_costs_only_its_own_workload(tmp_path):
    folder = make_folder(tmp_path)
    workloads = modes("plain", "crashes", "leaves_silently", "two_grids")
    found = static.analyse(folder, workloads, target="sm_89", timeout_s=60)
    crashed, silent = found["crashes"], found["leaves_silently"]
    assert (crashed.static.reason, silent.static.reason) == ("crashed", "crashed")
    assert "was ended by SIGSEGV at kernel.py:" in crashed.static.message
    assert "Segmentation fault" in crashed.static.message
    assert "exited with 0: it said nothing" in silent.static.message
    assert crashed.signature == ("float32[128, 64]", "'crashes'")
    assert len(found["plain"].static.launches) == 1
    assert len(found["two_grids"].static.launches) == 2


def test_a_hang_costs_only_its_own_workload(tmp_path):
    # The others compile nothing, so that no busy machine makes them as slow as a hang.
    workloads = modes("no_launch", "hangs", "refuses_cpu")
    found = static.analyse(make_folder(tmp_path), workloads, target="sm_89", timeout_s=3)
    assert {name: outcome.static.reason for name, outcome in found.items()} == {
        "no_launch": "no_launch",
        "hangs": "timed_out",
        "refuses_cpu": "launch_not_recorded",
    }
    message = found["hangs"].static.message
    assert "did not finish within 3 s at kernel.py:" in message
    assert " in hangs: correctness_timeout_s in [tool.gate] allows more" in message
    assert "Timeout (" not in message
    assert "\n" not in message


def test_a_reference_that_does_not_work_says_so(tmp_path):
    folder = make_folder(tmp_path, reference="raise RuntimeError('no sizes today')\n" + REFERENCE)
    (found,) = static.analyse(folder, folder.workloads, target="sm_89", timeout_s=60).values()
    assert found.signature == ()
    assert found.static.reason == "reference_failed"
    assert found.static.message == "reference.py:1: RuntimeError: no sizes today"


# --------------------------------------------------------------------- without a real worker


PLAIN = Answer(
    workload="plain",
    signature=("float32[4]",),
    finished=True,
    launches=(
        RecordedLaunch(
            function="copy_kernel",
            entry="copy_kernel",
            grid=(8, 1, 1),
            threads=128,
            shared_bytes=0,
            cubin=hashlib.sha256(b"").hexdigest(),
        ),
    ),
)


def pretend(monkeypatch, answer, *, returncode=0, stderr="", timed_out=False):
    """Stands in for the worker: notes how it is started and writes `answer` in its stead."""
    started = []

    def run_or_pretend(argv, *, timeout_s, env=None, cwd=None):
        if "gate.static_worker" not in argv:
            return run(argv, timeout_s=timeout_s, env=env, cwd=cwd)
        request = json.loads(Path(argv[-1]).read_text())
        started.append((argv, timeout_s, env, cwd, request))
        with Path(request["answer"]).open("a") as stream:
            stream.write(answer)
        return Completed(
            returncode=returncode, stdout="", stderr=stderr, timed_out=timed_out, seconds=1.0
        )

    monkeypatch.setattr(static.processes, "run", run_or_pretend)
    return started


def test_the_workers_command_line_and_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setenv("TRITON_OVERRIDE_ARCH", "sm80")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    started = pretend(monkeypatch, "")
    folder = make_folder(tmp_path)
    static.analyse(folder, modes("plain"), target="sm_90", timeout_s=7)
    ((argv, timeout_s, env, cwd, request),) = started
    assert argv == [sys.executable, "-m", "gate.static_worker", str(cwd / "request.json")]
    assert timeout_s == static.STARTUP_SECONDS + 7
    assert env["CUDA_VISIBLE_DEVICES"] == ""
    assert env["TRITON_CACHE_DIR"].startswith(str(cwd))
    assert env["PYTHONDONTWRITEBYTECODE"] == "1"
    assert not {"TRITON_INTERPRET", "TRITON_OVERRIDE_ARCH"} & env.keys()
    assert request["folder"] == str(folder.path)
    assert request["target"] == "sm_90"
    assert request["timeout_s"] == 7
    assert [w["name"] for w in request["workloads"]] == ["plain"]
    assert not cwd.exists()


def test_no_workload_needs_no_worker(tmp_path, monkeypatch):
    started = pretend(monkeypatch, "")
    assert static.analyse(make_folder(tmp_path), [], target="sm_89", timeout_s=7) == {}
    assert started == []


@pytest.mark.parametrize(
    ("ended", "reason", "message"),
    [
        ({"returncode": -11}, "crashed", "was ended by SIGSEGV: it said nothing"),
        (
            {"returncode": 1, "stderr": "No module named gate"},
            "crashed",
            "exited with 1: No module",
        ),
        ({"returncode": -9, "timed_out": True}, "timed_out", "did not finish within 6 s"),
        (
            {"returncode": 1, "stderr": "Timeout (0:00:06)!\nThread"},
            "timed_out",
            "did not finish within 6 s",
        ),
    ],
)
def test_how_a_worker_without_an_answer_ended(tmp_path, monkeypatch, ended, reason, message):
    started = pretend(monkeypatch, "", **ended)
    found = static.analyse(make_folder(tmp_path), modes("a", "b"), target="sm_89", timeout_s=6)
    assert len(started) == 2
    for outcome in found.values():
        assert outcome.signature == ()
        assert outcome.static.reason == reason
        assert message in outcome.static.message


@pytest.mark.parametrize(
    "line",
    [
        "not JSON\n",
        "[]\n",
        "{}\n",
        '{"workload": "plain", "finished": true, "launches": 3}\n',
        to_line(replace(PLAIN, launches=())),
        to_line(PLAIN).replace('"copy_kernel"', '"<script>"', 1),
        to_line(PLAIN).replace("[8, 1, 1]", "[8, 0, 1]"),
        to_line(PLAIN).replace("[8, 1, 1]", "[8, 1]"),
        to_line(PLAIN).replace("[8, 1, 1]", "[Infinity, 1, 1]"),
        to_line(PLAIN).replace('"threads": 128', '"threads": -128'),
        to_line(PLAIN).replace('"shared_bytes": 0', '"shared_bytes": -1'),
        to_line(PLAIN).replace(PLAIN.launches[0].cubin, "../../etc/passwd"),
        to_line(PLAIN)[:-20] + "\n",
        "[" * 100_000 + "\n",
    ],
)
def test_lines_that_no_worker_writes_are_dropped(line):
    assert read_answers(line) == {}
    assert read_answers(line + to_line(PLAIN)) == {"plain": PLAIN}


def test_a_workloads_last_line_counts():
    early = Answer(workload="plain", signature=("float32[4]",))
    late = Answer(workload="plain", finished=True, failure=Failure(reason="no_launch", message="-"))
    assert read_answers(to_line(early) + to_line(late)) == {"plain": late}


def test_a_binary_that_cannot_be_taken_apart_is_a_failure(tmp_path, monkeypatch):
    pretend(monkeypatch, to_line(PLAIN))
    folder = make_folder(tmp_path)
    (found,) = static.analyse(folder, modes("plain"), target="sm_89", timeout_s=6).values()
    assert found.static.reason == "disassembly_failed"
    assert found.static.message.startswith("cuobjdump exited with ")
    assert found.signature == ("float32[4]",)


def test_more_launches_than_a_report_can_hold_are_a_failure(tmp_path, monkeypatch):
    pretend(monkeypatch, to_line(replace(PLAIN, launches=PLAIN.launches * 1001)))
    folder = make_folder(tmp_path)
    (found,) = static.analyse(folder, modes("plain"), target="sm_89", timeout_s=6).values()
    assert found.static.reason == "too_many_launches"


def test_a_card_newer_than_the_gate_costs_this_step_alone(tmp_path, monkeypatch):
    started = pretend(monkeypatch, "")
    found = static.analyse(make_folder(tmp_path), modes("a", "b"), target="sm_199", timeout_s=6)
    assert started == []
    for name in ("a", "b"):
        gap = found[name].static
        assert (gap.status, gap.reason) == ("not_run", "unknown_gpu")
        assert "sm_199" in gap.message
        assert "gate/gpus/architectures.py" in gap.message


@pytest.mark.parametrize("target", ["sm_75", "sm_80", "sm_86", "sm_120"])
def test_other_architectures_compile_too(tmp_path, target):
    found = static.analyse(make_folder(tmp_path), modes("plain"), target=target, timeout_s=60)
    launches = found["plain"].static.launches
    assert found["plain"].static.target == target
    assert launches[0].instructions > 0
    assert 0 < launches[0].theoretical_occupancy_pct <= 100


@pytest.mark.parametrize("missing", ["torch", "triton"])
def test_without_torch_or_triton_the_extra_is_named(tmp_path, monkeypatch, missing):
    real = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == missing else real(name))
    with pytest.raises(MissingExtra) as caught:
        static.analyse(make_folder(tmp_path), modes("plain"), target="sm_89", timeout_s=6)
    assert "[gpu]" in caught.value.hint


def test_a_compiler_that_is_not_there_is_not_the_kernels_fault(tmp_path, monkeypatch):
    installed = Path(util.find_spec("triton").origin).parent
    without_ptxas = shutil.ignore_patterns("ptxas*")
    shutil.copytree(installed, tmp_path / "triton", copy_function=os.symlink, ignore=without_ptxas)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = static.analyse(make_folder(tmp_path), modes("plain"), target="sm_89", timeout_s=60)
    assert found["plain"].static.reason == "compiler_missing"
    assert "Cannot find ptxas" in found["plain"].static.message
