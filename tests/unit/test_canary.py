"""The canary compiles without a GPU for every target that has one; its figures need a GPU."""

import pytest

canary = pytest.importorskip("gate.canary")


@pytest.mark.parametrize("capability", ["8.0", "8.9", "9.0"])
def test_the_arithmetic_compiles_and_keeps_its_loop(capability):
    compiled = canary.compiled_for(capability)
    assert "fma" in compiled.asm["ptx"]
    assert str(canary.ROUNDS) in compiled.asm["ttir"]
