"""Rules on launches: that forward reaches one, and that grids and program ids fit together."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gate.contract.kernel_file import AXES, MODEL, Grid, KernelFile, Launch, axes_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gate.contract.syntax import Function

Finding = tuple[int, str]

RANKS = {1, 2, 3}


def forward_without_launch(file: KernelFile) -> Iterator[Finding]:
    forward = file.names.methods.get("forward")
    launching = {launch.scope.owner for launch in file.launches}
    if file.kernels and forward and launching.isdisjoint(_reached_from(forward, file)):
        message = (
            f"{MODEL}.forward launches no kernel of this file: call a wrapper that launches one"
        )
        yield forward.lineno, message


def _reached_from(function: Function, file: KernelFile) -> set[Function]:
    """The functions of the file that it calls, directly or not, and itself."""
    reached: set[Function] = set()
    pending = [function]
    while pending:
        caller = pending.pop()
        if caller not in reached:
            reached.add(caller)
            scope = file.names.scopes[caller]
            for node in scope.nodes:
                if isinstance(node, ast.Call):
                    pending.extend(file.names.functions(node.func, scope))
    return reached


def unused_kernel(file: KernelFile) -> Iterator[Finding]:
    used = _used_kernels(file)
    for name, kernel in file.kernels.items():
        if name not in used:
            message = f"kernel `{name}` is neither launched nor called: use `{name}[grid](...)`"
            yield kernel.node.lineno, f"{message} or remove it"


def _used_kernels(file: KernelFile) -> set[str]:
    """Kernels that are launched, passed to a launch, or called by one that is."""
    pending = {name for launch in file.launches for name in launch.passed_kernels}
    pending |= {launch.kernel.name for launch in file.launches}
    used: set[str] = set()
    while pending:
        name = pending.pop()
        used.add(name)
        pending |= file.kernels[name].callees - used
    return used


def program_id_axis_unknown(file: KernelFile) -> Iterator[Finding]:
    for name, kernel in file.kernels.items():
        for call, axis in axes_read(kernel.node, file.names):
            if axis is None:
                yield (
                    call.lineno,
                    f"an axis of tl.program_id in `{name}` must be literally 0, 1 or 2",
                )


# ----------------------------------------------------- for one launch; empty if it keeps the rule


def grid_rank_unknown(launch: Launch) -> str:
    if launch.grids:
        return ""
    return (
        f"the rank of this grid of `{launch.kernel.name}` is not static: write it as a tuple, such "
        "as (n,) or (m, n), or as a function that returns one"
    )


def grid_rank_varies(launch: Launch) -> str:
    ranks = _ranks(launch)
    if len(ranks) < 2:
        return ""
    return (
        f"this grid of `{launch.kernel.name}` can have {_listed(ranks)} dimensions: "
        "launch once for each, under names of their own"
    )


def grid_rank_unsupported(launch: Launch) -> str:
    beyond = _ranks(launch) - RANKS
    if not beyond:
        return ""
    return (
        f"this grid of `{launch.kernel.name}` has {_listed(beyond)} dimensions and a launch has "
        "1 to 3: flatten independent ones"
    )


def program_id_beyond_grid(launch: Launch) -> str:
    rank = min(_comparable_ranks(launch), default=len(AXES))
    beyond = [axis for axis in AXES[rank:] if axis in launch.kernel.axes]
    if not beyond:
        return ""
    return (
        f"`{launch.kernel.name}` reads program_id({_listed(beyond)}), always 0 in this grid of "
        f"rank {rank}: add the dimension to the grid or drop the program_id"
    )


def grid_dimension_unread(launch: Launch) -> str:
    comparable = _comparable_ranks(launch) and None not in launch.kernel.axes
    unread = {axis for grid in launch.grids for axis in _axes_of(grid)} - launch.kernel.axes
    if not comparable or not unread:
        return ""
    return (
        f"`{launch.kernel.name}` never reads program_id({_listed(unread)}), so that dimension of "
        "this grid repeats the same work: read it in the kernel or drop the dimension"
    )


def _comparable_ranks(launch: Launch) -> set[int]:
    """The grid's rank, unless another rule already refuses it."""
    ranks = _ranks(launch)
    return ranks if len(ranks) == 1 and ranks <= RANKS else set()


def _ranks(launch: Launch) -> set[int]:
    return {len(grid.dimensions) for grid in launch.grids}


def _axes_of(grid: Grid) -> Iterator[int | None]:
    """The axes of a grid; a dimension padded with a literal 1 repeats nothing and is none."""
    for axis, size in enumerate(grid.dimensions):
        if not (isinstance(size, ast.Constant) and size.value == 1):
            yield axis


def _listed(values: Iterable[object]) -> str:
    return " and ".join(sorted(map(str, values)))
