import json

import pytest

from gate.kernels import Workload
from gate.tolerances import BY_DTYPE, Tolerance, tolerance_for
from gate.trials import SEEDS, Trial


@pytest.mark.parametrize("dtype", BY_DTYPE)
def test_each_dtype_has_its_own(dtype):
    assert tolerance_for(Workload(name="w", dtype=dtype), dtype) == BY_DTYPE[dtype]


@pytest.mark.parametrize("output", ["float32", "float16"])
def test_the_looser_of_input_and_output_holds(output):
    other = {"float32": "float16", "float16": "float32"}[output]
    assert tolerance_for(Workload(name="w", dtype=other), output) == BY_DTYPE["float16"]


def test_an_output_of_another_kind_is_held_to_the_workload():
    assert tolerance_for(Workload(name="w"), "complex64") == BY_DTYPE["float32"]


def test_the_workload_comes_first():
    workload = Workload(name="w", rtol=0.0, atol=0.5)
    assert tolerance_for(workload, "float16") == Tolerance(rtol=0.0, atol=0.5)


def test_float32_refuses_what_tf32_and_float16_err_by():
    float32 = BY_DTYPE["float32"]
    assert float32.rtol + float32.atol < 2**-11 / 3


def trial(**workload):
    return Trial(
        folder="k",
        reference=b"",
        workload=Workload(name="w", **workload),
        device="cuda",
        seed=SEEDS - 1,
    )


def test_each_call_has_its_own_seed():
    assert [case.seed for case in trial().cases()] == [SEEDS - 1, 0, 1]


@pytest.mark.parametrize(("dtype", "scale"), [("float32", 1000.0), ("float16", 64.0)])
def test_the_last_call_has_large_inputs(dtype, scale):
    assert [case.scale for case in trial(dtype=dtype).cases()] == [1.0, 1.0, scale]


@pytest.mark.parametrize(("device", "torch_device"), [("cuda", "cuda"), ("interpreter", "cpu")])
def test_a_trial_comes_back_from_json(tmp_path, device, torch_device):
    given = Trial(
        folder=tmp_path,
        reference="# caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode(),
        workload=Workload(name="w"),
        device=device,
        seed=3,
    )
    assert Trial.from_json(json.loads(json.dumps(given.to_json()))) == given
    assert given.torch_device == torch_device
    assert given.small == (device == "interpreter")
