"""The parent's side of timing, with a stand-in for the worker that a real pipe leads to."""

import json
import sys
from pathlib import Path

import pytest

from gate import timing
from gate.errors import ExitCode
from gate.findings import exit_code_of
from gate.git import BaseKernel
from gate.kernels import KernelFolder, Workload
from gate.model import NotMeasured, Timing
from gate.sampling import Base, Lost, Rules
from gate.timing import CANARY_NAMES, NAMES, read_answer
from gate.tree import TreeChanged
from tests.factories import H100

STATE = {
    "sm_clock_mhz": 1980,
    "memory_clock_mhz": 2619,
    "temperature_c": 40,
    "power_w": 300.0,
    "throttle_reasons": [],
    "other_processes": 0,
    "power_limit_w": 700.0,
    "mig": False,
    "ecc": True,
}
LINE = {
    "id": 0,
    "signature": ["float32[4]", "3"],
    "samples_ns": {"forward": [101.0, 100.0, 102.0, 103.0, 104.0]},
    "batch": 50,
    "l2_flush_bytes": 1000,
    "states": [STATE, {**STATE, "sm_clock_mhz": 1980}],
}
SOURCE = b"# \xff is no text in every encoding\n"
# Answers each order with what the file beside it says of its workload and arm.
WORKER = """
import json, os, sys
from pathlib import Path
script = json.loads(Path({script!r}).read_text())
for line in sys.stdin:
    order = json.loads(line)
    arm = "base" if "/base/" in order.get("folder", "") else "candidate"
    Path({seen!r}).open("a").write(json.dumps(order) + "\\n")
    answer = script.get(order["workload"] + ":" + arm, script["*"])
    if answer == "die":
        print("its last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 11)
    if answer == "rewrite":
        answer = script["*"]
        Path(order["reference"]).write_text("evil = True")
        for file in Path.cwd().glob("base/*/kernel.py"):
            file.write_text("# as slow as the candidate")
    text = answer if isinstance(answer, str) else json.dumps({{**answer, "id": order["id"]}})
    print(text, flush=True)
"""


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """`measured(answers, *workloads)` times them with a worker that gives these answers."""
    seen, script = tmp_path / "seen", tmp_path / "script"
    real = timing.processes.Conversation

    def conversation(_argv, **how):
        code = WORKER.format(script=str(script), seen=str(seen))
        return real([sys.executable, "-c", code], **how)

    monkeypatch.setattr(timing.processes, "Conversation", conversation)

    def measure(answers, *names, base=None, rules_base=None):
        script.write_text(json.dumps({"*": LINE, **answers}))
        reference = tmp_path / "conv" / "reference.py"
        reference.parent.mkdir()
        reference.write_bytes(SOURCE)
        workloads = tuple(Workload(name=name) for name in names or ("flagship",))
        made = timing.measure(
            KernelFolder(name="conv", path=tmp_path / "conv", workloads=workloads),
            workloads,
            gpu=H100,
            rules=Rules(stored={}, floor=0.01, processes=3, base=rules_base, suspect="always"),
            base=base,
            seed=1,
            timeout_s=10.0,
            canary=False,
            moved=lambda _: "",
            say=lambda _: None,
        )
        orders = [json.loads(line) for line in seen.read_text().splitlines()]
        return made, orders

    return measure


def test_each_process_gives_its_median_and_a_summary(measured):
    made, orders = measured({})
    timings = made.timings
    assert timings["flagship"].process_medians_ns == (102.0, 102.0, 102.0)
    summary = timings["flagship"].samples[0]
    assert (summary.count, summary.sm_clock_mhz) == (5, 1980)
    assert made.signatures == {"flagship": ("float32[4]", "3")}
    assert len({order["seed"] for order in orders}) == 3, "fresh inputs each"
    assert {order["l2_bytes"] for order in orders} == {H100.l2_bytes}


def test_the_base_revisions_kernel_is_measured_from_a_folder_of_its_own(measured):
    base = BaseKernel(commit="a" * 40, source=b"# the base's kernel\n")
    named = Base(commit=base.commit, kernel_sha256=base.sha256)
    made, orders = measured({}, base=base, rules_base=named)
    assert made.timings["flagship"].base.kernel_sha256 == base.sha256
    folders = {Path(order["folder"]).parent.name for order in orders}
    assert "base" in folders
    assert len(folders) == 2
    assert len({order["reference"] for order in orders}) == 1


def test_every_process_draws_its_inputs_as_the_reference_was_before_any_ran(measured):
    _, orders = measured({"flagship:candidate": "rewrite"})
    assert {order["reference_source"].encode("latin-1") for order in orders} == {SOURCE}


def test_memory_that_is_full_is_not_the_kernels_fault():
    full = json.dumps({"id": 0, "failed": "out_of_memory", "message": "2 GiB"})
    lost = read_answer(full, 0, NAMES)
    assert (lost.reason, lost.message) == ("out_of_memory", "2 GiB")
    assert exit_code_of(lost.reason) is ExitCode.ENVIRONMENT


def test_a_candidate_that_rewrites_the_base_revisions_kernel_is_found_out(measured):
    base = BaseKernel(commit="a" * 40, source=b"# the base's kernel\n")
    named = Base(commit=base.commit, kernel_sha256=base.sha256)
    with pytest.raises(TreeChanged, match=r"the base revision's kernel.py changed"):
        measured({"flagship:candidate": "rewrite"}, base=base, rules_base=named)


BAD = [
    "not json",
    "3",
    "[" * 100_000,
    '{"id": 0}',
    json.dumps({**LINE, "samples_ns": {}}),
    json.dumps({**LINE, "samples_ns": {"forward": []}}),
    json.dumps({**LINE, "samples_ns": {"forward": ["x"]}}),
    json.dumps({**LINE, "samples_ns": {"forward": [-1.0]}}),
    json.dumps({**LINE, "samples_ns": {"forward": [0.0, 1.0]}}),
    json.dumps({**LINE, "samples_ns": {"forward": [1e300]}}),
    '{"id": 0, "samples_ns": {"forward": [NaN]}}',
    json.dumps({**LINE, "samples_ns": {"forward": [float("nan")]}}),
    json.dumps({**LINE, "samples_ns": {"backward": [1.0]}}),
    json.dumps({**LINE, "samples_ns": {"forward": [100.0], "copy": [100.0]}}),
    json.dumps({**LINE, "samples_ns": {"forward": [0.001]}}),
    json.dumps({**LINE, "id": 1}),
    json.dumps({**LINE, "states": 5}),
    json.dumps({**LINE, "states": [None]}),
    json.dumps({**LINE, "extra": 1}),
    json.dumps({**LINE, "signature": 5}),
    json.dumps({"id": 0, "failed": "passed", "message": "an invented reason"}),
]


@pytest.mark.parametrize("line", BAD, ids=range(len(BAD)))
def test_a_line_that_is_not_in_order_is_no_timing(line):
    answer = read_answer(line, 0, NAMES)
    assert isinstance(answer, Lost)
    assert answer.reason in {"crashed", "no_duration"}


def test_clocks_beyond_every_number_break_nothing():
    clock = {**STATE, "sm_clock_mhz": 10**400}
    answer = read_answer(json.dumps({**LINE, "states": [clock, clock]}), 0, NAMES)
    assert answer.summary.sm_clock_mhz == 10**400


def test_a_canary_answers_with_its_own_names():
    line = json.dumps({**LINE, "samples_ns": {"copy": [100.0], "compute": [70.0]}})
    assert read_answer(line, 0, CANARY_NAMES).medians_ns == {"copy": 100.0, "compute": 70.0}
    assert isinstance(read_answer(line, 0, NAMES), Lost)


def test_a_call_that_takes_no_time_has_a_reason_of_its_own(measured):
    none = {**LINE, "samples_ns": {"forward": [100.0, -3.0, 100.0]}}
    made, _ = measured({"flagship:candidate": none})
    assert made.timings["flagship"].reason == "no_duration"


def test_a_worker_that_dies_loses_what_is_open_with_its_last_words(measured):
    made, _ = measured({"flagship:candidate": "die"})
    gap = made.timings["flagship"]
    assert isinstance(gap, NotMeasured)
    assert gap.reason == "crashed"
    assert "SIGSEGV" in gap.message
    assert "its last words" in gap.message


def test_one_workload_that_breaks_does_not_take_the_others_with_it(measured):
    broken = {"failed": "crashed", "message": "illegal memory access"}
    made, _ = measured({"flagship:candidate": broken}, "flagship", "small")
    assert "illegal memory access" in made.timings["flagship"].message
    assert isinstance(made.timings["small"], Timing)


@pytest.mark.parametrize(
    ("reason", "harmful"),
    [("hw_thermal_slowdown", True), ("hw_slowdown", True), ("sw_power_cap", False)],
)
def test_figures_of_a_gpu_that_slowed_itself_down_do_not_count(measured, reason, harmful):
    throttled = {**LINE, "states": [STATE, {**STATE, "throttle_reasons": [reason]}]}
    made, _ = measured({"flagship:candidate": throttled})
    timed = made.timings["flagship"]
    assert isinstance(timed, NotMeasured) == harmful
    assert not harmful or (timed.reason == "throttled" and reason in timed.message)
