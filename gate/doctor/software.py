"""What is installed here, and whether it can compile: none of this needs a GPU."""

from __future__ import annotations

import os
import re
import shutil
import sysconfig
import tempfile
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from gate import processes
from gate.doctor.check import Check, failed, ok, quoted, unknown, warning
from gate.errors import INSTALL_EXTRA

if TYPE_CHECKING:
    from gate.doctor.probe_run import ProbeRun

PACKAGES = "Python packages"
PAIR = "torch and Triton pair"
COMPILER = "Triton's compiler"
INTERPRETER = "Triton's interpreter"
SCRATCH = "scratch space"

# The extra `gpu`, less ncu-report: ncu brings a copy of it.
MEASURING = ("torch", "triton", "numpy", "pytest", "nvidia-ml-py", "filelock")
# Which Triton a torch was released with; its CPU wheels do not say.
PAIRS = {"2.11": "3.6", "2.13": "3.7"}
# Triton's cache, ncu's report and a kernel's outputs on their way to the comparison.
FREE_BYTES = 2 * 2**30


def packages() -> Check:
    found = {name: _version(name) for name in MEASURING}
    missing = [name for name, version in found.items() if version is None]
    if missing:
        return failed(PACKAGES, f"not installed: {', '.join(missing)}", INSTALL_EXTRA)
    return ok(PACKAGES, ", ".join(f"{name} {version}" for name, version in found.items()))


def pair() -> Check:
    """Torch's CUDA wheels pin their Triton; next to its CPU wheels an install finds any."""
    torch, triton = _version("torch"), _version("triton")
    if torch is None or triton is None:
        return unknown(PAIR, "one of them is not installed")
    pinned = _pinned_triton()
    wanted = pinned or PAIRS.get(".".join(torch.split(".")[:2]))
    versions = f"torch {torch}, triton {triton}"
    if wanted is None:
        return ok(PAIR, f"{versions}; torch names no Triton")
    if not f"{triton}.".startswith(f"{wanted}."):
        mend = f"pip install 'triton=={wanted}{'' if pinned else '.*'}'"
        return failed(PAIR, f"{versions}; this torch goes with triton {wanted}", mend)
    return ok(PAIR, versions)


def compiler() -> Check:
    """The tools in Triton's wheel, and the C compiler that it builds its launchers with."""
    spec = util.find_spec("triton")
    if spec is None or spec.origin is None:
        return unknown(COMPILER, "triton is not installed")
    folder = Path(spec.origin).parent / "backends/nvidia/bin"
    absent = [tool for tool in ("ptxas", "cuobjdump", "nvdisasm") if not (folder / tool).is_file()]
    if absent:
        detail = f"{folder} lacks {', '.join(absent)}"
        return failed(COMPILER, detail, "pip install --force-reinstall triton")
    if not any(map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))):
        return failed(COMPILER, "no C compiler: launching needs one", "apt-get install gcc")
    if not (Path(sysconfig.get_path("include", "posix_prefix")) / "Python.h").is_file():
        return warning(COMPILER, "Python.h is missing", "apt-get install python3-dev")
    ended = processes.run([str(folder / "ptxas"), "--version"], timeout_s=60)
    release = re.search(r"release [\d.]+", ended.stdout)
    if not ended.ok or release is None:
        return failed(COMPILER, f"ptxas {ended.describe_end()}", "uname -m must be x86_64 or arm64")
    return ok(COMPILER, f"ptxas {release[0]}, cuobjdump and nvdisasm in {folder}")


def interpreter(run: ProbeRun | None) -> Check:
    """Whether kernels can be tested without a GPU; `run` is the probe on the CPU."""
    if run is None:
        return unknown(INTERPRETER, "torch or triton is not installed")
    if run.right:
        return ok(INTERPRETER, "it ran a kernel and the numbers are right")
    mend = "pip install with the versions in constraints.txt: torch and triton must pair"
    return failed(INTERPRETER, f"the probe kernel did not run: {quoted(run.last_words)}", mend)


def scratch() -> Check:
    folder = tempfile.gettempdir()
    try:
        with tempfile.NamedTemporaryFile(prefix="gate-") as file:
            file.write(b"gate")
    except OSError as error:
        return failed(SCRATCH, f"{folder} cannot be written: {error}", "export TMPDIR=/a/folder")
    free = shutil.disk_usage(folder).free
    detail = f"{folder} has {free / 2**30:.0f} GiB free"
    if free < FREE_BYTES:
        return warning(SCRATCH, detail, "free some, or export TMPDIR=/a/larger/folder")
    return ok(SCRATCH, detail)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _pinned_triton() -> str | None:
    """The version in torch's own `Requires-Dist: triton==3.6.0; ...`."""
    for line in metadata.requires("torch") or ():
        if found := re.match(r"triton\s*==\s*([\d.]+)", line):
            return found[1]
    return None
