"""The static step, child's side: what would the forward call launch? Executes untrusted code.

The inputs are CPU tensors of the right shape, strides and dtype that hold zeros and take no memory
until they are written: a launch depends on its arguments' shapes and alignment, hardly on values.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import re
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from triton.compiler import compiler as triton_compiler
from triton.runtime.errors import OutOfResources, PTXASError

from gate.gpus.architectures import architecture_for
from gate.kernels import Workload
from gate.occupancy import REGISTERED_THREADS, SHARED_BYTES, THREADS, ExceededLimit
from gate.problem import construct_candidate, describe, draw_inputs, load_reference
from gate.processes import die_with_parent
from gate.static_answer import Answer, Failure, clean, to_line
from gate.static_driver import AbsentGpu

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.gpus.architectures import Architecture
    from gate.static_answer import RecordedLaunch

T = TypeVar("T")

# Any does: values are not drawn from it, and constructors may want one.
SEED = 0
# Linux's MAP_NORESERVE, which Python does not name: a GPU may have more memory than this machine.
LAZY_PAGES = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000
# As ptxas says it: Entry function 'f' uses too much shared data (0x30d40 bytes, 0xc000 max)
_TOO_MUCH = re.compile(r"uses too much (.+?) \((0x[0-9a-f]+) bytes, (0x[0-9a-f]+) max\)")


class Broken(Exception):
    """One step of a workload did not work; `error` is what the untrusted code raised."""

    def __init__(self, reason: str, error: BaseException) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


def main(request_file: str) -> None:
    die_with_parent()
    request = json.loads(Path(request_file).read_text())
    faulthandler.enable()
    architecture = architecture_for(request["target"])
    assert architecture is not None  # the parent asks for no other
    gpu = AbsentGpu(architecture, Path(request["scratch"]), Path(request["cuobjdump"]))
    gpu.install()
    for plain in request["workloads"]:
        # Its thread ends this process even where the candidate hangs outside of Python.
        faulthandler.dump_traceback_later(request["timeout_s"], exit=True)
        _answer(request, Workload.from_json(plain), gpu)
    sys.stderr.flush()
    os._exit(0)  # threads that the candidate left behind must not keep this process alive


def _answer(request: dict[str, Any], workload: Workload, gpu: AbsentGpu) -> None:
    """Write the signature before anything is run that may crash, and the launches after."""
    folder, out = Path(request["folder"]), Path(request["answer"])
    signature: tuple[str, ...] = ()
    failure: Failure | None = None
    try:
        inputs, init, signature = _draw(folder, workload)
        _write(out, Answer(workload=workload.name, signature=signature))
        _run(folder, workload, inputs, init, gpu)
        if not gpu.launches:
            failure = Failure(
                reason="no_launch", message="the forward call launches no Triton kernel"
            )
    except Broken as broken:
        failure = _failure(broken, gpu, folder)
    _write(
        out,
        Answer(
            workload=workload.name,
            signature=signature,
            finished=True,
            launches=() if failure else _counted(gpu.launches),
            failure=failure,
        ),
    )


def _counted(launches: Mapping[RecordedLaunch, int]) -> tuple[RecordedLaunch, ...]:
    return tuple(replace(launch, times=times) for launch, times in launches.items())


def _run(
    folder: Path, workload: Workload, inputs: list[Any], init: list[Any], gpu: AbsentGpu
) -> None:
    candidate = _guarded(
        "kernel_not_built",
        lambda: construct_candidate(folder, init, workload, device="cpu", seed=SEED),
    )
    gpu.launches.clear()  # the forward call alone is measured
    with torch.no_grad():
        _guarded("launch_not_recorded", lambda: candidate(*inputs))


def _draw(folder: Path, workload: Workload) -> tuple[list[Any], list[Any], tuple[str, ...]]:
    """Inputs, constructor arguments and signature.

    Drawn without values where the reference can do without, which is quick at any size.
    """

    def draw(device: str) -> tuple[list[Any], list[Any], tuple[str, ...]]:
        module = load_reference(folder / "reference.py", workload.constants)
        inputs, init = draw_inputs(module, workload, device=device, seed=SEED)
        signature = describe([*inputs, *init])
        return [_lazy(x) for x in inputs], [_lazy(x) for x in init], signature

    try:
        return _guarded("reference_failed", lambda: draw("meta"))
    except Broken:
        return _guarded("reference_failed", lambda: draw("cpu"))


def _lazy(value: Any) -> Any:
    """Zeros in place of a tensor without values; anything else as it is."""
    if not isinstance(value, torch.Tensor):
        # A container would give the candidate tensors that it cannot compute with.
        assert "device='meta'" not in repr(value)
        return value
    if not value.is_meta:
        return value
    last = sum((n - 1) * stride for n, stride in zip(value.shape, value.stride(), strict=True))
    if value.numel() == 0:
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)
    size = int(value.storage_offset() + last + 1) * value.dtype.itemsize
    pages = mmap.mmap(-1, size, flags=LAZY_PAGES)
    flat = torch.frombuffer(pages, dtype=torch.uint8).view(value.dtype)
    return flat.as_strided(value.shape, value.stride(), value.storage_offset())


def _guarded(reason: str, call: Callable[[], T]) -> T:
    """Whatever the untrusted code raises becomes Broken: SystemExit and the like are its too."""
    try:
        return call()
    except BaseException as error:
        raise Broken(reason, error) from error


def _failure(broken: Broken, gpu: AbsentGpu, folder: Path) -> Failure:
    exceeded = _exceeded(broken.error, gpu.architecture)
    message = _last_line(broken.error, folder)
    if exceeded:
        return Failure(
            reason="hardware_limit",
            message=clean(f"{gpu.function}: {exceeded.describe(gpu.architecture.target)}"),
            function=gpu.function,
            exceeded=exceeded,
        )
    if _while_compiling(broken.error):
        reason = "compiler_missing" if _is_missing(broken.error) else "compile_failed"
        return Failure(reason=reason, message=clean(f"{gpu.function}: {message}"))
    return Failure(reason=broken.reason, message=clean(message))


def _exceeded(error: BaseException, architecture: Architecture) -> ExceededLimit | None:
    """The limit of the hardware that Triton or ptxas refused a kernel for."""
    if isinstance(error, OutOfResources):
        return ExceededLimit(
            resource=_resource(error, architecture), required=error.required, limit=error.limit
        )
    if isinstance(error, PTXASError) and (found := _TOO_MUCH.search(str(error))):
        resource, required, limit = found.groups()
        return ExceededLimit(
            resource=f"bytes of static {resource}",
            required=int(required, 16),
            limit=int(limit, 16),
        )
    return None


def _resource(error: Any, architecture: Architecture) -> str:
    match error.name:
        case "shared memory":
            return SHARED_BYTES
        case "threads" if error.limit < architecture.max_threads_per_block:
            return REGISTERED_THREADS
        case "threads":
            return THREADS
    return str(error.name)


def _while_compiling(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return any(f.name == "compile" and f.filename == triton_compiler.__file__ for f in frames)


def _is_missing(error: BaseException) -> bool:
    """Whether it is one of the compiler's programs that failed, and not the kernel's text."""
    return isinstance(error, OSError) or str(error).startswith("Cannot find ")


def _last_line(error: BaseException, folder: Path) -> str:
    """The exception as Python ends a traceback with it, after the line of the kernel's folder."""
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    if isinstance(error, PTXASError):  # ends with the command line
        lines = [line for line in lines if line.startswith("ptxas")][:1] or lines
    said = lines[0] if len(lines) == 1 else f"{type(error).__name__}: {lines[-1].strip()}"
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if Path(f.filename).parent == folder]
    return f"{Path(inside[-1].filename).name}:{inside[-1].lineno}: {said}" if inside else said


def _write(out: Path, answer: Answer) -> None:
    with out.open("a") as stream:
        stream.write(to_line(answer))


if __name__ == "__main__":
    main(sys.argv[1])
