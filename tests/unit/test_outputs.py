import json
from dataclasses import replace

import pytest

from gate.outputs import CaseReport, Facts, Report, output_name, read_report, structural_fault

TENSOR = Facts(
    type="torch.Tensor", device="cpu", dtype="float32", shape=(4, 1, 3), strides=(3, 3, 1)
)
REPORT = Report(
    status="ran", cases=(CaseReport(fingerprints=(1, -2), changed=(0,), outputs=(TENSOR,)),)
)


def test_equal_outputs_have_no_fault():
    assert structural_fault([TENSOR, TENSOR], [TENSOR, TENSOR]) is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"type": "torch.nn.parameter.Parameter"}, "is a torch.nn.parameter.Parameter, the"),
        ({"device": "cuda"}, "lies on cuda, the reference's on cpu"),
        ({"dtype": "float16"}, "is float16, the reference's float32"),
        ({"shape": (4, 3)}, "has shape [4, 3], the reference's [4, 1, 3]"),
        ({"strides": (1, 4, 4)}, "has strides [1, 4, 4], the reference's [3, 3, 1]"),
        ({"alias": "an input"}, "shares its memory with an input"),
    ],
)
def test_each_difference_is_named(change, fault):
    assert structural_fault([replace(TENSOR, **change)], [TENSOR]).startswith(f"the output {fault}")


def test_what_is_no_tensor_must_be_equal():
    three, four = (Facts(type="builtins.int", value=value) for value in "34")
    assert structural_fault([TENSOR, three], [TENSOR, three]) is None
    fault = structural_fault([TENSOR, three], [TENSOR, four])
    assert fault == "output 1 is 3, the reference's 4"


@pytest.mark.parametrize("kind", ["builtins.dict", "torch.Tensor (torch.sparse_coo)"])
def test_what_cannot_be_compared_is_a_fault(kind):
    other = Facts(type=kind)
    fault = structural_fault([TENSOR, other], [TENSOR, other])
    assert fault == f"output 1 cannot be compared: the reference's is a {kind}"


@pytest.mark.parametrize("outputs", [[], [Facts(type="builtins.NoneType", value="None")]])
def test_nothing_to_compare_is_a_fault(outputs):
    assert "gives no plain tensor" in structural_fault(outputs, outputs)


def test_the_stride_of_a_single_element_places_nothing():
    assert structural_fault([replace(TENSOR, strides=(3, 77, 1))], [TENSOR]) is None


def test_no_stride_places_anything_in_an_empty_tensor():
    empty = replace(TENSOR, shape=(0, 5), strides=(5, 1))
    assert structural_fault([replace(empty, strides=(1, 1))], [empty]) is None


def test_a_view_is_right_where_the_reference_gives_one():
    view = replace(TENSOR, alias="an input")
    assert structural_fault([view], [view]) is None
    assert structural_fault([TENSOR], [view]) is None


def test_an_output_too_few_is_a_fault():
    assert structural_fault([TENSOR], [TENSOR] * 2) == "gives 1 output, the reference 2 outputs"


def test_one_of_several_outputs_has_a_number():
    assert output_name(1, 2) == "output 1"
    assert structural_fault([TENSOR, replace(TENSOR, dtype="int8")], [TENSOR] * 2).startswith(
        "output 1 is int8"
    )


def test_a_report_is_read_as_it_was_written(tmp_path):
    REPORT.write(tmp_path / "report")
    assert read_report(tmp_path / "report") == REPORT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "[]",
        "{}",
        '{"status": "passed"}',
        '{"status": "ran", "more": 1}',
        '{"status": "ran", "cases": 3}',
        '{"status": "ran", "cases": [{"fingerprints": [NaN], "changed": [], "outputs": []}]}',
        '{"status": "ran", "cases": [{"fingerprints": [], "changed": [], "outputs": ["x"]}]}',
        '{"status": "ran", "status": "ran"}',
        json.dumps({"status": "ran", "cases": [[[]] * 10]}),
    ],
)
def test_a_forged_report_is_none(tmp_path, text):
    (tmp_path / "report").write_text(text)
    assert read_report(tmp_path / "report") is None


def test_an_absent_report_is_none(tmp_path):
    assert read_report(tmp_path / "report") is None
