import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.stats import (
    STEADY,
    log_deviation,
    log_ratio,
    log_ratio_to_stored,
    processes_needed,
    robust_deviation,
    student_quantile,
)

DURATIONS = st.lists(
    st.floats(min_value=1.0, max_value=1e12, allow_nan=False), min_size=2, max_size=20
)


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [
        (0.975, 1, 12.7062),
        (0.995, 4, 4.6041),
        (0.995, 8, 3.3554),
        (0.975, 30, 2.0423),
        (0.999, 2, 22.3271),
    ],
)
def test_student_quantile_agrees_with_the_printed_tables(probability, freedom, expected):
    assert student_quantile(probability, freedom) == pytest.approx(expected, abs=1e-4)


def test_the_interval_is_the_textbook_one():
    interval = log_ratio([100.0, 102.0, 101.0], [110.0, 111.0, 109.0], confidence=0.95)
    assert interval.centre == pytest.approx(math.log(110 / 101), abs=1e-4)
    # 3.97 degrees of freedom, taken as 3.9.
    assert interval.high - interval.centre == pytest.approx(0.02177, abs=1e-5)


def test_variances_need_not_be_equal():
    base, cand = ([math.exp(x) for x in logs] for logs in ((1, 2, 3, 4, 5), (10, 20, 30)))
    interval = log_ratio(base, cand, confidence=0.95)
    # Standard error 5.8166 with 2.06 degrees of freedom, taken as 2.0.
    assert interval.centre == pytest.approx(17)
    assert interval.high - interval.centre == pytest.approx(5.8166 * 4.3027, abs=1e-3)
    assert log_ratio([2.0, 2.0], [3.0, 3.0], confidence=0.95).low == pytest.approx(math.log(1.5))


STORED = [math.exp(x) for x in (1, 2, 3, 4, 5) * 2]  # a variance of 20 / 9
QUIET = [math.exp(x) for x in (10, 11, 12)]
WILD = [math.exp(x) for x in (10, 13.5, 17)]


def half_width(interval):
    return interval.high - interval.centre


def test_few_processes_that_spread_less_than_the_stored_ones_borrow_their_variance():
    interval = log_ratio_to_stored(STORED, QUIET, confidence=0.95)
    assert interval.centre == pytest.approx(8)
    # Student's t with the baseline's 9 degrees of freedom.
    assert half_width(interval) == pytest.approx(2.2622 * math.sqrt(2 / 9 + 20 / 27), abs=1e-3)


@pytest.mark.parametrize("cand", [WILD, [*QUIET, QUIET[1]]])
def test_processes_that_spread_more_or_are_not_few_answer_for_their_own_noise(cand):
    to_stored = log_ratio_to_stored(STORED, cand, confidence=0.95)
    assert to_stored == log_ratio(STORED, cand, confidence=0.95)


@pytest.mark.parametrize(("count", "borrows"), [(3, True), (6, True), (7, False), (20, False)])
def test_a_large_baseline_does_not_make_many_processes_few(count, borrows):
    stored = [math.exp((-1) ** i * 0.01) for i in range(100)]
    cand = [math.exp((-1) ** i * 0.005) for i in range(count)]
    own = log_ratio(stored, cand, confidence=0.99)
    assert (log_ratio_to_stored(stored, cand, confidence=0.99) != own) is borrows


@pytest.mark.parametrize("scale", [1.0, 3.0, 0.7, 1e-3, 1e6])
def test_what_spreads_just_as_much_is_judged_alike_in_every_unit(scale):
    far, near = 0.01, 0.01 / math.sqrt(2)
    stored = [math.exp(x) for x in [far, -far] * 4 + [near, -near]]
    cand = [math.exp(STEADY * x) for x in (far, 0, -far)]
    assert STEADY * log_deviation(stored) == pytest.approx(log_deviation(cand))
    plain = log_ratio_to_stored(stored, cand, confidence=0.99)
    scaled = log_ratio_to_stored(
        [v * scale for v in stored], [v * scale for v in cand], confidence=0.99
    )
    assert half_width(scaled) == pytest.approx(half_width(plain), rel=1e-6)


@pytest.mark.parametrize("cand", [QUIET, WILD])
def test_so_many_processes_as_needed_make_the_interval_so_narrow(cand):
    """Half of them on either side of 10, as far apart as makes them spread like `cand`."""
    needed = processes_needed(STORED * 2, cand, half=2.0, confidence=0.99)
    assert needed
    spread = log_deviation(cand)

    def half(count):
        logs = [10 + spread * math.sqrt((count - 1) / count) * (-1) ** i for i in range(count)]
        return half_width(
            log_ratio_to_stored(STORED * 2, [math.exp(x) for x in logs], confidence=0.99)
        )

    assert half(needed + needed % 2) <= 2.0
    assert half(needed - 2 - needed % 2) > 2.0


@pytest.mark.parametrize("compare", [log_ratio, log_ratio_to_stored])
@given(base=DURATIONS, cand=DURATIONS, scale=st.floats(min_value=1e-3, max_value=1e3))
def test_a_unit_does_not_matter(compare, base, cand, scale):
    plain = compare(base, cand, confidence=0.99)
    scaled = compare([v * scale for v in base], [v * scale for v in cand], confidence=0.99)
    assert scaled.centre == pytest.approx(plain.centre, abs=1e-9)
    assert scaled.low == pytest.approx(plain.low, abs=1e-5)


@pytest.mark.parametrize("compare", [log_ratio, log_ratio_to_stored])
@given(base=DURATIONS, cand=DURATIONS)
def test_the_order_of_processes_does_not_matter(compare, base, cand):
    forward = compare(base, cand, confidence=0.99)
    backward = compare(base[::-1], cand[::-1], confidence=0.99)
    assert forward.centre == pytest.approx(backward.centre, abs=1e-9)
    assert forward.high == pytest.approx(backward.high, abs=1e-6)


@pytest.mark.parametrize("outliers", [(), (300.0,)])
def test_a_robust_deviation_is_that_of_the_noise_whatever_one_outlier_does(outliers):
    draw = random.Random(1)
    found = [
        robust_deviation([100 * math.exp(draw.gauss(0, 0.01)) for _ in range(12)] + [*outliers])
        for _ in range(2000)
    ]
    assert 0.0095 < sum(found) / len(found) < 0.0125


def test_what_does_not_move_has_no_deviation():
    assert robust_deviation([3.0] * 6) == 0.0
    assert robust_deviation([0.0] * 6) == 0.0
    assert robust_deviation([3.0]) == 0.0
