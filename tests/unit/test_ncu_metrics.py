import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.metrics import (
    BY_NAME,
    DURATION,
    GRID_SIZE,
    REQUIRED,
    TABLE,
    combine,
    summarise,
    wanted,
    without,
)
from gate.schemas import schema

values = st.floats(min_value=0, max_value=1e15, allow_nan=False)
pairs = st.lists(st.tuples(values, values), min_size=1, max_size=20)
names = st.sampled_from(sorted(BY_NAME))


def test_a_metric_stands_in_the_table_once():
    assert len(BY_NAME) == len(TABLE)


def test_what_the_documents_require_is_required_of_ncu():
    demanded = set(schema("ncu_metrics")["additionalProperties"]["required"])
    assert demanded | {DURATION} == REQUIRED


def test_a_chip_is_asked_for_dram_bytes_by_the_names_it_has():
    assert "dram__bytes_read.sum" in wanted("8.9")
    assert "dram__bytes_op_read.sum" not in wanted("8.9")
    assert {"dram__bytes_op_read.sum", "dram__bytes_op_write.sum"} <= set(wanted("12.0"))
    assert "dram__bytes_read.sum" not in wanted("12.0")
    assert wanted(None) == wanted("9.0")


def test_no_metric_is_asked_for_twice():
    for capability in ("8.9", "9.0", "12.0", None):
        assert len(set(wanted(capability))) == len(wanted(capability))


def test_an_unknown_metric_goes_and_its_stand_in_comes():
    left = without(wanted("8.9"), {"dram__bytes_read.sum"})
    assert "dram__bytes_read.sum" not in left
    assert "dram__bytes_op_read.sum" in left
    assert "dram__bytes_write.sum" in left


def test_leaving_out_ends():
    """Whatever ncu rejects, one at a time, the list shrinks to nothing."""
    left = wanted("8.9")
    for _ in range(2 * len(TABLE)):
        left = without(left, left[:1])
    assert left == ()


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("dram__bytes_read.sum", 40.0),
        (DURATION, 40.0),
        (GRID_SIZE, 40.0),
        ("launch__registers_per_thread", 30.0),
        ("launch__occupancy_limit_warps", 10.0),
        ("sm__throughput.avg.pct_of_peak_sustained_elapsed", 15.0),
        ("dram__cycles_elapsed.avg.per_second", 15.0),
    ],
)
def test_how_two_launches_of_one_function_combine(metric, expected):
    assert combine(metric, [10.0, 30.0], [300.0, 100.0]) == expected


@given(names, pairs)
def test_combining_is_blind_to_the_order(name, launches):
    ahead = combine(name, *map(list, zip(*launches, strict=True)))
    behind = combine(name, *map(list, zip(*launches[::-1], strict=True)))
    assert math.isclose(ahead, behind, rel_tol=1e-12)


@given(names, values, values)
def test_one_launch_is_itself(name, value, duration):
    assert combine(name, [value], [duration]) == value


@given(names, pairs)
def test_only_amounts_leave_the_range_of_their_launches(name, launches):
    own, durations = map(list, zip(*launches, strict=True))
    if BY_NAME[name].combine == "sum":
        assert math.isclose(combine(name, own, durations), sum(own), rel_tol=1e-12)
    else:
        assert min(own) <= combine(name, own, durations) <= max(own)


def test_launches_without_a_duration_weigh_the_same():
    assert combine("lts__t_sector_hit_rate.pct", [20.0, 40.0], [0.0, 0.0]) == 30.0


@given(names, st.lists(values, min_size=1, max_size=20))
def test_the_median_lies_in_its_spread(name, seen):
    middle, (low, high) = summarise(name, seen)
    assert low <= middle <= high


@given(st.lists(st.integers(1, 10**15).map(float), min_size=1, max_size=9))
def test_a_grid_size_is_whole(seen):
    middle, spread = summarise(GRID_SIZE, seen)
    assert all(type(value) is int for value in (middle, *spread))


def test_percentages_keep_four_decimals():
    metric = "lts__t_sector_hit_rate.pct"
    assert summarise(metric, [74.760_04, 74.760_06]) == (74.7601, (74.76, 74.7601))
