from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.contract import (
    MAX_MESSAGE_LENGTH,
    MAX_VIOLATIONS,
    RULES,
    SYNTAX_ERROR,
    check_contract,
)

ROOT = Path(__file__).parents[2]
BROKEN = sorted((ROOT / "tests/broken_kernels/contract").iterdir())
GOOD = sorted((ROOT / "tests/broken_kernels/contract_good").glob("*.py"))
OURS = sorted((ROOT / "kernels").glob("*/kernel.py"))
MARK = "# <- violation"

SCALE = """\
import torch
import torch.nn as nn
import triton
import triton.language as tl

WARPS = 4
CONFIGS = [triton.Config({"BLOCK": 64}), triton.Config({"BLOCK": 128})]


@triton.jit
def scale_kernel(x_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, 2 * tl.load(x_ptr + offsets, mask=offsets < n), mask=offsets < n)


def scale(x):
    n = x.numel()
    grid = (triton.cdiv(n, 64),)
    scale_kernel[grid](x, n, BLOCK=64)
    return x


class ModelNew(nn.Module):
    def forward(self, x):
        return scale(x)
"""
JIT = "@triton.jit\n"
GRID = "grid = (triton.cdiv(n, 64),)"
META_GRID = 'grid = lambda META: (triton.cdiv(n, META["BLOCK"]),)'
LAUNCH = "scale_kernel[grid](x, n, BLOCK=64)"
TUNED_LAUNCH = "scale_kernel[grid](x, n)"
PROGRAM_ID = "tl.program_id(0)"
CALL = "return scale(x)"
MODEL = "\nclass ModelNew(nn.Module):"


def codes(source: str) -> set[str]:
    return {violation.code for violation in check_contract(source)}


def changed(*replacements: tuple[str, str]) -> str:
    source = SCALE
    for old, new in replacements:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


def tuned(configs: str, grid: str = META_GRID, launch: str = TUNED_LAUNCH) -> str:
    decorator = f"@triton.autotune(configs={configs}, key=['n'])\n"
    return changed((JIT, decorator + JIT), (GRID, grid), (LAUNCH, launch))


# ------------------------------------------------------------------------------- whole files


def test_every_rule_has_a_file_that_breaks_it():
    assert {file.stem for file in BROKEN} == {SYNTAX_ERROR, *RULES}


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_broken_file_breaks_its_rule_alone_and_where_it_is_marked(file):
    source = file.read_text()
    marked = [line for line, text in enumerate(source.splitlines(), 1) if text.endswith(MARK)]
    found = check_contract(source)
    assert [(violation.code, violation.line) for violation in found] == [(file.stem, *marked)]
    assert 20 < len(found[0].message) < 250


@pytest.mark.parametrize("file", GOOD + OURS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_good_file_keeps_every_rule(file):
    assert check_contract(file.read_text()) == ()


def test_there_are_kernels_of_our_own():
    assert OURS


# ------------------------------------------------------------------------------ forms of a rule


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ("grid = triton.cdiv(n, 64),", set()),
        ("grid: tuple[int] = (triton.cdiv(n, 64),)", set()),
        ("grid = (n, 1) if n else (1, 1)", set()),
        ("other = (n,)\n    grid = other", set()),
        ("grid = (n, n)\n    grid = (n,)", set()),
        ("if n:\n        grid = (n,)\n    else:\n        grid = (1,)", set()),
        ("while n:\n        grid = (n, n)\n    grid = (n,)", set()),
        ("grid = lambda META: (n,)", set()),
        ("grid = lambda META, n=n: (n,) if n else (1,)", set()),
        ("def grid(META):\n        if n:\n            return (n,)\n        return (1,)", set()),
        ("grid = n", {"grid_rank_unknown"}),
        ("grid = 4", {"grid_rank_unknown"}),
        ("grid = [n]", {"grid_rank_unknown"}),
        ("grid = ()", {"grid_rank_unsupported"}),
        ("grid = (*x.shape,)", {"grid_rank_unknown"}),
        ("grid = tuple([n])", {"grid_rank_unknown"}),
        ("grid = (n,) * 1", {"grid_rank_unknown"}),
        ("grid = x.shape", {"grid_rank_unknown"}),
        ("grid = undefined", {"grid_rank_unknown"}),
        ("grid = grid", {"grid_rank_unknown"}),
        ("a = b\n    b = a\n    grid = b", {"grid_rank_unknown"}),
        ("grid = (n,)\n    grid += (1,)", {"grid_rank_unknown"}),
        ("(grid := (n,))", {"grid_rank_unknown"}),
        ("with x as grid:\n        pass", {"grid_rank_unknown"}),
        ("for grid in [(n,)]:\n        pass", {"grid_rank_unknown"}),
        ("grid = lambda: (n,)", {"grid_rank_unknown"}),
        ("def grid():\n        return (n,)", {"grid_rank_unknown"}),
        ("def grid(META):\n        return grid", {"grid_rank_unknown"}),
        ("grid = lambda META: lambda META: (n,)", {"grid_rank_unknown"}),
        ("grid = lambda META: [n]", {"grid_rank_unknown"}),
        ("def grid(META):\n        return None", {"grid_rank_unknown"}),
        ("def grid(META):\n        return grid(META)", {"grid_rank_unknown"}),
        ("def grid(META):\n        yield n", {"grid_rank_unknown"}),
        ("grid = scale(x)", {"grid_rank_unknown"}),
        ("grid = (n,) if n else (n, 1)", {"grid_rank_varies"}),
        ("grid = (n,)\n    if n:\n        grid = (n, 1)", {"grid_rank_varies"}),
        ("grid = (n, 1, 1, n)", {"grid_rank_unsupported"}),
        ("grid = (1, n)", {"grid_dimension_unread"}),
        ("grid = (n, 2)", {"grid_dimension_unread"}),
        ("grid = (n, n, n)", {"grid_dimension_unread"}),
        ("grid = (n,) if n else (2, 2, 2, 2)", {"grid_rank_varies", "grid_rank_unsupported"}),
    ],
)
def test_grid(grid, expected):
    assert codes(changed((GRID, grid))) == expected


@pytest.mark.parametrize(
    ("launches", "expected"),
    [
        ("{launch}\n    grid = (n, n)", set()),
        ("if n:\n        {launch}\n    else:\n        grid = (n, n)", set()),
        ("for _ in x:\n        {launch}", set()),
        ("for _ in x:\n        grid = (n,)\n        {launch}\n        grid = (n, n)", set()),
        ("for _ in x:\n        {launch}\n        grid = (n, n)", {"grid_rank_varies"}),
        ("if n:\n        grid = (n, n)\n    {launch}", {"grid_rank_varies"}),
        (
            "def launch():\n        {launch}\n\n    grid = (n, n)\n    launch()",
            {"grid_rank_varies"},
        ),
    ],
)
def test_grid_is_the_one_that_is_assigned_at_the_launch(launches, expected):
    assert codes(changed((LAUNCH, launches.format(launch=LAUNCH)))) == expected


@pytest.mark.parametrize(
    ("launch", "expected"),
    [
        ("scale_kernel[(n,)](x, n, 64)", set()),
        ("scale_kernel[n,](x, n, 64)", set()),
        ("launch = scale_kernel[grid]\n    launch(x, n, 64)", set()),
        ("kernel = scale_kernel\n    kernel[grid](x, n, 64)", set()),
        ("(lambda: scale_kernel[grid](x, n, 64))()", set()),
        (f"{LAUNCH}\n    scale[n](x)", set()),
        ("scale_kernel[grid](x, n, 64, **{}, num_warps=scale)", set()),
        ("scale_kernel[n](x, n, 64)", {"grid_rank_unknown"}),
        ("scale_kernel[triton.cdiv(n, 64)](x, n, 64)", {"grid_rank_unknown"}),
        ("scale_kernel[grid]", {"unused_kernel", "forward_without_launch"}),
        ("scale_kernel(x, n, 64)", {"unused_kernel", "forward_without_launch"}),
        ("scale_kernel.run(x, grid=grid)", {"unused_kernel", "forward_without_launch"}),
        (
            "scale_kernel = x\n    scale_kernel[grid](x)",
            {"unused_kernel", "forward_without_launch"},
        ),
    ],
)
def test_launch(launch, expected):
    assert codes(changed((LAUNCH, launch))) == expected


@pytest.mark.parametrize(
    ("program_id", "expected"),
    [
        ("tl.program_id(axis=0)", set()),
        ("triton.language.program_id(0)", set()),
        ("tl.program_id(tl.constexpr(0))", set()),
        ("tl.program_id(0) * tl.num_programs(2)", set()),
        ("tl.program_id(1)", {"program_id_beyond_grid", "grid_dimension_unread"}),
        ("tl.num_programs(0)", {"grid_dimension_unread"}),
        ("tl.program_id(3)", {"program_id_axis_unknown"}),
        ("tl.program_id(-1)", {"program_id_axis_unknown"}),
        ("tl.program_id(n)", {"program_id_axis_unknown"}),
        ("tl.program_id('0')", {"program_id_axis_unknown"}),
        ("tl.program_id()", {"program_id_axis_unknown"}),
        ("tl.program_id(int(0))", {"program_id_axis_unknown"}),
        ("tl.program_id(*n)", {"program_id_axis_unknown"}),
    ],
)
def test_program_id(program_id, expected):
    assert codes(changed((PROGRAM_ID, program_id))) == expected


def test_axes_are_followed_through_kernels_that_call_each_other():
    helpers = """\
@triton.jit
def even(n):
    return odd(n) + tl.program_id(1)


@triton.jit
def odd(n):
    return even(n) + tl.program_id(0)


"""
    source = changed((PROGRAM_ID, "odd(n)"), (JIT, helpers + JIT))
    assert codes(source) == {"program_id_beyond_grid"}
    assert codes(source.replace("64),)", "64), n)")) == set()


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        ("CONFIGS", set()),
        ("[*CONFIGS, triton.Config({'BLOCK': 256})]", set()),
        ("CONFIGS + CONFIGS", set()),
        ("[triton.Config({'BLOCK': b}, num_warps=w) for b in [64, 128] for w in [4]]", set()),
        ("[triton.Config({'BLOCK': 64 * b}, num_warps=4) for b in range(1, 3)]", set()),
        ("[triton.Config({'BLOCK': b}, w) for b, w in [(64, 8), (128, 8)]]", set()),
        ("[triton.Config({'BLOCK': b}, num_warps=WARPS) for b in [64, 128]]", set()),
        ("[triton.Config(kwargs={'BLOCK': 64, 'num_warps': 4}), *CONFIGS]", set()),
        ("CONFIGS + [triton.Config({'BLOCK': 64}, 8)]", {"autotune_blocks_and_warps"}),
        ("CONFIGS + [triton.Config({'BLOCK': 64}, 4, 2)]", {"autotune_blocks_and_warps"}),
        (
            "CONFIGS + [triton.Config({'BLOCK': 64, 'num_warps': 8})]",
            {"autotune_blocks_and_warps"},
        ),
        (
            "[triton.Config({'BLOCK': b}, num_warps=w) for b in [64, 128] for w in [4, 8]]",
            {"autotune_blocks_and_warps"},
        ),
        (
            "[triton.Config({'BLOCK': b}, num_warps=b // 32) for b in [64, 128]]",
            {"autotune_blocks_and_warps"},
        ),
        (
            "[triton.Config({'BLOCK': b}, num_stages=s) for b, s in [(64, 2), (128, 3)]]",
            {"autotune_blocks_and_warps"},
        ),
        ("[]", {"autotune_unreadable"}),
        ("None", {"autotune_unreadable"}),
        ("scale(3)", {"autotune_unreadable"}),
        ("[scale({'BLOCK': 64})]", {"autotune_unreadable"}),
        ("[triton.Config({64: 64})]", {"autotune_unreadable"}),
        ("[triton.Config({'BLOCK': b}) for b in range(WARPS, 9)]", {"autotune_unreadable"}),
        ("[triton.Config({'BLOCK': b}) for b in range(1.5)]", {"autotune_unreadable"}),
        (
            "[triton.Config({'BLOCK': a * b}) for a in UNDEFINED for b in [1, 2]]",
            {"autotune_unreadable"},
        ),
        ("UNDEFINED", {"autotune_unreadable"}),
        ("[triton.Config(UNDEFINED)]", {"autotune_unreadable"}),
        ("[triton.Config(dict(BLOCK=64))]", {"autotune_unreadable"}),
        ("[triton.Config({**UNDEFINED})]", {"autotune_unreadable"}),
        ("[triton.Config({'BLOCK': 64}, **UNDEFINED)]", {"autotune_unreadable"}),
        ("[triton.Config({'BLOCK': 64}, num_warps=scale(3))]", {"autotune_unreadable"}),
        ("[triton.Config({'BLOCK': b}) for b in UNDEFINED]", {"autotune_unreadable"}),
        ("[triton.Config({'BLOCK': b}) for b, _ in [64, 128]]", {"autotune_unreadable"}),
        ("list(CONFIGS)", {"autotune_unreadable"}),
    ],
)
def test_autotune(configs, expected):
    assert codes(tuned(configs)) == expected


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        (META_GRID, set()),
        ("grid = lambda META: (n,)", set()),
        ("def grid(META):\n        return (triton.cdiv(n, META['BLOCK']),)", set()),
        (GRID, {"autotune_grid_without_meta"}),
        ("grid = lambda META: (triton.cdiv(n, 64),)", {"autotune_grid_without_meta"}),
        ("grid = lambda META: (-(-n // 64),)", {"autotune_grid_without_meta"}),
        ("grid = lambda META: (triton.cdiv(n, x['BLOCK']),)", {"autotune_grid_without_meta"}),
        ("grid = lambda META: (triton.cdiv(n, x.y['BLOCK']),)", {"autotune_grid_without_meta"}),
        ("grid = lambda META: (triton.cdiv(n, META[n]),)", {"autotune_grid_without_meta"}),
        (
            "BLOCK = 64\n    grid = lambda META: (triton.cdiv(n, BLOCK * META['BLOCK']),)",
            {"autotune_grid_without_meta"},
        ),
        ("grid = lambda META: (triton.cdiv(n, META['TILE']),)", {"autotune_grid_without_meta"}),
        (
            "BLOCK = 64\n    grid = lambda META: (triton.cdiv(n, BLOCK),)",
            {"autotune_grid_without_meta"},
        ),
    ],
)
def test_grid_of_an_autotuned_kernel(grid, expected):
    assert codes(tuned("CONFIGS", grid)) == expected


def test_block_that_is_the_same_in_all_configs_needs_no_meta():
    configs = "[triton.Config({'BLOCK': 64}, num_warps=w) for w in [4, 8]]"
    assert codes(tuned(configs, GRID)) == set()


@pytest.mark.parametrize("launch", [LAUNCH, "scale_kernel[grid](x, n, 64)"])
def test_autotuned_block_must_not_be_passed(launch):
    assert codes(tuned("CONFIGS", launch=launch)) == {"autotuned_block_passed"}


@pytest.mark.parametrize(
    ("assignment", "launch", "expected"),
    [
        ("BLOCK_N: tl.constexpr = 64", LAUNCH, set()),
        ("HALF_BLOCK = BLOCK // 2", LAUNCH, set()),
        ("BLOCK = 64", LAUNCH, {"block_redefined"}),
        ("BLOCK: tl.constexpr = 64", LAUNCH, {"block_redefined"}),
        ("BLOCK_N = 64", "scale_kernel[grid](x, n, BLOCK=64, BLOCK_N=64)", {"block_redefined"}),
        ("BLOCK_N = 64", f"BLOCK_N = 64\n    {LAUNCH}", {"block_redefined"}),
    ],
)
def test_block_is_defined_in_one_place(assignment, launch, expected):
    source = changed(
        ("    offsets =", f"    {assignment}\n    offsets ="),
        (LAUNCH, launch),
    )
    assert codes(source) == expected


def test_block_of_a_helper_is_not_assigned_again():
    helper = f"{JIT}def helper(BLOCK: tl.constexpr):\n    BLOCK = 64\n    return BLOCK\n\n\n"
    source = changed((PROGRAM_ID, f"{PROGRAM_ID} + helper(BLOCK)"), (JIT, helper + JIT))
    assert codes(source) == {"block_redefined"}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("LIMIT = 4", set()),
        ("LIMIT: int", set()),
        ("'a lone string'", set()),
        ("pass", set()),
        ("def wrapper(x):\n    return __name__", set()),
        ("def wrapper(x):\n    return x", set()),
        ("assert torch", {"testing_code"}),
        ("def test():\n    pass", {"testing_code"}),
        ("def outer():\n    def test_inner():\n        pass", {"testing_code"}),
        ("class TestScale:\n    pass", {"testing_code", "foreign_class"}),
        ("def outer():\n    class Inner:\n        pass", {"foreign_class"}),
        ("def outer():\n    class ModelNew:\n        pass", {"foreign_class"}),
        ("class Other:\n    pass\n\n\ndef late(x):\n    return x", {"foreign_class"}),
        ("'__main__' == __name__ and scale(3)", {"main_block"}),
        ("while __name__ == '__main__':\n    break", {"main_block"}),
        ("get_inputs = list", {"input_function"}),
        ("async def get_init_inputs():\n    return []", {"input_function"}),
        ("print(3)", {"module_statement"}),
        ("LIMIT = lambda: 3", {"module_statement"}),
        ("LIMIT = f'{torch}'", {"module_statement"}),
        ("LIMIT = [print(3)]", {"module_statement"}),
        ("LIMIT = scale(3)", {"module_statement"}),
        ("CONFIGS[0] = None", {"module_statement"}),
        ("torch.scale = 1", {"module_statement"}),
        ("for _ in ():\n    pass", {"module_statement"}),
        ("with torch.no_grad():\n    pass", {"module_statement"}),
        ("if torch:\n    import os", {"module_statement", "nested_import"}),
        (
            "scale_kernel = triton.jit(scale)",
            {"module_statement", "redefined_name", "hidden_kernel"},
        ),
        ("jit = triton.jit", {"hidden_kernel"}),
        ("tl = 3", {"redefined_name"}),
        ("import torch", {"import_order"}),
        ("import os", {"foreign_import"}),
        ("from torch import nn", {"foreign_import"}),
        ("from . import helper", {"foreign_import"}),
        ("import torch, triton", {"foreign_import"}),
        ("import triton.language as language", {"foreign_import"}),
        ("def wrapper():\n    __import__('os')", {"nested_import"}),
        (f"{JIT}def late_kernel():\n    pass", {"wrong_order", "unused_kernel"}),
    ],
)
def test_statement_before_the_class(statement, expected):
    assert codes(changed((MODEL, f"\n{statement}\n\n{MODEL}"))) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("'a lone string'", set()),
        ("LIMIT = 4", {"wrong_order"}),
        ("class Other:\n    pass", {"foreign_class"}),
        ("def late(x):\n    return x", {"wrong_order"}),
        ("model = ModelNew()", {"module_statement"}),
        ("class ModelNew(nn.Module):\n    forward = None", {"redefined_name", "missing_forward"}),
    ],
)
def test_nothing_stands_after_the_class(statement, expected):
    assert codes(f"{SCALE}\n\n{statement}\n") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return self.run(x)\n\n    def run(self, x):\n        return scale(x)", set()),
        ("return ModelNew.run(x)\n\n    def run(x):\n        return scale(x)", set()),
        ("step = scale if x.is_cuda else torch.neg\n        return step(x)", set()),
        ("def step():\n            return scale(x)\n\n        return step()", set()),
        ("return x * 2", {"forward_without_launch"}),
        ("return scale", {"forward_without_launch"}),
        ("return x.scale(x)", {"forward_without_launch"}),
        ("scale = torch.neg\n        return scale(x)", {"forward_without_launch"}),
        (
            "def step():\n            return scale(x)\n\n        return x",
            {"forward_without_launch"},
        ),
        ("return self.forward(x)", {"forward_without_launch"}),
        ("return 1\n\n    def forward(self, x):\n        return scale(x)", {"redefined_name"}),
    ],
)
def test_forward_reaches_a_launch(body, expected):
    assert codes(changed((CALL, body))) == expected


def test_class_without_a_method_forward():
    assert codes(changed(("def forward", "async def forward"))) == {"missing_forward"}
    assert codes(
        changed(("    def forward(self, x):\n        return scale(x)", "    forward = scale"))
    ) == {"missing_forward"}


# ------------------------------------------------------------------------------------- hostile

DEEP = 100_000
CHAIN = "".join(f"g{i + 1} = g{i}\n    " for i in range(5_000))
CALL_CHAIN = "".join(f"{JIT}def k{i}():\n    k{i + 1}()\n" for i in range(3_000))
DOUBLING = "\nC0 = []" + "".join(f"\nC{i + 1} = C{i} + C{i}" for i in range(40))


@pytest.mark.parametrize(
    "source",
    [
        "(" * DEEP,
        "(" * DEEP + ")" * DEEP,
        "x = " + "[" * 90 + "]" * 90 + "\n" + "x = " + "-" * DEEP + "1",
        "x = " + "not " * DEEP + "1",
        "x = y" + ".y" * DEEP,
        "x = 1" + " + 1" * DEEP,
        "x = y" + "()" * DEEP,
        "x = " + "lambda: " * DEEP + "1",
        "if x:\n    pass\n" + "elif x:\n    pass\n" * 5_000,
        "x = 1; " * DEEP,
        "x = '\0'",
        "\0",
        "\udc80",
        "x = '\udfff'",
        "x = " + "9" * DEEP,
        "def f(:",
        "\\",
        "'''",
    ],
    ids=range(18),
)
def test_source_that_no_one_can_read_is_one_violation(source):
    start = time.monotonic()
    violations = check_contract(source)
    assert [violation.code for violation in violations] == [SYNTAX_ERROR]
    assert violations[0].line >= 1
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("source", ["", "\n", "\ufeff", "# only a comment", "x = '\\d'"])
def test_source_that_holds_nothing(source):
    assert {"missing_import", "missing_model", "missing_kernel"} >= codes(source) - {SYNTAX_ERROR}


@pytest.mark.parametrize(
    "source",
    [
        "import " + "a" * 1_000_000,
        "x = [" + "1, " * 60_000 + "]",
        "\n".join(f"class C{i}: pass" for i in range(10_000)),
        SCALE.replace(GRID, "g0 = (n,)\n    " + CHAIN + "grid = g5000"),
        SCALE.replace(LAUNCH, "\n    ".join([LAUNCH] * 3_000)),
        SCALE.replace(LAUNCH, "\n    ".join(["grid = grid"] * 3_000 + [LAUNCH] * 3_000)),
        SCALE.replace(PROGRAM_ID, "k0()").replace(JIT, CALL_CHAIN + JIT),
        tuned("C40").replace("\n\n\n@", f"{DOUBLING}\n\n\n@", 1),
        tuned("CONFIGS").replace("CONFIGS = [", "CONFIGS = [" + "triton.Config({}), " * 10_000),
    ],
    ids=[
        *("one name", "one list", "classes", "name chain", "launches", "assignments"),
        *("call chain", "doubled configs", "configs"),
    ],
)
def test_huge_source_is_judged_in_time_and_within_bounds(source):
    start = time.monotonic()
    violations = check_contract(source)
    assert time.monotonic() - start < 10
    assert SYNTAX_ERROR not in {violation.code for violation in violations}
    assert len(violations) <= MAX_VIOLATIONS
    assert all(len(violation.message) <= MAX_MESSAGE_LENGTH for violation in violations)


SOURCES = [file.read_text() for file in [*BROKEN, *GOOD, *OURS]]


@settings(deadline=None)
@given(st.text())
def test_any_text_is_judged(source):
    check_contract(source)


@settings(deadline=None)
@given(st.sampled_from(SOURCES), st.randoms(use_true_random=False))
def test_kernel_with_lines_lost_and_swapped_is_judged(source, random):
    lines = source.splitlines()
    for _ in range(random.randrange(1, 6)):
        i, j = (random.randrange(len(lines)) for _ in range(2))
        lines[i], lines[j] = random.choice([(lines[j], lines[i]), ("", lines[j])])
    violations = check_contract("\n".join(lines))
    assert list(violations) == sorted(violations, key=lambda each: (each.line, each.code))
    assert all(1 <= violation.line <= len(lines) + 1 for violation in violations)


def test_a_foreign_import_is_answered_with_the_allowed_ones():
    (found,) = check_contract(SCALE.replace("import triton\n", "import triton\nimport os\n", 1))
    assert "(torch, torch.nn as nn, triton, triton.language as tl)" in found.message
