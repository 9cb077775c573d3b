import math

import pytest

torch = pytest.importorskip("torch")

from gate.timed_outputs import disagreement, poison, unmoved  # noqa: E402

VALUES = torch.linspace(-1.0, 1.0, 101)


def test_equal_outputs_agree_nested_and_with_nan():
    outputs = (VALUES, [VALUES.half(), torch.tensor([math.nan, 1.0])], 3)
    assert disagreement(outputs, (VALUES.clone(), [t.clone() for t in outputs[1]], 3)) == ""


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_another_order_of_summation_is_no_difference(dtype):
    epsilon = torch.finfo(dtype).eps
    apart = VALUES.to(dtype)
    assert disagreement((apart * (1 + 4 * epsilon)).to(dtype), apart) == ""


@pytest.mark.parametrize(
    "timed",
    [
        torch.full_like(VALUES, math.nan),
        torch.zeros_like(VALUES),
        VALUES.flip(0),
        torch.cat([VALUES[:-1], torch.tensor([math.nan])]),
        torch.cat([VALUES[:-1], torch.tensor([0.0])]),
    ],
)
def test_what_was_skipped_or_left_from_another_call_is_a_difference(timed):
    assert "output 0 of a timed call is not" in disagreement(timed, VALUES)


def test_other_shapes_and_counts_are_a_difference():
    assert "other shapes" in disagreement(VALUES[1:], VALUES)
    assert "other shapes" in disagreement((), VALUES)


def test_integers_agree_exactly():
    ones = torch.ones(5, dtype=torch.int32)
    assert disagreement(ones, ones.clone()) == ""
    assert disagreement(ones + 1, ones)


def test_poisoned_outputs_disagree_until_they_are_written_again():
    output = VALUES.clone()
    poison([output])
    assert disagreement(output, VALUES)
    output.copy_(VALUES)
    assert disagreement(output, VALUES) == ""


def test_one_memory_for_two_calls_is_a_fault():
    assert "very memory" in disagreement(VALUES, VALUES)


def test_outputs_that_do_not_move_with_their_inputs_are_seen():
    assert unmoved([VALUES], [VALUES.clone()])
    assert unmoved([VALUES], [torch.full_like(VALUES, math.nan)])
    assert not unmoved([VALUES], [VALUES + 1])
    assert not unmoved([VALUES, VALUES], [VALUES.clone(), VALUES + 1])
    assert not unmoved([torch.ones(3, dtype=torch.int64)], [torch.ones(3, dtype=torch.int64)])
