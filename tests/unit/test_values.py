import math

import pytest
import torch

from gate import values
from gate.tolerances import BY_DTYPE, Tolerance
from gate.values import difference, rms, value_range

FLOAT32 = BY_DTYPE["float32"]
EXACT = torch.arange(-6.0, 6.0, dtype=torch.float64).reshape(3, 4)


def compare(got, exact=EXACT, tolerance=FLOAT32):
    return difference(got.reshape(-1), exact, exact, tolerance)


@pytest.fixture(autouse=True, params=[5, values.CHUNK])
def chunk(request, monkeypatch):
    """Every answer is the same, however few elements are compared at a time."""
    monkeypatch.setattr(values, "CHUNK", request.param)


def test_equal_values_agree():
    found = compare(EXACT.float())
    assert (found.wrong, found.max_abs_error, found.max_rel_error) == (0, 0.0, 0.0)


def test_the_worst_value_is_named():
    got = EXACT.float()
    got[0, 1] += 0.01
    got[2, 3] += 0.5
    found = compare(got)
    assert (found.wrong, found.total, found.index) == (2, 12, (2, 3))
    assert (found.got, found.expected, found.max_abs_error) == (5.5, 5.0, 0.5)
    assert found.sentence().startswith("2 of 12 values differ, most at [2, 3]: got 5.5, expected 5")


@pytest.mark.parametrize(
    ("wrong_at", "said"),
    [
        ({(1, 2): 0.5}, "max abs error 0.5, max rel error 0 where zero is not expected"),
        ({(1, 2): 0.5, (0, 0): 3.0}, "max abs error 3, max rel error 0.5 where zero is not exp"),
        ({(0, 0): 3.0}, "max abs error 3, max rel error 0.5"),
    ],
)
def test_an_error_is_relative_to_what_is_not_zero(wrong_at, said):
    got = EXACT.float()
    assert EXACT[1, 2] == 0
    for place, error in wrong_at.items():
        got[place] += error
    assert said in compare(got).sentence()
    assert ("zero" in compare(got).sentence()) == ((1, 2) in wrong_at)


def test_an_error_within_the_tolerance_agrees():
    scale = rms(EXACT)
    got = EXACT + 0.9 * (FLOAT32.atol * scale + FLOAT32.rtol * EXACT.abs())
    assert compare(got.float()).wrong == 0
    got = EXACT + 1.1 * (FLOAT32.atol * scale + FLOAT32.rtol * EXACT.abs())
    assert compare(got.float()).wrong == 12


def test_nan_never_agrees():
    got = EXACT.float()
    got[1, 2] = math.nan
    found = compare(got)
    assert (found.wrong, found.index) == (1, (1, 2))
    assert "memory that nobody has written yet holds NaN" in found.sentence()


def test_nan_in_the_reference_proves_nothing():
    exact = EXACT.clone()
    exact[1, 2] = math.nan
    found = compare(exact.float(), exact)
    assert found.wrong == 1
    assert "the reference itself gives NaN there" in found.sentence()


def test_an_infinity_agrees_with_itself_only():
    exact = torch.tensor([math.inf, -math.inf, 1.0], dtype=torch.float64)
    assert compare(exact.float(), exact).wrong == 0
    assert compare(torch.tensor([math.inf, math.inf, 1.0]), exact).wrong == 1
    assert compare(torch.tensor([3e38, -math.inf, 1.0]), exact).wrong == 1
    assert compare(torch.tensor([math.inf, -math.inf, math.inf]), exact).wrong == 1


def test_beyond_float16_there_is_only_infinity():
    exact = torch.tensor([70_000.0, 1.0], dtype=torch.float64)
    half = BY_DTYPE["float16"]
    assert compare(torch.tensor([math.inf, 1.0], dtype=torch.float16), exact, half).wrong == 0
    assert compare(torch.tensor([65_504.0, 1.0], dtype=torch.float16), exact, half).wrong == 1


def test_nothing_but_zeros_is_compared_exactly():
    zeros = torch.zeros(3, dtype=torch.float64)
    assert compare(torch.zeros(3), zeros).wrong == 0
    assert compare(torch.tensor([0.0, 1e-30, 0.0]), zeros).wrong == 1


def test_integers_are_exact():
    exact = torch.tensor([3, 2**40 + 1])
    assert compare(exact.clone(), exact).wrong == 0
    found = compare(torch.tensor([3, 2**40]), exact)
    assert (found.wrong, found.max_abs_error) == (1, 1.0)
    assert "got 1099511627776, expected 1099511627777" in found.sentence()


def test_huge_integers_differ_by_one():
    exact = torch.tensor([2**62 + 1])
    assert compare(torch.tensor([2**62]), exact).wrong == 1


def test_an_integer_may_be_that_of_the_rounded_reference():
    exact, rounded = torch.tensor([3, 5]), torch.tensor([4, 5])
    exactly = Tolerance(rtol=0.0, atol=0.0)
    assert difference(torch.tensor([4, 5]), exact, rounded, exactly).wrong == 0
    assert difference(torch.tensor([5, 5]), exact, rounded, exactly).wrong == 1


def test_booleans_are_exact():
    exact = torch.tensor([True, False])
    assert compare(exact.clone(), exact).wrong == 0
    assert compare(~exact, exact).wrong == 2


def test_complex_values_are_compared_by_distance():
    exact = torch.tensor([1 + 1j, 2 - 1j], dtype=torch.complex128)
    assert compare(exact.to(torch.complex64), exact).wrong == 0
    found = compare(torch.tensor([1 + 1j, 2 + 1j], dtype=torch.complex64), exact)
    assert (found.wrong, found.max_abs_error) == (1, 2.0)
    assert "got 2+1j, expected 2-1j" in found.sentence()


def test_a_scalar_has_an_empty_index():
    found = compare(torch.tensor(2.0), torch.tensor(1.0, dtype=torch.float64))
    assert (found.wrong, found.index) == (1, ())


def test_the_root_mean_square_leaves_out_what_is_not_finite():
    assert rms(torch.tensor([3.0, math.inf, math.nan, -3.0])) == 3.0
    assert rms(torch.tensor([math.nan])) == 0.0


@pytest.mark.parametrize(
    ("exact", "constant"),
    [
        (torch.full((9,), 3.0, dtype=torch.float64), True),
        (torch.tensor([1.0, 1.00005], dtype=torch.float64), True),
        (torch.tensor([1.0, 1.001], dtype=torch.float64), False),
        (torch.tensor([math.inf] * 7), True),
        (torch.tensor([math.nan] * 7), False),
        (torch.tensor([1.0]), True),
        (torch.ones(9, dtype=torch.bool), True),
        (torch.full((9,), 7, dtype=torch.uint32), True),
        (torch.tensor([100_000, 100_001]), False),
        (torch.full((9,), 1 + 2j).conj(), False),
        (torch.full((9,), 1 + 1j), True),
    ],
)
def test_a_constant_answer_is_noticed(exact, constant):
    assert value_range(exact, FLOAT32).is_constant == constant


def test_what_differs_between_calls_is_not_constant():
    one, two = (value_range(torch.full((9,), float(value)), FLOAT32) for value in (1, 2))
    assert one.is_constant
    assert two.is_constant
    assert not one.joined(two).is_constant
    assert one.joined(one).count == 18
