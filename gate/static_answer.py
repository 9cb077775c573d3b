"""What the static step's worker tells its parent: one JSON line a workload, believed in nothing.

Pure: both sides import it, and it imports neither torch nor triton.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import cattrs

from gate.occupancy import ExceededLimit

# What the measurement's schema allows of a function's name and of a report's messages.
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
MAX_TEXT = 2000
CUBIN = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedLaunch:
    """A launch left out, so many `times` in one forward call.

    `cubin` is the digest of its binary, `entry` the symbol in there.
    """

    function: str
    entry: str
    grid: tuple[int, int, int]
    threads: int
    shared_bytes: int
    cubin: str
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there are no launches; with `exceeded`, which limit of the hardware is in the way."""

    reason: str
    message: str
    function: str = ""
    exceeded: ExceededLimit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A workload's last line counts: the first says the signature before anything can crash."""

    workload: str
    signature: tuple[str, ...] = ()
    finished: bool = False
    launches: tuple[RecordedLaunch, ...] = ()
    failure: Failure | None = None


_CONVERTER = cattrs.Converter(detailed_validation=False)


def to_line(answer: Answer) -> str:
    return json.dumps(_CONVERTER.unstructure(answer)) + "\n"


def read_answers(text: str) -> dict[str, Answer]:
    """The last credible answer of each workload; lines cut short or made up are dropped."""
    answers = (_read_line(line) for line in text.splitlines())
    return {answer.workload: answer for answer in answers if answer and _credible(answer)}


def clean(text: str) -> str:
    """Text that a report can hold: its end, without halves of surrogate pairs."""
    return text.strip()[-MAX_TEXT:].encode(errors="replace").decode()


def _read_line(line: str) -> Answer | None:
    try:
        return _CONVERTER.structure(json.loads(line), Answer)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _credible(answer: Answer) -> bool:
    if answer.finished and not (answer.launches or answer.failure):
        return False
    functions = [launch.function for launch in answer.launches]
    if answer.failure and answer.failure.exceeded:
        functions.append(answer.failure.function)
    return all(map(IDENTIFIER.fullmatch, functions)) and all(
        min(*launch.grid, launch.threads, launch.times) > 0
        and launch.shared_bytes >= 0
        and CUBIN.fullmatch(launch.cubin)
        for launch in answer.launches
    )
