"""What a reference's inputs are made into, and what names them in a measurement."""

from collections import namedtuple

import pytest
import torch

from gate.errors import InvalidConfiguration
from gate.kernels import Workload
from gate.problem import MAX_DESCRIPTION, describe, draw_inputs

Pair = namedtuple("Pair", "first second")  # noqa: PYI024 - what a reference may return


class Problem:
    """A reference's module whose inputs are given."""

    def __init__(self, *inputs):
        self.inputs = inputs

    def get_inputs(self):
        return [*self.inputs]

    def get_init_inputs(self):
        return []


def drawn(*inputs, **how):
    workload = Workload(name="w", **how)
    return draw_inputs(Problem(*inputs), workload, device="cpu", seed=1)[0]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.rand(2, 3), "float32[2, 3]"),
        (torch.rand(2, 3).t(), "float32[3, 2] strides [1, 3]"),
        (3, "3"),
        (None, "None"),
        ("relu", "'relu'"),
        ([torch.rand(2), torch.zeros(3, dtype=torch.int64)], "[float32[2], int64[3]]"),
        ((torch.rand(2), [1, 0.5]), "tuple[float32[2], [1, 0.5]]"),
        ({"x": torch.rand(2), "mode": "sum"}, "{'x': float32[2], 'mode': 'sum'}"),
        (Pair(torch.rand(2), True), "Pair[float32[2], True]"),
        (torch.float16, "torch.float16"),
        (object(), "object"),
    ],
)
def test_a_value_is_described_by_its_structure(value, said):
    assert describe([value]) == (said,)


def test_long_descriptions_are_cut_and_still_differ():
    one, other = describe([[0] * 999, [0] * 998 + [1]])
    assert len(one) == len(other) == MAX_DESCRIPTION
    assert one != other


def test_nested_tensors_get_the_workloads_dtype_and_layout():
    inputs = drawn([torch.rand(2, 3, 4, 5)], {"x": torch.rand(2)}, Pair(torch.rand(1), 3), 7)
    assert describe(inputs)[1:] == ("{'x': float32[2]}", "Pair[float32[1], 3]", "7")
    (nested,), named, pair, seven = drawn(
        [torch.rand(2, 3, 4, 5)],
        {"x": torch.rand(2)},
        Pair(torch.rand(1), 3),
        7,
        dtype="float16",
        memory_format="channels_last",
    )
    assert (nested.dtype, nested.stride()) == (torch.float16, (60, 1, 15, 3))
    assert named["x"].dtype == pair.first.dtype == torch.float16
    assert seven == 7


def test_three_dimensional_channels_come_last_too():
    (volume,) = drawn(torch.rand(2, 3, 4, 5, 6), memory_format="channels_last_3d")
    assert volume.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(
    ("memory_format", "shape", "dimensions"),
    [("channels_last", (2, 3, 4), 4), ("channels_last_3d", (2, 3, 4, 5), 5)],
)
def test_a_format_that_no_input_can_have_is_refused(memory_format, shape, dimensions):
    with pytest.raises(InvalidConfiguration, match=f"workload w: .*of {dimensions} dimensions"):
        drawn(torch.rand(shape), 3, memory_format=memory_format)
    assert len(drawn(torch.rand(shape), torch.rand((2,) * dimensions))) == 2
