"""How many blocks of a kernel fit on one SM, and which hardware limits a launch would break.

Nothing here does I/O or imports torch. The arithmetic is that of NVIDIA's `cuda_occupancy.h`
(CUDA toolkit 12.9), the code behind `cudaOccupancyMaxActiveBlocksPerMultiprocessor`, with shared
memory carved out as large as the SM allows: what Nsight Compute calls theoretical occupancy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.errors import InvalidConfiguration

if TYPE_CHECKING:
    from gate.gpus import GpuTable

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


_SINCE_AMPERE = Allocation(
    registers=256, sub_partitions=4, shared_bytes=128, reserved_shared_bytes=1024
)
ALLOCATIONS = {"8": _SINCE_AMPERE, "9": _SINCE_AMPERE, "10": _SINCE_AMPERE, "12": _SINCE_AMPERE}


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


def occupancy(table: GpuTable, *, threads: int, registers: int, shared_bytes: int) -> Occupancy:
    """Theoretical occupancy of blocks of `threads` threads with `registers` registers each.

    `shared_bytes` is what one block asks for, static and dynamic. A block that cannot run at all
    has an occupancy of 0.
    """
    warps = _divide_up(threads, table.warp_size)
    limits = {
        "warps": table.max_warps_per_sm // warps if threads <= table.max_threads_per_block else 0,
        "registers": _blocks_by_registers(table, warps, registers),
        "shared_mem": _blocks_by_shared_memory(table, shared_bytes),
        "blocks": table.max_blocks_per_sm,
    }
    blocks = min(limits.values())
    return Occupancy(
        blocks_per_sm=blocks,
        warps_per_sm=blocks * warps,
        pct=round(100 * blocks * warps / table.max_warps_per_sm, 2),
        limited_by=", ".join(name for name, limit in limits.items() if limit == blocks),
    )


def exceeded_limits(
    table: GpuTable, *, grid: tuple[int, int, int], threads: int, registers: int, shared_bytes: int
) -> tuple[ExceededLimit, ...]:
    """The hardware limits that such a launch breaks; none for one that can run."""
    needs = [
        (REGISTERS, registers, table.max_registers_per_thread),
        (THREADS, threads, table.max_threads_per_block),
        (REGISTERED_THREADS, threads, max_threads_per_block(table, registers)),
        (SHARED_BYTES, shared_bytes, table.max_shared_bytes_per_block),
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


def max_threads_per_block(table: GpuTable, registers: int) -> int:
    """The largest block whose threads have `registers` registers each.

    CUDA's CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: the hardware checks a block's registers as if
    its warps filled every sub-partition alike.
    """
    warps = _warps_with_registers(table, registers)
    return min(table.max_threads_per_block, warps * table.warp_size)


def allocation(table: GpuTable) -> Allocation:
    major = table.compute_capability.partition(".")[0]
    if major not in ALLOCATIONS:
        raise InvalidConfiguration(f"occupancy of compute capability {major}.x is not known here")
    return ALLOCATIONS[major]


def _blocks_by_registers(table: GpuTable, warps: int, registers: int) -> int:
    if warps > _warps_with_registers(table, registers):
        return 0
    portions = allocation(table)
    share = table.registers_per_sm // portions.sub_partitions
    warps_per_share = share // _registers_per_warp(table, registers)
    return warps_per_share * portions.sub_partitions // warps


def _blocks_by_shared_memory(table: GpuTable, shared_bytes: int) -> int:
    if shared_bytes > table.max_shared_bytes_per_block:
        return 0
    portions = allocation(table)
    used = _round_up(shared_bytes + portions.reserved_shared_bytes, portions.shared_bytes)
    return table.shared_bytes_per_sm // used


def _warps_with_registers(table: GpuTable, registers: int) -> int:
    """The most warps that one block may have, by the hardware's check of its registers."""
    warps = table.registers_per_sm // _registers_per_warp(table, registers)
    return warps - warps % allocation(table).sub_partitions


def _registers_per_warp(table: GpuTable, registers: int) -> int:
    return _round_up(max(registers, 1) * table.warp_size, allocation(table).registers)


def _divide_up(value: int, by: int) -> int:
    return -(-value // by)


def _round_up(value: int, to: int) -> int:
    return _divide_up(value, to) * to
