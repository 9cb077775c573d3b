"""Reads what `cuobjdump --dump-resource-usage -sass` prints of one compiled kernel.

Pure: the text comes from elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_WIDTH_BITS = 32
# As written in an opcode, such as LDG.E.128.CONSTANT. LTC128B is a prefetch hint and no width.
WIDTHS_BITS = {"256": 256, "128": 128, "64": 64, "U16": 16, "S16": 16, "U8": 8, "S8": 8}
# Bulk copies by the tensor memory accelerator have no width of their own: they move whole tiles
# without a thread's load or store, so they count as the widest that a thread can do.
BULK_WIDTH_BITS = 128
LOADS = frozenset({"LDG", "LDGSTS"})
STORES = frozenset({"STG"})
BULK_LOADS = ("UTMALDG", "UBLKCP.S.G")
BULK_STORES = ("UTMASTG", "UTMAREDG", "UBLKCP.G.S")

_RESOURCES = re.compile(
    r"^ *Function (?P<entry>\S+):\n"
    r" *REG:(?P<registers>\d+) STACK:(?P<stack>\d+) SHARED:\d+ LOCAL:(?P<local>\d+)",
    re.MULTILINE,
)
_FUNCTION = re.compile(r"^\t\tFunction : ", re.MULTILINE)
_OPCODE = re.compile(
    r"^ +/\*[0-9a-f]{4,}\*/ +(?:@!?\w+ +)?(?P<opcode>[A-Z][A-Z0-9_.a-z]*)", re.MULTILINE
)


class UnreadableDisassembly(ValueError):
    """The text is not what cuobjdump prints of a cubin with that kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Registers and bytes of one thread.

    Shared memory is left out: Triton asks for it at launch, and what cuobjdump calls SHARED is,
    since compute capability 9.0, the 1024 bytes that CUDA keeps for itself.
    """

    registers: int
    stack_bytes: int
    local_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disassembly:
    """Widths are those of the widest access in the code; 0 where there is none."""

    resources: Resources
    instructions: int
    widest_global_load_bits: int
    widest_global_store_bits: int


def read_resources(text: str, entry: str) -> Resources:
    """Raises UnreadableDisassembly where the text says nothing of the kernel `entry`."""
    for found in _RESOURCES.finditer(text):
        if found["entry"] == entry:
            return Resources(
                registers=int(found["registers"]),
                stack_bytes=int(found["stack"]),
                local_bytes=int(found["local"]),
            )
    raise UnreadableDisassembly(f"cuobjdump says nothing of the kernel {entry!r}")


def read_disassembly(text: str, entry: str) -> Disassembly:
    """The kernel with the functions it calls. Raises UnreadableDisassembly."""
    opcodes = [
        opcode for section in _FUNCTION.split(text)[1:] for opcode in _without_padding(section)
    ]
    if not opcodes:
        raise UnreadableDisassembly("cuobjdump printed no instruction")
    return Disassembly(
        resources=read_resources(text, entry),
        instructions=len(opcodes),
        widest_global_load_bits=_widest(opcodes, LOADS, BULK_LOADS),
        widest_global_store_bits=_widest(opcodes, STORES, BULK_STORES),
    )


def _without_padding(section: str) -> list[str]:
    """The opcodes of one function, less the NOPs that fill up its last cache lines."""
    opcodes = _OPCODE.findall(section)
    while opcodes and opcodes[-1] == "NOP":
        opcodes.pop()
    return opcodes


def _widest(opcodes: list[str], plain: frozenset[str], bulk: tuple[str, ...]) -> int:
    widths = [width_bits(opcode) for opcode in opcodes if opcode.partition(".")[0] in plain]
    if any(opcode.startswith(bulk) for opcode in opcodes):
        widths.append(BULK_WIDTH_BITS)
    return max(widths, default=0)


def width_bits(opcode: str) -> int:
    """How much one thread moves by this load or store."""
    return next(
        (WIDTHS_BITS[part] for part in opcode.split(".")[1:] if part in WIDTHS_BITS),
        DEFAULT_WIDTH_BITS,
    )
