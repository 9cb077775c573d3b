"""Rules on BLOCK_* sizes: who sets them, and what is autotuned together with them."""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import TYPE_CHECKING

from gate.contract.syntax import parameters, qualified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gate.contract.autotune import Autotune
    from gate.contract.kernel_file import Grid, GridFunction, Kernel, KernelFile, Launch

Finding = tuple[int, str]

WARP_OPTIONS = frozenset({"num_warps", "num_stages"})


def block_redefined(file: KernelFile) -> Iterator[Finding]:
    launches: dict[str, list[Launch]] = defaultdict(list)
    for launch in file.launches:
        launches[launch.kernel.name].append(launch)
    for name, kernel in file.kernels.items():
        given = {*parameters(kernel.node), *_autotuned(kernel)}
        for block in _assigned_blocks(kernel, file):
            if block.id in given or any(_defines(each, block.id) for each in launches[name]):
                message = f"{block.id} is assigned in `{name}` and defined at its launch too"
                yield block.lineno, f"{message}: keep one, a parameter of the kernel for choice"


def _assigned_blocks(kernel: Kernel, file: KernelFile) -> Iterator[ast.Name]:
    for node in file.names.scopes[kernel.node].nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and _is_block(node.id):
            yield node


def _defines(launch: Launch, name: str) -> bool:
    """Whether the launch passes the name, or stands where it can compute its grid with it."""
    return name in launch.passed or launch.scope.find(name) is not None


# ----------------------------------------------------- for one launch; empty if it keeps the rule


def autotuned_block_passed(launch: Launch) -> str:
    blocks = _blocks(launch.passed & _autotuned(launch.kernel))
    if not blocks:
        return ""
    return (
        f"`{launch.kernel.name}` autotunes {blocks} and this launch passes it too: "
        "leave it to the autotuner or take it out of the configs"
    )


def autotune_grid_without_meta(launch: Launch) -> str:
    tuned = {name for each in launch.kernel.autotunes for name in each.varying if _is_block(name)}
    if not tuned or all(_follows(grid, tuned) for grid in launch.grids):
        return ""
    return (
        f"`{launch.kernel.name}` autotunes {_blocks(tuned)}, which this grid does not follow: "
        f'write it as `lambda META: (...)` with META["{min(tuned)}"] for the size of a block'
    )


def _follows(grid: Grid, tuned: set[str]) -> bool:
    """Whether the grid reads a tuned block from META, or takes META and cuts nothing in blocks."""
    if grid.function is None:
        return False
    names = [node for node in ast.walk(grid.function) if isinstance(node, ast.Name)]
    own = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    fixed_elsewhere = tuned & {name.id for name in names} - own
    reads = tuned & _read_from_meta(grid.function)
    return not fixed_elsewhere and bool(reads or not _divides(grid.function))


def _read_from_meta(function: GridFunction) -> set[object]:
    meta = parameters(function)[:1]
    return {
        node.slice.value
        for node in ast.walk(function)
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.value, ast.Name)
        and node.value.id in meta
    }


def _divides(function: GridFunction) -> bool:
    return any(
        isinstance(node, ast.FloorDiv | ast.Div) or qualified(node).endswith("cdiv")
        for node in ast.walk(function)
    )


# --------------------------------------------------- for one autotune; empty if it keeps the rule


def autotune_unreadable(kernel: Kernel, autotune: Autotune) -> str:
    if autotune.readable:
        return ""
    return (
        f"what `{kernel.name}` is tuned over cannot be read from the text: write configs as a list "
        "of triton.Config({...}) with literal values"
    )


def autotune_blocks_and_warps(kernel: Kernel, autotune: Autotune) -> str:
    blocks = _blocks(autotune.varying)
    warps = " and ".join(sorted(autotune.varying & WARP_OPTIONS))
    if not blocks or not warps:
        return ""
    return (
        f"`{kernel.name}` tunes {blocks} and at once {warps}: "
        "keep one of the two the same in all configs"
    )


def _autotuned(kernel: Kernel) -> set[str]:
    return {name for autotune in kernel.autotunes for name in autotune.names}


def _blocks(names: Iterable[str]) -> str:
    return " and ".join(sorted(filter(_is_block, names)))


def _is_block(name: str) -> bool:
    return name == "BLOCK" or name.startswith("BLOCK_")
