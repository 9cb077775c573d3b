"""The worker's own parts, in this process: nothing untrusted runs here."""

import pytest
import torch

from gate.kernels import Workload
from gate.problem import describe, draw_inputs, load_reference
from gate.static_worker import _draw, _lazy

MODEL = """
import torch
import torch.nn as nn

rows = 6


class Model(nn.Module):
    def __init__(self, *arguments):
        super().__init__()

    def forward(self, *inputs):
        return inputs[0]


"""
REFERENCES = {
    "plain": """
def get_inputs():
    return [torch.rand(2, 4, rows, 8), torch.randint(0, 9, (rows,)), 3, None, "text", [1, 2]]

def get_init_inputs():
    return [rows, 0.5, (1, 2)]
""",
    "tensors for the constructor": """
def get_inputs():
    return [torch.rand(rows, 8).t(), torch.rand(()), torch.rand(0, 8, 1, 1), torch.rand(rows) > 0.5]

def get_init_inputs():
    return [torch.ones(rows, 3)]
""",
    "values that a size depends on": """
def get_inputs():
    lengths = torch.full((2,), rows)
    return [torch.rand(int(lengths.sum().item()), 8, 1, 1)]

def get_init_inputs():
    return []
""",
    "part of a tensor": """
def get_inputs():
    return [torch.rand(3, 4, rows, 8)[1:, :, 1:-1, ::2], torch.rand(rows, 1).expand(rows, 5)]

def get_init_inputs():
    return []
""",
}
KERNEL = """
from torch import nn


class ModelNew(nn.Module):
    def __init__(self, *arguments):
        super().__init__()
"""
WORKLOADS = [
    Workload(name="plain"),
    Workload(name="half", dtype="float16", constants={"rows": 12}),
    Workload(name="channels_last", memory_format="channels_last"),
    Workload(name="non_contiguous", dtype="bfloat16", memory_format="non_contiguous"),
]


def make_folder(tmp_path, reference):
    (tmp_path / "reference.py").write_text(MODEL + reference)
    (tmp_path / "kernel.py").write_text(KERNEL)
    return tmp_path


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
@pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES.keys())
def test_signature_and_tensors_are_those_of_a_real_draw(tmp_path, reference, workload):
    folder = make_folder(tmp_path, reference)
    inputs, _, signature = _draw(folder, workload)
    module = load_reference(folder / "reference.py", workload.constants)
    real, init = draw_inputs(module, workload, device="cpu", seed=3)
    assert signature == describe([*real, *init])
    for ours, theirs in zip(inputs, real, strict=True):
        if not isinstance(theirs, torch.Tensor):
            assert ours == theirs
            continue
        assert (ours.dtype, ours.device.type) == (theirs.dtype, "cpu")
        assert (ours.shape, ours.stride()) == (theirs.shape, theirs.stride())
        assert ours.data_ptr() % 16 == theirs.data_ptr() % 16


def test_tensors_in_a_container_have_values(tmp_path):
    reference = (
        "def get_inputs():\n    return [[torch.ones(rows)]]\n"
        "def get_init_inputs():\n    return []\n"
    )
    inputs, _, _ = _draw(make_folder(tmp_path, reference), Workload(name="plain"))
    assert inputs[0][0].tolist() == [1.0] * 6


def test_a_lazy_tensor_holds_zeros_and_can_be_written():
    tensor = _lazy(torch.empty(5, 7, dtype=torch.bfloat16, device="meta").t())
    assert tensor.stride() == (1, 7)
    assert not tensor.any()
    tensor.fill_(2)
    assert tensor.sum() == 70


def test_a_lazy_tensor_takes_no_memory_until_it_is_written():
    tensor = _lazy(torch.empty(32, 1024, 1024, 1024, device="meta"))  # 128 GiB
    assert tensor[31, 1023, 1023, 1023] == 0
