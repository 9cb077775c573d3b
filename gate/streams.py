"""stdout and stderr that outlive their reader: `gate check | head -1` keeps its exit code."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator


class Steady:
    """A stream that goes on to nowhere once nobody reads it, in place of BrokenPipeError."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        with self._unread():
            self._stream.write(data)
        return len(data)

    def flush(self) -> None:
        with self._unread():
            self._stream.flush()

    @property
    def buffer(self) -> Steady:
        return Steady(self._stream.buffer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _unread(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            # What is still in the buffer has to go somewhere too, at the latest when Python ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def steady_streams() -> Iterator[None]:
    """Whatever is printed within outlives its reader."""
    with redirect_stdout(_steady(sys.stdout)), redirect_stderr(_steady(sys.stderr)):
        yield


def _steady(stream: IO[str] | None) -> IO[str] | None:
    """None is Python's word for a stream that was closed before it started."""
    return cast("IO[str]", Steady(stream)) if stream else None
