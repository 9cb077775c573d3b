"""bfloat16 in Triton's CPU interpreter, as the gate prepares it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

from tests.unit import bfloat16_operations as bfloat16


@pytest.fixture(scope="module")
def operations():
    """What comes out right, with the interpreter as the gate prepares it and as it is."""

    def right(*arguments):
        ran = subprocess.run(
            [sys.executable, "-m", bfloat16.__name__, *arguments],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "TRITON_INTERPRET": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return ran.stdout.split(), ran.stderr

    return right(), right("unprepared")


@pytest.mark.parametrize("operation", bfloat16.NAMES)
def test_bfloat16_is_computed_as_such(operations, operation):
    passed, failures = operations[0]
    assert operation in passed, failures


def test_without_its_preparation_a_sum_of_bfloat16_would_be_noise(operations):
    passed, _ = operations[1]
    assert "absolute" in passed
    assert not {"added", "compared", "with_constants", "reduced", "product_of_matrices"} & {*passed}
