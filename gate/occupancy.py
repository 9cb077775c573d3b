"""How many blocks of a kernel fit on one SM, and which hardware limits a launch would break.

Nothing here does I/O or imports torch. The arithmetic is that of NVIDIA's `cuda_occupancy.h`
(CUDA toolkits 12.9 and 13.0), the code behind `cudaOccupancyMaxActiveBlocksPerMultiprocessor`, with
shared memory carved out as large as the SM allows: Nsight Compute's theoretical occupancy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate.gpus.architectures import Architecture

# The same on every card since compute capability 3.0: CUDA C++ Programming Guide, technical
# specifications, "maximum x/y/z-dimension of a grid of thread blocks".
MAX_GRID = (2_147_483_647, 65_535, 65_535)

REGISTERS = "registers per thread"
THREADS = "threads per block"
REGISTERED_THREADS = "threads per block with as many registers each"
SHARED_BYTES = "bytes of shared memory per block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """In what portions an SM hands out its resources, from `cuda_occupancy.h`."""

    registers: int  # a warp's registers, rounded up to this
    sub_partitions: int  # each holds an equal share of the registers and of the warps
    shared_bytes: int  # a block's shared memory, rounded up to this
    reserved_shared_bytes: int  # what CUDA keeps of each block's shared memory for itself


_BEFORE_AMPERE = Allocation(
    registers=256, sub_partitions=4, shared_bytes=256, reserved_shared_bytes=0
)
_SINCE_AMPERE = Allocation(
    registers=256, sub_partitions=4, shared_bytes=128, reserved_shared_bytes=1024
)
AMPERE = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """`limited_by` names the resources that allow the fewest blocks, as Nsight Compute does."""

    blocks_per_sm: int
    warps_per_sm: int
    pct: float
    limited_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceededLimit:
    """What a launch needs of one resource, and the most that the hardware allows."""

    resource: str
    required: int
    limit: int

    def describe(self, target: str) -> str:
        return f"{self.resource}: {self.required:,} needed, {target} allows {self.limit:,}"


def occupancy(
    architecture: Architecture, *, threads: int, registers: int, shared_bytes: int
) -> Occupancy:
    """Theoretical occupancy of blocks of `threads` threads with `registers` registers each.

    `shared_bytes` is what one block asks for, static and dynamic. A block that cannot run at all
    has an occupancy of 0.
    """
    warps = _divide_up(threads, architecture.warp_size)
    limits = {
        "warps": architecture.max_warps_per_sm // warps
        if threads <= architecture.max_threads_per_block
        else 0,
        "registers": _blocks_by_registers(architecture, warps, registers),
        "shared_mem": _blocks_by_shared_memory(architecture, shared_bytes),
        "blocks": architecture.max_blocks_per_sm,
    }
    blocks = min(limits.values())
    return Occupancy(
        blocks_per_sm=blocks,
        warps_per_sm=blocks * warps,
        pct=round(100 * blocks * warps / architecture.max_warps_per_sm, 2),
        limited_by=", ".join(name for name, limit in limits.items() if limit == blocks),
    )


def exceeded_limits(
    architecture: Architecture,
    *,
    grid: tuple[int, int, int],
    threads: int,
    registers: int,
    shared_bytes: int,
) -> tuple[ExceededLimit, ...]:
    """The hardware limits that such a launch breaks; none for one that can run."""
    needs = [
        (REGISTERS, registers, architecture.max_registers_per_thread),
        (THREADS, threads, architecture.max_threads_per_block),
        (REGISTERED_THREADS, threads, max_threads_per_block(architecture, registers)),
        (SHARED_BYTES, shared_bytes, architecture.max_shared_bytes_per_block),
        *((f"blocks in grid dimension {i}", grid[i], MAX_GRID[i]) for i in range(3)),
    ]
    exceeded = {
        resource: ExceededLimit(resource=resource, required=required, limit=limit)
        for resource, required, limit in needs
        if required > limit
    }
    if THREADS in exceeded:
        exceeded.pop(REGISTERED_THREADS, None)  # the plainer of the two says it
    return tuple(exceeded.values())


def max_threads_per_block(architecture: Architecture, registers: int) -> int:
    """The largest block whose threads have `registers` registers each.

    CUDA's CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: the hardware checks a block's registers as if
    its warps filled every sub-partition alike.
    """
    warps = _warps_with_registers(architecture, registers)
    return min(architecture.max_threads_per_block, warps * architecture.warp_size)


def allocation(architecture: Architecture) -> Allocation:
    return _SINCE_AMPERE if architecture.capability_number >= AMPERE else _BEFORE_AMPERE


def _blocks_by_registers(architecture: Architecture, warps: int, registers: int) -> int:
    if warps > _warps_with_registers(architecture, registers):
        return 0
    portions = allocation(architecture)
    share = architecture.registers_per_sm // portions.sub_partitions
    warps_per_share = share // _registers_per_warp(architecture, registers)
    return warps_per_share * portions.sub_partitions // warps


def _blocks_by_shared_memory(architecture: Architecture, shared_bytes: int) -> int:
    if shared_bytes > architecture.max_shared_bytes_per_block:
        return 0
    portions = allocation(architecture)
    asked = max(shared_bytes + portions.reserved_shared_bytes, 1)
    used = _round_up(asked, portions.shared_bytes)
    return architecture.shared_bytes_per_sm // used


def _warps_with_registers(architecture: Architecture, registers: int) -> int:
    """The most warps that one block may have, by the hardware's check of its registers."""
    warps = architecture.registers_per_sm // _registers_per_warp(architecture, registers)
    return warps - warps % allocation(architecture).sub_partitions


def _registers_per_warp(architecture: Architecture, registers: int) -> int:
    return _round_up(max(registers, 1) * architecture.warp_size, allocation(architecture).registers)


def _divide_up(value: int, by: int) -> int:
    return -(-value // by)


def _round_up(value: int, to: int) -> int:
    return _divide_up(value, to) * to
