"""Triton's CPU interpreter: what it cannot run, told apart from what the kernel does wrong."""

from __future__ import annotations

import inspect
import linecache
import math
import re
import traceback
from typing import TYPE_CHECKING, Any, Never

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

# A program takes the interpreter about a millisecond, and each workload is run three times.
MAX_PROGRAMS = 16_384
MAX_SENTENCE = 1000
ADD_SIZES = "add `interpreter` sizes to workloads.toml"

# (exception, pattern): what Triton 3.6 to 3.9 say of their own limits. A Python float stays one
# there and has none of a tensor's methods.
KNOWN_LIMITS: tuple[tuple[type[BaseException], str], ...] = (
    (NotImplementedError, ""),
    (RuntimeError, r"\d+ active drivers"),
    (ValueError, r"Multiple assignments are not supported"),
    (Exception, r"mask has unsupported dtype"),
    (ValueError, r"[Uu]nsupported (integer value|padding|semantic|rmwOp|data type)"),
    (AttributeError, r"'float' object has no attribute"),
)


class TooLarge(Exception):
    """A launch has more programs than the interpreter can run in a reasonable time."""


def prepare() -> None:
    """Bound the grid, say what has no meaning here, tune nothing, compute bfloat16 rightly.

    Triton is imported here, since `TRITON_INTERPRET` must be set before.
    """
    from triton.language.extra import libdevice  # noqa: PLC0415
    from triton.runtime import autotuner, interpreter  # noqa: PLC0415

    from gate import interpreter_bfloat16  # noqa: PLC0415

    _bound_grids(interpreter.InterpreterBuilder)
    interpreter_bfloat16.teach(interpreter)
    _tune_nothing(autotuner.Autotuner)
    for name, function in inspect.getmembers(libdevice, inspect.isfunction):
        setattr(libdevice, name, _absent(f"libdevice.{function.__name__}"))


def _bound_grids(builder: Any) -> None:
    set_grid_dim = builder.set_grid_dim

    def bounded(self: Any, *grid: int) -> None:
        if math.prod(grid) > MAX_PROGRAMS:
            shape = " x ".join(f"{extent:,}" for extent in grid)
            raise TooLarge(f"too large for the interpreter: a grid of {shape}; {ADD_SIZES}")
        set_grid_dim(self, *grid)

    builder.set_grid_dim = bounded


def _tune_nothing(autotuner: Any) -> None:
    """Take the first configuration: to choose one is to time them all, which needs a GPU."""
    construct = autotuner.__init__

    def first_only(self: Any, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        self.configs = self.configs[:1]

    autotuner.__init__ = first_only


def _absent(name: str) -> Callable[..., Never]:
    """In place of a stub that returns None, which fails somewhere else."""

    def refuse(*_: Any, **__: Any) -> Never:
        raise NotImplementedError(f"{name} not supported in interpreter mode")

    return refuse


def limit_behind(error: BaseException) -> str | None:
    """Why the interpreter could not run this kernel; None if the kernel itself is at fault."""
    cause = root_cause(error)
    if isinstance(cause, TooLarge):
        return str(cause)
    frames = list(_frames(cause.__traceback__))
    if _wants_cuda(cause, frames):
        return f"needs CUDA: {sentence(cause)} ({frames[-1][1].strip()})"
    # An error wrapped by Triton carries its inner frames only; the outer one passed through it.
    files = [file for file, _ in (*frames, *_frames(error.__traceback__))]
    if any("/triton/" in file for file in files) and _is_known(cause):
        return f"Triton's interpreter cannot run it: {sentence(cause)}"
    return None


def root_cause(error: BaseException) -> BaseException:
    return causes(error)[-1]


def causes(error: BaseException) -> list[BaseException]:
    """The error and what it came from: Triton wraps what a kernel raises, for each nested call."""
    found = {id(error): error}
    while error.__cause__ is not None and id(error.__cause__) not in found:
        error = error.__cause__
        found[id(error)] = error
    return list(found.values())


def sentence(error: BaseException) -> str:
    """Type and text; `traceback` survives a `__str__` that raises."""
    lines = traceback.format_exception_only(error)
    # A SyntaxError's own sentence follows the place, which is indented.
    said = next((line for line in lines if not line.startswith(" ")), lines[-1])
    return said.strip()[:MAX_SENTENCE]


def _wants_cuda(error: BaseException, frames: list[tuple[str, str]]) -> bool:
    """A wrapper may insist on a GPU, as in `assert x.is_cuda`; there is none here."""
    honest = isinstance(error, AssertionError | RuntimeError | ValueError | TypeError)
    return honest and bool(frames) and "cuda" in (sentence(error) + frames[-1][1]).lower()


def _is_known(error: BaseException) -> bool:
    return any(
        isinstance(error, kind) and re.search(say, sentence(error)) for kind, say in KNOWN_LIMITS
    )


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    """File and source line of each frame, the innermost last."""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        yield file, linecache.getline(file, trace.tb_lineno)
        trace = trace.tb_next
