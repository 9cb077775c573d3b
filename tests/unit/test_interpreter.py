import pytest

from gate.interpreter import TooLarge, limit_behind, root_cause, sentence


def raised(error, file="kernel.py"):
    """`error` as if raised by a line of `file`."""
    try:
        exec(compile("raise error", file, "exec"), {"error": error.with_traceback(None)})
    except Exception as caught:  # noqa: BLE001
        return caught


def raised_inside_triton(error):
    return raised(error, "/site-packages/triton/language/core.py")


@pytest.mark.parametrize(
    "error",
    [
        NotImplementedError("extern_elementwise not supported in interpreter mode"),
        RuntimeError("0 active drivers ([]). There should only be one."),
        ValueError("Multiple assignments are not supported"),
        RuntimeError("mask has unsupported dtype"),
        ValueError("Unsupported data type"),  # an atomic of bfloat16
        AttributeError("'float' object has no attribute 'to'"),
    ],
)
def test_tritons_own_limits_are_known(error):
    assert sentence(error) in limit_behind(raised_inside_triton(error))
    assert limit_behind(raised(error)) is None  # the kernel's own wrapper says so


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Cannot make_shape_compatible: incompatible dimensions at index 0: 64 and 32"),
        ValueError("arange's range must be a power of 2"),
        AttributeError("module 'triton.language' has no attribute 'foo'"),
    ],
)
def test_a_kernels_own_faults_are_not_excused(error):
    assert limit_behind(raised_inside_triton(error)) is None


@pytest.mark.parametrize(
    "error", [AssertionError("Torch not compiled with CUDA enabled"), RuntimeError("No CUDA GPUs")]
)
def test_what_asks_for_a_gpu_cannot_run(error):
    assert limit_behind(raised(error)).startswith("needs CUDA: ")


def test_a_grid_too_large_says_what_to_do():
    assert limit_behind(TooLarge("too large; add sizes")) == "too large; add sizes"


def test_the_innermost_cause_counts():
    inner = raised_inside_triton(NotImplementedError("inline_asm"))
    outer = RuntimeError("wrapped")
    outer.__cause__ = inner
    assert root_cause(outer) is inner
    assert "inline_asm" in limit_behind(outer)


def test_causes_in_a_circle_end():
    error = RuntimeError("a")
    error.__cause__ = RuntimeError("b")
    error.__cause__.__cause__ = error
    assert root_cause(error) is error.__cause__


class Hostile(Exception):
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("text"), "ValueError: text"),
        (MemoryError(), "MemoryError"),
        (SyntaxError("invalid syntax", ("kernel.py", 3, 1, "def", 3, 4)), "SyntaxError: invalid"),
        (ValueError("x" * 10_000), "ValueError: xxx"),
    ],
)
def test_an_error_is_one_bounded_sentence(error, words):
    assert sentence(error).startswith(words)
    assert len(sentence(error)) <= 1000


def test_a_hostile_text_is_survived():
    assert "Hostile: <exception str() failed>" in sentence(Hostile())
