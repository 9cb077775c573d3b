"""A measurement that is sound, and of another run, commit or card than the one that is judged."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from gate.baselines import Baselines
from gate.cli import main
from gate.documents import measurement_json
from gate.model import Binding
from tests.factories import baseline, measurement

KNOWN = {"head_sha": "a" * 40, "base_sha": "b" * 40, "nonce": "n-1_x", "run": "o/r/7/1"}


@pytest.fixture
def stored(project):
    Baselines(project.root / "baselines" / "nvidia-h100-80gb-hbm3", "sm_89").write(baseline())


def judged(project, document, expected=KNOWN, *options):
    (project.root / "run.json").write_text(measurement_json(document))
    if expected is not None:
        (project.root / "binding.json").write_text(json.dumps(expected))
        options = (*options, "--expect-binding", "binding.json")
    return CliRunner().invoke(main, ["judge", "run.json", *options])


def test_the_run_that_is_expected_passes(project, stored):
    bound = replace(measurement(), binding=Binding(**KNOWN))
    assert judged(project, bound).exit_code == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"head_sha": "c" * 40},
        {"base_sha": "c" * 40},
        {"nonce": "n-2"},
        {"run": "o/r/7/2"},
    ],
)
def test_any_other_run_ends_with_7(project, stored, changes):
    bound = replace(measurement(), binding=Binding(**{**KNOWN, **changes}))
    answer = judged(project, bound)
    assert answer.exit_code == 7
    assert "other_binding" in answer.output
    assert next(iter(changes)) in answer.output


def test_a_measurement_that_names_no_run_ends_with_7(project, stored):
    answer = judged(project, measurement())
    assert answer.exit_code == 7
    assert "other_binding" in answer.output
    assert judged(project, measurement(), None).exit_code == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"head_sha": "main"},
        {"base_sha": "A" * 40},
        {"nonce": ""},
        {"nonce": "x y"},
        {"nonce": "x\n"},
        {"run": "::error::"},
        {"run": None},
        {"more": "x"},
    ],
)
def test_a_binding_that_is_none_is_refused(project, stored, changes):
    answer = judged(project, measurement(), {**KNOWN, **changes})
    assert answer.exit_code == 7
    assert answer.output.startswith("error: ")


def test_a_measurement_cannot_bring_another_binding_than_its_schema_has(project, stored):
    plain = json.loads(measurement_json(measurement()))
    (project.root / "run.json").write_text(json.dumps({**plain, "binding": {**KNOWN, "run": "?"}}))
    assert CliRunner().invoke(main, ["judge", "run.json"]).exit_code == 7


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        ("NVIDIA H100 80GB HBM3", 0),
        ("nvidia-h100-80gb-hbm3", 0),
        ("nvidia-geforce-rtx-4090", 6),
        ("", 6),
    ],
)
def test_the_card_can_be_pinned(project, stored, name, exit_code):
    answer = judged(project, measurement(), None, "--expect-gpu", name)
    assert answer.exit_code == exit_code
    assert ("other_gpu" in answer.output) == bool(exit_code)


def test_no_card_is_another_than_the_pinned_one(project, stored):
    answer = judged(project, measurement(gpu=None), None, "--expect-gpu", "NVIDIA H100 80GB HBM3")
    assert "it was measured on no GPU" in answer.output
