from dataclasses import replace

import pytest

from gate.errors import ExitCode
from gate.model import DRAM_THROUGHPUT, GATED_METRICS, RUNTIME, SM_THROUGHPUT
from gate.verdict import Status
from tests.factories import baseline, measurement, result, timing
from tests.judging import RULES, found, moved, times, verdict

INSTRUCTIONS = "smsp__inst_executed.sum"
LOWER = (SM_THROUGHPUT, 0.64)


def judged(*changes, rules=RULES, stored=None, **more):
    candidate = measurement(result(**moved(*changes), **more))
    return verdict(candidate, stored or baseline(), rules=rules)


def test_a_trade_off_gives_the_decomposition_and_the_command_that_accepts_it():
    finding = found(judged(LOWER, (INSTRUCTIONS, 0.5)), SM_THROUGHPUT)
    assert finding.reason.code == "trade_off"
    assert finding.exit_code is ExitCode.REGRESSED
    assert "instructions -50.0 %, DRAM bytes +0.0 %, profiled time +0.0 %" in finding.reason.message
    assert "gate baseline refresh conv --accept-regression" in finding.next_step


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ((), "lower"),
        (((INSTRUCTIONS, 0.991),), "lower"),
        (((INSTRUCTIONS, 0.98),), "trade_off"),
        (((INSTRUCTIONS, 1.5),), "lower"),
        ((("dram__bytes_read.sum", 0.9),), "trade_off"),
        ((("dram__bytes_write.sum", 0.9),), "trade_off"),
        (((INSTRUCTIONS, 0.0), ("dram__bytes_read.sum", 0.0)), "trade_off"),
        (((INSTRUCTIONS, 0.0),), "lower"),
    ],
)
def test_only_work_that_is_really_gone_makes_a_trade_off(changes, code):
    finding = found(judged(LOWER, *changes), SM_THROUGHPUT)
    assert finding.reason.code == code
    assert "profiled time +0.0 %" in finding.reason.message


@pytest.mark.parametrize(
    "runtime", [times(1.2), timing((350_000.0, 380_000.0, 340_000.0)), timing(method="held_queue")]
)
def test_only_beside_a_runtime_that_surely_did_not_rise(runtime):
    answer = judged(LOWER, (INSTRUCTIONS, 0.5), timing=runtime)
    assert found(answer, SM_THROUGHPUT).reason.code == "lower"


def test_where_runtime_does_not_gate_it_proves_nothing():
    stored = baseline(result(gates=GATED_METRICS[1:]))
    answer = judged(LOWER, (INSTRUCTIONS, 0.5), stored=stored)
    assert found(answer, SM_THROUGHPUT).reason.code == "lower"
    assert RUNTIME not in {f.subject for f in answer.findings}


def test_a_trade_off_passes_with_a_note_where_the_project_says_so():
    rules = replace(RULES, on_trade_off="warn")
    answer = judged(LOWER, (INSTRUCTIONS, 0.5), rules=rules)
    assert answer.exit_code is ExitCode.PASSED
    assert found(answer, SM_THROUGHPUT).status is Status.ACCEPTED
    assert judged(LOWER, rules=rules).exit_code is ExitCode.REGRESSED
    assert judged((DRAM_THROUGHPUT, 0.8), rules=rules).exit_code is ExitCode.REGRESSED
