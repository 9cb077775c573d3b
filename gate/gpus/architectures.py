"""What the SMs of each architecture hold: all that compiling for it and its occupancy rest on.

Every figure but `sm_count` is that of the CUDA C++ Programming Guide, technical specifications per
compute capability, and of `cuda_occupancy.h` (CUDA toolkit 13.0). A card needs no table of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One compute capability. `sm_count` is that of the card in the comment beside it.

    A persistent kernel asks for the number of SMs and makes it its grid.
    """

    compute_capability: str
    sm_count: int
    max_warps_per_sm: int
    max_blocks_per_sm: int
    shared_bytes_per_sm: int
    max_shared_bytes_per_block: int
    max_registers_per_thread: int = 255
    registers_per_sm: int = 65_536
    max_threads_per_block: int = 1024
    warp_size: int = 32

    @property
    def target(self) -> str:
        """What the compiler is told, such as `sm_89`."""
        return f"sm_{self.capability_number}"

    @property
    def capability_number(self) -> int:
        """The compute capability as Triton counts it: 89 for 8.9."""
        return int(self.compute_capability.replace(".", ""))


def _of(
    capability: str, sm_count: int, *, warps: int, blocks: int, shared_kib: int, block_kib: int
) -> Architecture:
    return Architecture(
        compute_capability=capability,
        sm_count=sm_count,
        max_warps_per_sm=warps,
        max_blocks_per_sm=blocks,
        shared_bytes_per_sm=shared_kib * KIB,
        max_shared_bytes_per_block=block_kib * KIB,
    )


ARCHITECTURES = (
    _of("7.0", 80, warps=64, blocks=32, shared_kib=96, block_kib=96),  # V100
    _of("7.5", 40, warps=32, blocks=16, shared_kib=64, block_kib=64),  # T4
    _of("8.0", 108, warps=64, blocks=32, shared_kib=164, block_kib=163),  # A100
    _of("8.6", 82, warps=48, blocks=16, shared_kib=100, block_kib=99),  # RTX 3090
    _of("8.7", 16, warps=48, blocks=16, shared_kib=164, block_kib=163),  # Jetson AGX Orin
    _of("8.9", 128, warps=48, blocks=24, shared_kib=100, block_kib=99),  # RTX 4090
    _of("9.0", 132, warps=64, blocks=32, shared_kib=228, block_kib=227),  # H100 SXM5
    _of("10.0", 148, warps=64, blocks=32, shared_kib=228, block_kib=227),  # B200
    _of("10.3", 148, warps=64, blocks=32, shared_kib=228, block_kib=227),  # B300
    _of("11.0", 20, warps=48, blocks=24, shared_kib=228, block_kib=227),  # Jetson Thor
    _of("12.0", 170, warps=48, blocks=24, shared_kib=100, block_kib=99),  # RTX 5090
    _of("12.1", 48, warps=48, blocks=24, shared_kib=100, block_kib=99),  # DGX Spark
)
_BY_TARGET = {architecture.target: architecture for architecture in ARCHITECTURES}
KNOWN_TARGETS = tuple(_BY_TARGET)


def architecture_for(target: str) -> Architecture | None:
    """The architecture of a target such as `sm_89`; None where the gate has no figures of it."""
    return _BY_TARGET.get(target)
