"""Every way the gate can end: its exit codes and the errors that a user can mend."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """What the process returns. 1 stays Python's own code for a crash and is never a verdict."""

    PASSED = 0
    USAGE = 2
    REGRESSED = 3
    INCORRECT = 4
    INCONCLUSIVE = 5
    ENVIRONMENT = 6
    INVALID = 7


# What cannot be trusted comes before what is wrong, what is wrong before what is slow.
PRECEDENCE = (
    ExitCode.INVALID,
    ExitCode.INCORRECT,
    ExitCode.ENVIRONMENT,
    ExitCode.REGRESSED,
    ExitCode.INCONCLUSIVE,
    ExitCode.PASSED,
)


def most_severe(codes: Iterable[ExitCode]) -> ExitCode:
    """The one code that a run with all of these returns; INVALID for none: that proved nothing."""
    return min(codes, key=PRECEDENCE.index, default=ExitCode.INVALID)


class GateError(Exception):
    """Something the user can mend, in one sentence; `hint` is what to type or do next."""

    exit_code: ExitCode = ExitCode.INVALID

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InvalidDocument(GateError):
    """A measurement, baseline or verdict that is malformed or breaks its schema."""


class CannotWrite(GateError):
    """A report, a measurement or a baseline that the file system does not take."""


class InvalidConfiguration(GateError):
    """`[tool.gate]`, a workloads.toml or a GPU table that does not say what it must."""


class UnknownKernel(GateError):
    """A kernel was named that has no folder."""


class RefusedBaseline(GateError):
    """A baseline that must not be written as things stand."""

    exit_code = ExitCode.REGRESSED


class MachineUnfit(GateError):
    """This machine cannot measure now: no GPU, no counters, busy, throttled."""

    exit_code = ExitCode.ENVIRONMENT


PUSH_ANYWAY = "git push --no-verify"
INSTALL_EXTRA = (
    "install the gate with its extra `gpu`: pip install -e '.[gpu]' in its own checkout, elsewhere"
    " the command that installed it, with [gpu] behind the name"
)


class MissingExtra(GateError):
    """A package of the extra `gpu` is needed and not installed."""

    exit_code = ExitCode.ENVIRONMENT

    def __init__(self, message: str) -> None:
        super().__init__(message, hint=INSTALL_EXTRA)
