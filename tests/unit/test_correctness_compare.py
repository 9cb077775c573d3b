"""References that are hard to compare with, each with a kernel in plain PyTorch."""

import pytest

from gate.correctness import check
from gate.kernels import Workload
from gate.trials import Trial

REFERENCE = """
import torch

class Model(torch.nn.Module):
    def forward(self, {arguments}):
        {reference}

def get_inputs():
    return [{inputs}]

def get_init_inputs():
    return []
"""
KERNEL = """
import functools
import pathlib
import torch

class ModelNew(torch.nn.Module):
    def forward(self, {arguments}):
        {kernel}
"""
INPUTS = "torch.randn(16, 8)"
REWRITE = """
        file = pathlib.Path(__file__).with_name("reference.py")
        file.write_text(file.read_text().replace("x * 2", "x * 3"))
        return x * 3
"""
# reference, kernel (None: the same), inputs, workload, status, words
ROWS = {
    "not_in_float64": (
        "return x @ torch.eye(8)",
        None,
        INPUTS,
        {},
        "passed",
        "compared with the reference in float32: in float64 it raised RuntimeError",
    ),
    "only_in_float64": (
        "return x * 2 if x.dtype == torch.float64 else 1 / 0",
        "return x * 2",
        INPUTS,
        {"dtype": "float16"},
        "passed",
        "",
    ),
    "only_in_float64_wrong_dtype": (
        "return x * 2 if x.dtype == torch.float64 else 1 / 0",
        "return x.float() * 2",
        INPUTS,
        {"dtype": "float16"},
        "failed",
        "the output is float32, the reference's float16",
    ),
    "reference_raises": (
        "raise ValueError('no')",
        "return x",
        INPUTS,
        {},
        "crashed",
        "the reference cannot be run: it raised ValueError: no",
    ),
    "inputs_raise": (
        "return x",
        None,
        "torch.zeros(2) + torch.zeros(3)",
        {},
        "crashed",
        "the reference cannot be run: it raised RuntimeError: The size of tensor a (2) must",
    ),
    "inputs_without_the_format": (
        "return x",
        None,
        INPUTS,
        {"memory_format": "channels_last"},
        "crashed",
        'the reference cannot be run: workload w: memory_format = "channels_last" is for inputs',
    ),
    "a_call_that_does_not_fit": (
        "return x",
        None,
        f"{INPUTS}, 1, 2, 3, 4",
        {},
        "crashed",
        "raised TypeError: ",
    ),
    "rewritten_by_its_kernel": (
        "return x * 2",
        REWRITE,
        INPUTS,
        {},
        "failed",
        "the output is wrong: ",
    ),
    "reference_exits": (
        "import os; os._exit(3)",
        "return x",
        INPUTS,
        {},
        "crashed",
        "the reference exited with 3 before its result was there",
    ),
    "reference_gives_nan": (
        "return x * float('nan')",
        None,
        INPUTS,
        {},
        "failed",
        "the reference itself gives NaN there, which proves nothing",
    ),
    "overflows_when_large": (
        "return torch.exp(x)",
        None,
        INPUTS,
        {},
        "passed",
        "",
    ),
    "inexact_when_large": (
        "return torch.sin(x * 1e3)",
        "return torch.sin(torch.clamp(x, -50, 50) * 1e3)",
        INPUTS,
        {"rtol": 1e-3, "atol": 1e-3},
        "passed",
        "not tested with inputs 1000 times as large: the reference is inexact there",
    ),
    "inexact_at_all": (
        "return (x + 1e6) - 1e6",
        "return x * 2",
        INPUTS,
        {},
        "failed",
        "the reference itself, run in float32, misses it too: rtol and atol can be set",
    ),
    "constant_answer": (
        "return torch.relu(-x)",
        "return torch.zeros_like(x)",
        "torch.rand(16, 8)",
        {},
        "failed",
        "the reference is at fault, not the kernel: one number passes for all that it gives",
    ),
    "constant_integers": (
        "return x.unsqueeze(0).argmax(dim=0)",
        None,
        INPUTS,
        {},
        "failed",
        "the reference is at fault, not the kernel: one number passes for all that it gives",
    ),
    "constant_in_each_call": (
        "return x.mean().expand(16, 8).contiguous()",
        None,
        INPUTS,
        {},
        "passed",
        "",
    ),
    "one_constant_output_of_two": (
        "return x * 2, torch.ones_like(x)",
        None,
        INPUTS,
        {},
        "passed",
        "one number passes for the whole of output 1: these inputs prove little",
    ),
    "constant_by_chance": (
        "return torch.relu(-x)",
        None,
        "torch.rand(1)",
        {},
        "passed",
        "one number passes for the whole of the output: these inputs prove little",
    ),
    "a_looser_tolerance": (
        "return x",
        "return x * 1.001",
        INPUTS,
        {"rtol": 1e-2, "atol": 0.0},
        "passed",
        "",
    ),
    "a_tighter_tolerance": (
        "return x * 1.0",
        "return x * 1.00001",
        INPUTS,
        {"rtol": 1e-7, "atol": 1e-7},
        "failed",
        "values differ",
    ),
    "half_sums_in_float32": (
        "return x.sum(dim=1)",
        "return x.float().sum(dim=1).half()",
        "torch.randn(16, 4096)",
        {"dtype": "float16"},
        "passed",
        "",
    ),
    "half_sums_in_half": (
        "return x.sum(dim=1)",
        "return functools.reduce(torch.add, x.unbind(dim=1))",
        "torch.rand(16, 4096)",
        {"dtype": "float16"},
        "failed",
        "values differ",
    ),
    "in_place_reference": (
        "return x.relu_()",
        "return torch.relu(x)",
        INPUTS,
        {},
        "passed",
        "",
    ),
    "inputs_of_every_kind": (
        "return x[index] * factor + (0 if extra is None else 1), factor",
        None,
        f"{INPUTS}, torch.randint(0, 16, (5,)), 2.5, None",
        {},
        "passed",
        "",
    ),
    "lists_of_inputs": (
        "return [a + b for a, b in zip(x, index)]",
        "return tuple(a + b for a, b in zip(x, index))",
        f"[{INPUTS}, {INPUTS}], [{INPUTS}, {INPUTS}], 1, 1",
        {},
        "passed",
        "",
    ),
    "a_dictionary_of_inputs": (
        "return x['a'] * 2",
        None,
        "{'a': torch.randn(16, 8), 'b': 3}",
        {"dtype": "float16"},
        "passed",
        "",
    ),
    "a_dictionary_of_inputs_changed": (
        "return x['a'] * 2",
        "return x['a'].mul_(2).clone()",
        "{'a': torch.randn(16, 8)}",
        {},
        "failed",
        "changes input 0 in place",
    ),
    "inputs_of_fresh_sizes": (
        "return x * 2",
        None,
        "torch.randn(int(torch.randint(1, 99, ())), 8)",
        {},
        "passed",
        "",
    ),
    "empty": ("return x * 2", None, "torch.randn(0, 8)", {}, "passed", ""),
    "empty_with_another_shape": (
        "return x * 2",
        "return x.reshape(8, 0)",
        "torch.randn(0, 8)",
        {},
        "failed",
        "has shape [8, 0], the reference's [0, 8]",
    ),
    "dictionaries": (
        "return {'y': x}",
        None,
        INPUTS,
        {},
        "failed",
        "cannot be compared: the reference gives no plain tensor",
    ),
    "scalars": ("return x.sum()", None, INPUTS, {}, "passed", ""),
    "unknown_constant": (
        "return x",
        None,
        INPUTS,
        {"constants": {"size": 3}},
        "crashed",
        "the reference cannot be run: ",
    ),
    "channels_last": (
        "return x * 2",
        "return x.contiguous() * 2",
        "torch.randn(2, 3, 4, 5)",
        {"memory_format": "channels_last"},
        "failed",
        "has strides [60, 20, 5, 1], the reference's [60, 1, 15, 3]",
    ),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root, trials = tmp_path_factory.mktemp("kernels"), []
    for name, (reference, kernel, inputs, workload, *_) in ROWS.items():
        arguments = "x, index=None, factor=None, extra=None"
        names = {"arguments": arguments, "inputs": inputs, "reference": reference}
        (root / name).mkdir()
        (root / name / "reference.py").write_text(REFERENCE.format(**names))
        (root / name / "kernel.py").write_text(KERNEL.format(**names, kernel=kernel or reference))
        trials.append(
            Trial(
                folder=root / name,
                reference=(root / name / "reference.py").read_bytes(),
                workload=Workload(name="w", **workload),
                device="interpreter",
                seed=11,
            )
        )
    found = check(trials, device="interpreter", timeout_s=60)
    return dict(zip(ROWS, found, strict=True))


@pytest.mark.parametrize("name", ROWS)
def test_reference(results, name):
    *_, status, words = ROWS[name]
    assert results[name].status == status, results[name].message
    assert words in results[name].message


def test_messages_hold_nothing_of_the_gate_itself(results):
    for name, result in results.items():
        assert "gate/correctness" not in result.message, name
        assert "gate/problem" not in result.message, name
