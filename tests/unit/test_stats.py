import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.stats import log_ratio, robust_deviation, student_quantile

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


@given(DURATIONS, DURATIONS, st.floats(min_value=1e-3, max_value=1e3))
def test_a_unit_does_not_matter(base, cand, scale):
    plain = log_ratio(base, cand, confidence=0.99)
    scaled = log_ratio([v * scale for v in base], [v * scale for v in cand], confidence=0.99)
    assert scaled.centre == pytest.approx(plain.centre, abs=1e-9)
    assert scaled.low == pytest.approx(plain.low, abs=1e-5)


@given(DURATIONS, DURATIONS)
def test_the_order_of_processes_does_not_matter(base, cand):
    forward = log_ratio(base, cand, confidence=0.99)
    backward = log_ratio(base[::-1], cand[::-1], confidence=0.99)
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
