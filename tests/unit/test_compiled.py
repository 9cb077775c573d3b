from dataclasses import replace

import pytest

from gate.errors import ExitCode
from gate.model import NotMeasured, Static
from gate.verdict import Status
from tests.factories import FUNCTION, baseline, launch, measurement, static, static_result
from tests.judging import codes, found, verdict

BROKEN = NotMeasured(status="failed", reason="crashed", message="ptxas died")


def compiled(*launches):
    return static_result(static=Static(target="sm_89", launches=launches))


def judged(ours, theirs):
    return verdict(measurement(ours, gpu=None), baseline(theirs, gpu=None))


@pytest.mark.parametrize(
    ("changes", "subject", "exit_code"),
    [
        ({"stack_bytes": 8}, "static.spill_bytes", ExitCode.REGRESSED),
        ({"theoretical_occupancy_pct": 66.7}, "static.theoretical_occupancy", ExitCode.REGRESSED),
        ({"widest_global_load_bits": 32}, "static.global_load_bits", ExitCode.REGRESSED),
        ({"registers": 60}, None, ExitCode.PASSED),
        ({"function": "renamed"}, "result", ExitCode.INVALID),
    ],
)
def test_static_metrics_gate_where_there_is_no_gpu(changes, subject, exit_code):
    answer = judged(compiled(launch(**changes)), compiled(launch()))
    assert answer.exit_code is exit_code
    assert not subject or found(answer, subject).exit_code is exit_code


def test_a_bad_helper_does_not_hide_a_main_launch_that_became_as_bad():
    helper = launch(stack_bytes=64, theoretical_occupancy_pct=25.0, widest_global_load_bits=32)
    worse = launch(stack_bytes=32, theoretical_occupancy_pct=50.0, widest_global_load_bits=64)
    answer = judged(compiled(worse, helper), compiled(launch(), helper))
    regressed = {f.subject: f for f in answer.findings if f.status is Status.REGRESSED}
    assert set(regressed) == {
        *("static.spill_bytes", "static.theoretical_occupancy", "static.global_load_bits")
    }
    spills = regressed["static.spill_bytes"]
    assert (spills.function, spills.comparison.candidate) == (FUNCTION, 32)


def test_a_second_launch_like_the_first_is_another_launch():
    answer = judged(compiled(launch(times=2)), compiled(launch()))
    assert codes(answer) == {"launches_changed"}
    apart = launch(grid=(1, 1, 1), grid_size=1)
    assert codes(judged(compiled(launch(times=2)), compiled(launch(), apart))) == codes(answer)
    assert judged(compiled(launch(times=2)), compiled(launch(times=2))).exit_code == 0
    larger = compiled(launch(times=2), apart), compiled(launch(), replace(apart, times=2))
    assert codes(judged(*larger)) == codes(answer)


def test_launches_of_one_function_are_compared_in_their_order():
    first, second = launch(stack_bytes=16), launch(stack_bytes=8)
    assert judged(compiled(first, second), compiled(first, second)).exit_code == 0
    assert judged(compiled(second, first), compiled(first, second)).exit_code == 3


def test_each_function_is_compared_with_its_own():
    other = launch(function="fill", stack_bytes=64)
    assert judged(compiled(other, launch()), compiled(launch(), other)).exit_code == 0
    swapped = compiled(launch(stack_bytes=64), launch(function="fill"))
    answer = judged(swapped, compiled(launch(), other))
    by_function = {f.function: f.status for f in answer.findings if f.subject.endswith("_bytes")}
    assert by_function == {FUNCTION: Status.REGRESSED, "fill": Status.IMPROVED}


@pytest.mark.parametrize("times", [(1, 2), (2, 1)])
def test_another_number_of_launches_does_not_compare(times):
    before, after = (compiled(*[launch()] * n) for n in times)
    answer = judged(after, before)
    assert codes(answer) == {"launches_changed"}
    assert "--gpu skip --accept-regression" in found(answer, "result").next_step


def test_another_workload_is_accepted_without_a_gpu_where_it_was_found():
    answer = judged(static_result(definition="e" * 64), static_result(definition="d" * 64))
    assert codes(answer) == {"workload_changed"}
    assert "--gpu skip --accept-regression" in found(answer, "result").next_step


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grid": (512, 510, 1)}, "512 x 510 x 1 blocks of 256 threads"),
        ({"grid": (255, 512, 1)}, "255 x 512 x 1 blocks of 256 threads"),
        ({"threads": 128}, "512 x 255 x 1 blocks of 128 threads"),
    ],
)
def test_another_grid_or_block_is_shown_and_is_no_regression(changes, said):
    answer = judged(compiled(launch(), launch(**changes)), compiled(launch(), launch()))
    assert answer.exit_code is ExitCode.PASSED
    shape = found(answer, "static.launch_shape")
    assert (shape.status, shape.function) == (Status.NOT_CHECKED, FUNCTION)
    assert said in shape.reason.message
    assert "the baseline's as 512 x 255 x 1 blocks of 256 threads" in shape.reason.message


@pytest.mark.parametrize(
    ("ours", "theirs"), [("sm_90", "sm_89"), ("sm_89", "sm_90"), ("sm_90", "sm_90")]
)
def test_static_figures_for_another_target_do_not_compare(ours, theirs):
    answer = judged(static_result(static=static(ours)), static_result(static=static(theirs)))
    assert codes(answer) == {"other_target"}
    assert answer.exit_code is ExitCode.ENVIRONMENT


@pytest.mark.parametrize("sides", [(BROKEN, static("sm_89")), (static("sm_89"), BROKEN)])
def test_a_failed_compilation_is_not_green_on_either_side(sides):
    before, after = (static_result(static=side) for side in sides)
    answer = judged(after, before)
    assert codes(answer) == {"crashed"}
    assert answer.exit_code is ExitCode.INCORRECT
