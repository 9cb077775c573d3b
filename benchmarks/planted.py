"""Slowdowns made of real work: the first kernel with some of its programs run twice.

`slower(source, share)` is `kernel.py` launched with `1 / share` more programs, which compute tiles
that others compute too and store the same values. What that costs is measured, never assumed.
"""

from __future__ import annotations

PROGRAM = "tl.program_id(0)"
GRID = "    grid = (planes * ceil_div(h_out, block_h), ceil_div(columns + skew, block_w))\n"
FIRST_LINE = "    # Vertical neighbours have consecutive ids"


def slower(source: str, share: int) -> str:
    """The kernel with every `share`-th program run once more."""
    assert source.count(GRID) == 1
    assert source.count(FIRST_LINE) == 1
    # n programs became n + n // share, of which n // share is the (share + 1)-th part.
    own = f"tl.num_programs(0) - tl.num_programs(0) // {share + 1}"
    planted = source.replace(PROGRAM, "program").replace(
        FIRST_LINE, f"    program = {PROGRAM} % ({own})\n{FIRST_LINE}"
    )
    return planted.replace(GRID, f"{GRID}    grid = (grid[0] + grid[0] // {share}, grid[1])\n")
