import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ncu_fakes import NAMES, boundary, launch, report

import gate
from gate.metrics import DURATION, GRID_SIZE, REQUIRED
from gate.model import DRAM_THROUGHPUT, SM_THROUGHPUT
from gate.ncu_failures import ProfilingFailed
from gate.ncu_launches import (
    BOUNDARY,
    MISSING,
    NOT_A_NUMBER,
    Launch,
    counts,
    identifier,
    merge,
    refuse_foreign,
    refuse_other_counts,
    split,
)
from gate.schemas import schema, schema_errors

FILL = "at::native::vectorized_elementwise_kernel"
OPTIONAL = "lts__t_bytes.sum"


def reason_of(action, *arguments):
    with pytest.raises(ProfilingFailed) as caught:
        action(*arguments)
    return caught.value.failure.reason, caught.value.failure.message


# ---------------------------------------------------------------------------- forward calls


def test_the_launches_between_two_boundaries_are_one_forward_call():
    call = [launch("fill"), launch("conv_kernel"), launch("conv_kernel")]
    (calls,) = split(report(call, call, call), [3])
    assert [[x.name for x in c] for c in calls] == [["fill", "conv_kernel", "conv_kernel"]] * 3
    assert counts(calls[0]) == {"conv_kernel": 2, "fill": 1}


def test_two_subjects_of_one_process_are_told_apart():
    both = [*report([launch("a")], [launch("a")]), *report([launch("b")])]
    first, second = split(both, [2, 1])
    assert [x.name for call in first for x in call] == ["a", "a"]
    assert [x.name for call in second for x in call] == ["b"]
    assert reason_of(split, both[:-1], [2, 1])[0] == "launches_differ"
    between = [*report([launch("a")]), launch("late"), *report([launch("b")])]
    assert reason_of(split, between, [1, 1])[0] == "launches_differ"


@pytest.mark.parametrize(
    "calls",
    [
        ([launch()], [launch()]),
        ([launch()], [launch()], [launch()], [launch()]),
        ([launch()], [launch()], []),
        ([launch(), launch()], [launch()], [launch()]),
        ([launch()], [launch("other")], [launch()]),
        ([launch("a"), launch("b")], [launch("b"), launch("a")], [launch("a"), launch("b")]),
    ],
)
def test_forward_calls_that_are_not_as_expected_fail_with_what_ran(calls):
    reason, message = reason_of(split, report(*calls), [3])
    assert reason == "launches_differ"
    assert calls[0][0].name in message


def test_a_launch_outside_of_the_forward_calls_fails():
    stray = [launch("late")]
    assert reason_of(split, [*report([launch()]), *stray], [1])[0] == "launches_differ"
    assert reason_of(split, [*stray, *report([launch()])], [1])[0] == "launches_differ"


def test_a_candidate_that_launches_the_boundary_itself_fails():
    assert reason_of(split, report([launch(), boundary()]), [1])[0] == "launches_differ"


def test_a_report_without_the_gates_own_launches_is_no_report_of_it():
    reason, message = reason_of(split, [launch("stray")], [1])
    assert reason == "no_kernels_profiled"
    assert "stray" in message


def test_a_report_that_is_cut_off_is_unreadable():
    cut = [*report([launch()])[:-1], Launch(name="", values={})]
    assert reason_of(split, cut, [1])[0] == "report_unreadable"


def test_a_list_of_many_kernels_is_cut_short():
    call = [launch(f"kernel_{n}") for n in range(100)]
    _, message = reason_of(split, report(call, call[1:]), [2])
    assert "80 others" in message
    assert len(message) < 2000


def test_torch_in_the_place_of_triton_is_told_with_what_ran():
    reason, message = reason_of(refuse_foreign, [(launch(FILL), launch(FILL))], {"conv_kernel"})
    assert reason == "triton_kernel_not_launched"
    assert f"2 x {FILL}" in message


def test_a_forward_call_that_launches_nothing_launches_no_triton_kernel():
    (calls,) = split(report([], [], []), [3])
    reason, message = reason_of(refuse_foreign, calls, {"conv_kernel"})
    assert reason == "triton_kernel_not_launched"
    assert "nothing" in message


def test_one_triton_kernel_among_others_will_do():
    ours = {"conv_kernel", "unused_kernel"}
    forward = (launch(FILL), launch("conv_kernel"))
    refuse_foreign([forward], ours)
    # It is that one launch which saves it, and one of several calls is enough.
    refuse_foreign([(launch(FILL),), forward], ours)
    assert reason_of(refuse_foreign, [forward[:1]], ours)[0] == "triton_kernel_not_launched"
    assert (
        reason_of(refuse_foreign, [forward], {"unused_kernel"})[0] == "triton_kernel_not_launched"
    )


def test_fresh_processes_must_launch_the_same():
    ours, theirs = [(launch(),)], [(launch(), launch())]
    refuse_other_counts([ours, ours])
    assert reason_of(refuse_other_counts, [ours, theirs])[0] == "launches_differ"


# -------------------------------------------------------------------------------- names


@given(st.text(max_size=300))
def test_every_name_becomes_one_that_the_documents_take(name):
    pattern = schema("ncu_metrics")["propertyNames"]["pattern"]
    assert re.search(pattern, identifier(name))


@given(st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,199}\Z"))
def test_an_identifier_keeps_its_name(name):
    assert identifier(name) == name


def test_a_foreign_name_stays_readable():
    assert identifier("at::native::fill<int>") == "at__native__fill_int_"
    assert identifier("3rd") == "_3rd"


# -------------------------------------------------------------------------------- values


def test_values_are_medians_over_calls_of_what_each_call_adds_up_to():
    calls = [
        (launch(duration=100.0, **{SM_THROUGHPUT: 10.0}), launch(duration=300.0)),
        (launch(duration=100.0, **{SM_THROUGHPUT: 50.0}), launch(duration=300.0)),
        (launch(duration=100.0, **{SM_THROUGHPUT: 30.0}), launch(duration=200.0)),
    ]
    block, spread, _ = merge(calls, NAMES)
    assert block["conv_kernel"][DURATION] == 400
    assert spread["conv_kernel"][DURATION] == (300, 400)
    assert block["conv_kernel"][SM_THROUGHPUT] == pytest.approx((30 * 100 + 10 * 200) / 300, 1e-5)
    assert spread["conv_kernel"][SM_THROUGHPUT] == (10.0, 20.0)


def test_one_outlier_among_the_calls_moves_no_deviation():
    steady = [
        (launch(**{SM_THROUGHPUT: value}),)
        for value in (30.0, 30.1, 29.9, 30.0, 30.1, 29.9, 30.0, 30.05)
    ]
    *_, deviation = merge([*steady, (launch(**{SM_THROUGHPUT: 60.0}),)], NAMES)
    assert 0.001 < deviation["conv_kernel"][SM_THROUGHPUT] < 0.006


def test_a_grid_size_given_as_a_float_comes_out_whole():
    block, spread, _ = merge([(launch(grid=130_560.0),)] * 3, NAMES)
    assert type(block["conv_kernel"][GRID_SIZE]) is int
    assert spread["conv_kernel"][GRID_SIZE] == (130_560, 130_560)


def test_foreign_functions_have_an_entry_of_their_own():
    block, spread, _ = merge([(launch(FILL), launch("conv_kernel"))] * 3, NAMES)
    assert (
        block.keys()
        == spread.keys()
        == {"at__native__vectorized_elementwise_kernel"} | {"conv_kernel"}
    )


def test_the_block_is_one_that_the_documents_take():
    block, *_ = merge([(launch(FILL), launch("conv_kernel"))] * 3, NAMES)
    assert list(schema_errors("ncu_metrics", block)) == []


@pytest.mark.parametrize("metric", sorted(REQUIRED))
@pytest.mark.parametrize("fault", [MISSING, NOT_A_NUMBER])
def test_a_required_metric_without_a_value_fails_and_is_named(metric, fault):
    calls = [(launch(),), (launch(faults={metric: fault}),)]
    reason, message = reason_of(merge, calls, NAMES)
    assert reason == fault
    assert metric in message
    assert "conv_kernel" in message


def test_an_optional_metric_that_one_launch_lacks_is_left_out_of_all():
    calls = [(launch("a"), launch("b", faults={OPTIONAL: NOT_A_NUMBER}))] * 3
    block, spread, _ = merge(calls, NAMES)
    assert all(OPTIONAL not in values for values in (*block.values(), *spread.values()))
    assert block["a"][DRAM_THROUGHPUT] == 10.0


def test_a_metric_that_nobody_answered_for_counts_as_missing():
    silent = Launch(name="conv_kernel", values={})
    assert reason_of(merge, [(silent,)], NAMES)[0] == MISSING


@given(st.lists(st.floats(1, 1e12), min_size=1, max_size=12))
def test_a_value_lies_in_its_spread(durations):
    block, spread, _ = merge([(launch(duration=value),) for value in durations], NAMES)
    for metric, (low, high) in spread["conv_kernel"].items():
        assert low <= block["conv_kernel"][metric] <= high


def test_the_boundary_is_the_workers_kernel():
    worker = Path(gate.__file__).with_name("ncu_worker.py").read_text()
    assert f"def {BOUNDARY}(" in worker
