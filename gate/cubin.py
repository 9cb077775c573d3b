"""Runs `cuobjdump` on compiled kernels: the disassembler that comes in triton's wheel."""

from __future__ import annotations

import sys
import tempfile
from importlib import util
from pathlib import Path

from gate import processes
from gate.errors import MissingExtra
from gate.sass import (
    Disassembly,
    Resources,
    UnreadableDisassembly,
    read_disassembly,
    read_resources,
)

# nvdisasm, which cuobjdump starts, needs half a second to start and little more for any kernel.
TIMEOUT_SECONDS = 60.0
# A kernel of 100,000 instructions prints a tenth of this.
MAX_LISTING_BYTES = 256 * 1024 * 1024
# cuobjdump only prints to its standard output, of which `processes.run` keeps the tail.
_INTO_FILE = (
    "import os, sys; os.dup2(os.open(sys.argv[1], os.O_WRONLY), 1); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


def find_cuobjdump() -> Path:
    """Raises MissingExtra without torch and triton; neither is imported."""
    triton = util.find_spec("triton")
    if util.find_spec("torch") is None or triton is None or triton.origin is None:
        raise MissingExtra("static analysis needs torch and triton, and no GPU")
    return Path(triton.origin).parent / "backends" / "nvidia" / "bin" / "cuobjdump"


def resources(cuobjdump: Path, cubin: Path, entry: str) -> Resources:
    """What a launch of `entry` takes, in milliseconds. Raises UnreadableDisassembly."""
    return read_resources(_dump(cuobjdump, cubin, "--dump-resource-usage"), entry)


def disassemble(cuobjdump: Path, cubin: Path, entry: str) -> Disassembly:
    """The kernel taken apart, in half a second. Raises UnreadableDisassembly."""
    listing = _dump(cuobjdump, cubin, "--dump-resource-usage", "--dump-sass")
    return read_disassembly(listing, entry)


def _dump(cuobjdump: Path, cubin: Path, *options: str) -> str:
    with tempfile.NamedTemporaryFile(prefix="gate-", suffix=".sass") as listing:
        ended = processes.run(
            [
                *(sys.executable, "-I", "-S", "-c", _INTO_FILE, listing.name),
                *(str(cuobjdump), *options, str(cubin)),
            ],
            timeout_s=TIMEOUT_SECONDS,
        )
        if not ended.ok:
            said = ended.stderr.strip()[-500:]
            raise UnreadableDisassembly(f"cuobjdump {ended.describe_end()}: {said}")
        return listing.read(MAX_LISTING_BYTES).decode(errors="replace")
