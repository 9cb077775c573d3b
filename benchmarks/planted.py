"""Slowdowns made of real work, planted in the first kernel; the values that it computes stay.

What they cost is measured, never assumed.
"""

from __future__ import annotations

PROGRAM = "tl.program_id(0)"
GRID = "[(programs,)]"
KERNEL = "@triton.jit\ndef depthwise_conv_h_kernel("
STORED = "totals[r].to("


def slower(source: str, share: int) -> str:
    """The kernel with every `share`-th program run once more, which stores the same values."""
    assert source.count(GRID) == 1
    assert PROGRAM in source
    # n programs became n + n // share, of which n // share is the (share + 1)-th part.
    own = f"(tl.num_programs(0) - tl.num_programs(0) // {share + 1})"
    planted = source.replace(PROGRAM, f"({PROGRAM} % {own})")
    return planted.replace(GRID, f"[(programs + programs // {share},)]")


def busier(source: str, times: int) -> str:
    """The kernel with `times` comparisons more for each column, which no input ever meets.

    They are shared out over a program's rows. For grids of less than one wave, where one more
    program costs as much as many.
    """
    assert source.count(KERNEL) == 1
    assert source.count(STORED) == 1
    compare = (
        "@triton.jit\ndef compared(total, TIMES: tl.constexpr):\n"
        "    for _ in tl.static_range(TIMES):\n"
        "        total += tl.where(total == 3e38, 1.0, 0.0)\n"
        "    return total\n\n\n"
    )
    planted = source.replace(KERNEL, compare + KERNEL)
    return planted.replace(STORED, f"compared(totals[r], ({times} + r) // ROWS).to(")
