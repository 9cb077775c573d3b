"""Says on stderr what a long run is doing: a spinner on a terminal, lines in CI, else nothing."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress as Live
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from gate.report.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    Step = Callable[[str], AbstractContextManager[None]]

_MAX_STEP = 200


class Progress:
    """Shows each step for as long as it runs, in the way that suits `console` and `env`.

    Without arguments it speaks on stderr, so that stdout stays the report's. NO_COLOR is rich's.
    """

    def __init__(
        self,
        console: Console | None = None,
        env: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        console = console or Console(stderr=True)
        self._show = _way(console, os.environ if env is None else env, clock)

    def step(self, what: str) -> AbstractContextManager[None]:
        """Show `what` while the block runs. Steps may nest."""
        return self._show(one_line(what, _MAX_STEP))

    def note(self, what: str) -> None:
        """Say what a running step turned to, where each step is a line."""
        with self.step(what):
            pass


def _way(console: Console, env: Mapping[str, str], clock: Callable[[], float]) -> Step:
    if env.get("CI", "").lower() in ("true", "1"):
        return _lines(console, clock)
    # FORCE_COLOR makes rich take a pipe for a terminal, so that the file itself is asked too.
    if console.is_interactive and console.file.isatty():
        return _spinner(console)
    return lambda _what: nullcontext()


def _lines(console: Console, clock: Callable[[], float]) -> Step:
    """One line as each step begins, so that a log shows where a run hangs."""
    started = clock()

    @contextmanager
    def step(what: str) -> Iterator[None]:
        line = Text(f"[{clock() - started:6.1f} s] {what}")
        console.print(line, soft_wrap=True, highlight=False)
        yield

    return step


def _spinner(console: Console) -> Step:
    """A line for each running step, with its time; none of it stays."""
    live = Live(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # What others print to stdout is data and must not end up on stderr.
        redirect_stdout=False,
        redirect_stderr=False,
    )

    @contextmanager
    def step(what: str) -> Iterator[None]:
        task = live.add_task(what, total=None)
        live.start()
        try:
            yield
        finally:
            live.remove_task(task)
            if not live.task_ids:
                live.stop()

    return step
