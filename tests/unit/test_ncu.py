"""The profiling step against a fake ncu: command line, failures, what becomes of reports."""

import os
import re
import sys
from pathlib import Path

import pytest
from factories import H100
from ncu_fakes import LOGS, NAMES, FakeNcu, act, boundary, decode, launch, report

from gate import ncu, ncu_attempt
from gate.kernels import Workload, load_folder
from gate.metrics import DURATION, REQUIRED
from gate.model import SM_THROUGHPUT, NotMeasured
from gate.ncu_launches import MISSING, NOT_A_NUMBER
from gate.ncu_program import command, find_ncu, ncu_version
from gate.schemas import schema, schema_errors

KERNEL = """
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def conv_kernel(x_ptr):
    pass
"""
FILL = "vectorized_elementwise_kernel"
OPTIONAL = "lts__t_bytes.sum"
CALL = [launch()]
GOOD = act(report=report(CALL, CALL, CALL))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "conv"
    path.mkdir()
    (path / "kernel.py").write_text(KERNEL)
    (path / "reference.py").write_text("Model = get_inputs = get_init_inputs = None\n")
    return load_folder(path)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """An H100 whose ncu writes the fake's reports, and no waiting."""
    monkeypatch.setattr(ncu, "find_gpu", lambda: H100)
    monkeypatch.setattr(ncu, "driver_version", lambda: "580.159.04")
    monkeypatch.setattr(ncu, "BUSY_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(ncu_attempt, "read_report", decode)


def profile(folder, program, **changes):
    arguments = {"processes": 2, "forwards": {"default": 3}, "seed": 7, "timeout_s": 60.0} | changes
    path = program.path if isinstance(program, FakeNcu) else program
    return ncu.profile(folder, [Workload(name="default")], ncu=path, **arguments)["default"]


def gap(folder, program, **changes):
    outcome = profile(folder, program, **changes)
    assert isinstance(outcome.ncu, NotMeasured)
    assert outcome.ncu.status == "failed"
    assert re.search(schema("measurement")["$defs"]["code"]["pattern"], outcome.ncu.reason)
    assert outcome.profile is None
    return outcome.ncu


# ------------------------------------------------------------------------------ command line


def test_the_exact_command_line():
    argv = command(
        Path("/opt/ncu"),
        metrics=("a.sum", "b.pct"),
        report=Path("/s/profile.ncu-rep"),
        log=Path("/s/ncu.log"),
        program=("/usr/bin/python3", "-m", "gate.ncu_worker", "/s/request.json"),
    )
    assert argv == [
        *("/opt/ncu", "--config-file", "off"),
        *("--target-processes", "application-only"),
        *("--profile-from-start", "off"),
        *("--kernel-name-base", "function"),
        *("--replay-mode", "kernel"),
        *("--cache-control", "all"),
        *("--clock-control", "none"),
        *("--apply-rules", "no"),
        *("--metrics", "a.sum,b.pct"),
        *("--log-file", "/s/ncu.log"),
        *("--export", "/s/profile"),
        *("--force-overwrite", "--"),
        *("/usr/bin/python3", "-m", "gate.ncu_worker", "/s/request.json"),
    ]


def test_ncu_is_called_once_a_process_with_its_own_scratch(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    fake = FakeNcu(tmp_path, GOOD)
    profile(folder, fake)
    first, second = fake.calls
    assert first["argv"][-4:-1] == [sys.executable, "-m", "gate.ncu_worker"]
    assert fake.asked_for(0) == list(NAMES)
    assert first["cwd"] != second["cwd"]
    for call in (first, second):
        scratch = call["cwd"]
        env = call["env"]
        assert env["TMPDIR"] == scratch
        assert env["HOME"] == f"{scratch}/home"
        assert env["TRITON_CACHE_DIR"].startswith(scratch)
        assert env["CUDA_VISIBLE_DEVICES"] == H100.uuid
        assert "TRITON_INTERPRET" not in env
        assert call["scratch_modes"] == "0o700"
        assert not Path(scratch).exists()


def test_one_workload_that_breaks_is_the_only_one_without_figures(tmp_path, folder):
    broken = act("worker_failed.log", exit_code=1, stderr="boom")
    fake = FakeNcu(tmp_path, broken, GOOD, broken)
    workloads = [Workload(name="good"), Workload(name="bad")]
    found = ncu.profile(
        folder,
        workloads,
        ncu=fake.path,
        processes=1,
        forwards={"good": 3, "bad": 4},
        seed=7,
        timeout_s=60.0,
    )
    assert found["good"].profile.forwards == 3
    assert found["bad"].ncu.reason == "worker_failed"
    asked = [[w["definition"]["name"] for w in call["request"]["workloads"]] for call in fake.calls]
    assert asked == [["good", "bad"], ["good"], ["bad"]]


def test_the_workers_request_has_all_it_needs(tmp_path, folder):
    fake = FakeNcu(tmp_path, GOOD)
    profile(folder, fake, processes=1)
    request = fake.calls[0]["request"]
    assert request["folder"] == str(folder.path)
    (asked,) = request["workloads"]
    assert Workload.from_json(asked["definition"]) == Workload(name="default")
    assert (asked["forwards"], request["seed"]) == (3, 7)
    assert 60 <= request["deadline_s"] <= 90


# ---------------------------------------------------------------------------------- success


def test_processes_and_forward_calls_are_merged(tmp_path, folder):
    slower = [launch(duration=30.0)]
    fake = FakeNcu(
        tmp_path,
        act(report=report([launch(duration=10.0)], [launch(duration=11.0)], slower)),
        act(report=report(slower, slower, slower)),
    )
    outcome = profile(folder, fake)
    assert outcome.ncu["conv_kernel"][DURATION] == 30
    assert outcome.profile.spread["conv_kernel"][DURATION] == (10, 30)
    assert (outcome.profile.processes, outcome.profile.forwards) == (2, 6)
    assert outcome.profile.launches == {"conv_kernel": 1}


def test_the_outcome_is_one_that_the_documents_take(tmp_path, folder):
    outcome = profile(folder, FakeNcu(tmp_path, GOOD))
    assert list(schema_errors("ncu_metrics", outcome.ncu)) == []
    modes = schema("measurement")["$defs"]["profile"]["properties"]
    assert outcome.profile.clock_control in modes["clock_control"]["enum"]
    assert outcome.profile.cache_control in modes["cache_control"]["enum"]
    assert outcome.profile.replay_mode in modes["replay_mode"]["enum"]


def test_a_foreign_kernel_in_the_forward_call_is_seen(tmp_path, folder):
    call = [launch(f"at::native::{FILL}"), launch()]
    outcome = profile(folder, FakeNcu(tmp_path, act(report=report(call, call, call))))
    assert outcome.profile.launches == {f"at__native__{FILL}": 1, "conv_kernel": 1}
    assert outcome.ncu.keys() == outcome.profile.launches.keys()


def test_reports_and_logs_are_kept_on_request(tmp_path, folder):
    keep = tmp_path / "kept"
    profile(folder, FakeNcu(tmp_path, GOOD), keep=keep)
    kept = sorted(file.name for file in keep.iterdir())
    assert kept == [f"conv-{n}.{end}" for n in (0, 1) for end in ("log", "ncu-rep")]


# --------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("exit_code", [0, 1, 9])
@pytest.mark.parametrize(
    ("log", "reason", "said"),
    [
        ("counter_permission", "counter_permission", "NVreg_RestrictProfilingToAdminUsers=0"),
        ("profiler_busy", "profiler_busy", "dcgmi profile --pause"),
        ("lock_failed", "lock_failed", "TMPDIR"),
        ("lock_failed_by_name", "lock_failed", "TMPDIR"),
        ("metric_unknown_required", "metric_unknown", "dram__throughput"),
        ("library_not_loaded", "library_not_loaded", "Upgrade ncu"),
        ("library_not_loaded_stub", "library_not_loaded", "stubs"),
        ("gpu_unsupported", "gpu_unsupported", "ncu --list-chips"),
        ("worker_failed", "worker_failed", "ZeroDivisionError"),
        ("no_kernels_profiled", "no_kernels_profiled", "gate doctor"),
        ("ncu_unknown_failure", "ncu_unknown_failure", "Unknown Error on device 0."),
        ("ncu_unknown_failure_in_a_launch", "ncu_unknown_failure", "Failed to profile"),
    ],
)
def test_every_failure_is_recognised_whatever_ncus_exit_code(
    tmp_path, folder, log, reason, said, exit_code
):
    words = "Traceback:\nZeroDivisionError: division by zero"
    fake = FakeNcu(tmp_path, act(f"{log}.log", exit_code=exit_code, stderr=words))
    found = gap(folder, fake)
    assert found.reason == reason
    assert said in found.message
    assert len(found.message) < 20_000


def test_the_driver_decides_which_capability_a_container_needs(tmp_path, folder):
    found = gap(folder, FakeNcu(tmp_path, act("counter_permission.log")))
    assert "--cap-add PERFMON" in found.message


def test_a_failure_wins_over_a_report(tmp_path, folder):
    fake = FakeNcu(tmp_path, act("worker_failed.log", report=report(CALL, CALL, CALL), exit_code=1))
    assert gap(folder, fake).reason == "worker_failed"


def test_before_the_candidate_is_loaded_the_machine_is_to_blame(tmp_path, folder):
    fake = FakeNcu(tmp_path, act("worker_failed.log", exit_code=1, stderr="no CUDA", ready=False))
    found = gap(folder, fake)
    assert found.reason == "worker_cannot_start"
    assert "no CUDA" in found.message
    assert "gate doctor" in found.message


def test_ncu_that_stops_at_its_options_is_quoted(tmp_path, folder):
    said = "==ERROR== unrecognised option '--apply-rules'. Use --help for further details."
    found = gap(folder, FakeNcu(tmp_path, act(None, stdout=said, exit_code=1)))
    assert found.reason == "ncu_unknown_failure"
    assert "--apply-rules" in found.message


def test_what_the_candidate_prints_is_not_taken_for_ncus_log(tmp_path, folder):
    lie = act("worker_failed.log", stdout="==ERROR== ERR_NVGPUCTRPERM", exit_code=1)
    assert gap(folder, FakeNcu(tmp_path, lie)).reason == "worker_failed"


def test_a_held_counter_is_tried_for_once_more(tmp_path, folder):
    busy = act("profiler_busy.log", exit_code=9)
    fake = FakeNcu(tmp_path, busy, GOOD)
    assert profile(folder, fake, processes=1).profile is not None
    assert len(fake.calls) == 2


def test_a_counter_that_stays_held_fails(tmp_path, folder):
    fake = FakeNcu(tmp_path, act("profiler_busy.log", exit_code=9))
    assert gap(folder, fake).reason == "profiler_busy"
    assert len(fake.calls) == 2


@pytest.mark.parametrize("log", ["metric_unknown.log", "metric_unknown_base.log"])
def test_an_unknown_optional_metric_is_left_out_from_then_on(tmp_path, folder, log):
    fake = FakeNcu(tmp_path, act(log, exit_code=1), GOOD)
    outcome = profile(folder, fake)
    assert [OPTIONAL in fake.asked_for(call) for call in range(3)] == [True, False, False]
    assert OPTIONAL not in outcome.ncu["conv_kernel"]
    assert outcome.ncu["conv_kernel"].keys() >= REQUIRED


def test_an_unknown_metric_that_cannot_be_left_out_is_not_tried_for_ever(tmp_path, folder):
    log = (LOGS / "metric_unknown.log").read_text().replace(OPTIONAL, "bogus__x.sum")
    fake = FakeNcu(tmp_path, act("metric_unknown.log", exit_code=1) | {"log": log})
    assert gap(folder, fake).reason == "metric_unknown"
    assert len(fake.calls) == 1


def test_a_required_metric_that_is_unknown_is_not_left_out(tmp_path, folder):
    fake = FakeNcu(tmp_path, act("metric_unknown_required.log"))
    assert "ncu --query-metrics --chips ad102" in gap(folder, fake).message
    assert len(fake.calls) == 1


def test_profiling_that_does_not_end_is_ended(tmp_path, folder):
    fake = FakeNcu(tmp_path, act(report=report(CALL, CALL, CALL), seconds=60))
    found = gap(folder, fake, timeout_s=1.0)
    assert found.reason == "timed_out"
    assert "ncu_timeout_s" in found.message


def test_the_budget_is_for_all_processes_together(tmp_path, folder):
    fake = FakeNcu(tmp_path, GOOD | {"seconds": 0.4})
    assert gap(folder, fake, timeout_s=1.0, processes=50).reason == "timed_out"
    assert len(fake.calls) < 5


@pytest.mark.parametrize("content", [None, "no program"])
def test_ncu_that_cannot_be_run_is_missing(tmp_path, folder, content):
    program = tmp_path / "ncu"
    if content:
        program.write_text(content)
    found = gap(folder, program)
    assert found.reason == "ncu_missing"
    assert "NCU=/path/to/ncu" in found.message


@pytest.mark.parametrize(
    ("launches", "reason"),
    [
        (report([launch(FILL)], [launch(FILL)], [launch(FILL)]), "triton_kernel_not_launched"),
        (report([], [], []), "triton_kernel_not_launched"),
        (report(CALL, CALL), "launches_differ"),
        (report(CALL, CALL, CALL + CALL), "launches_differ"),
        (report([launch(), boundary()], CALL), "launches_differ"),
        (report(*[[launch(faults={SM_THROUGHPUT: MISSING})]] * 3), "metric_missing"),
        (report(*[[launch(faults={SM_THROUGHPUT: NOT_A_NUMBER})]] * 3), "metric_not_a_number"),
        (report(CALL, CALL, [launch("")]), "report_unreadable"),
        (CALL * 3, "no_kernels_profiled"),
    ],
)
def test_a_report_without_exactly_what_was_asked_for_fails(tmp_path, folder, launches, reason):
    assert gap(folder, FakeNcu(tmp_path, act(report=launches))).reason == reason


def test_success_without_a_report_is_a_failure(tmp_path, folder, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(ncu, "find_gpu", lambda: None)
    assert gap(folder, FakeNcu(tmp_path, act())).reason == "report_unreadable"


def test_processes_that_launch_different_kernels_fail(tmp_path, folder):
    twice = [launch(), launch()]
    fake = FakeNcu(tmp_path, GOOD, act(report=report(twice, twice, twice)))
    assert gap(folder, fake).reason == "launches_differ"


def test_a_log_of_any_size_is_bounded(tmp_path, folder):
    log = "==ERROR== " + "x" * 1_000_000
    found = gap(folder, FakeNcu(tmp_path, act() | {"log": log, "exit_code": 9}))
    assert found.reason == "ncu_unknown_failure"
    assert len(found.message) < 20_000


# -------------------------------------------------------------------------------- finding it


def executable(file, text="#!/bin/sh\n"):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def test_the_environment_names_ncu_before_the_path_does(tmp_path, monkeypatch):
    on_path = executable(tmp_path / "bin" / "ncu")
    named = executable(tmp_path / "other" / "ncu")
    monkeypatch.setenv("PATH", str(on_path.parent), prepend=os.pathsep)
    monkeypatch.delenv("NCU", raising=False)
    assert find_ncu() == on_path
    monkeypatch.setenv("NCU", str(named))
    assert find_ncu() == named


def test_a_wrong_name_in_the_environment_is_not_replaced_by_a_guess(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(executable(tmp_path / "ncu").parent), prepend=os.pathsep)
    monkeypatch.setenv("NCU", str(tmp_path / "absent"))
    assert find_ncu() is None


def test_the_version_is_read_from_what_ncu_prints(tmp_path):
    text = """#!/bin/sh
echo "NVIDIA (R) Nsight Compute Command Line Profiler"
echo "Copyright (c) 2018-2025 NVIDIA Corporation"
echo "Version 2025.3.1.0 (build 36398880) (public-release)"
"""
    assert ncu_version(executable(tmp_path / "ncu", text)) == "2025.3.1.0"
    assert ncu_version(executable(tmp_path / "other", "#!/bin/sh\necho hello\n")) is None
    assert ncu_version(tmp_path / "absent") is None


# -------------------------------------------------------------------------------- the worker


def test_the_worker_marks_where_the_forward_calls_begin_and_end(monkeypatch):
    worker = pytest.importorskip("gate.ncu_worker")
    events = []
    for name in ("start", "stop", "synchronize"):
        monkeypatch.setattr(worker, name, lambda name=name: events.append(name))
    worker._profile(lambda: events.append("call"), lambda: events.append("mark"), 2)
    told = [event for event in events if event != "synchronize"]
    warmup = ["call"] * worker.WARMUP_FORWARDS
    assert told == [*warmup, "start", "mark", "call", "call", "mark", "stop"]
    # Nothing may be under way when profiling starts or stops.
    assert events[events.index("start") - 1] == events[events.index("stop") - 1] == "synchronize"
