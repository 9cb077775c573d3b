"""What the gate ended with, as the action's outputs: a line `name=value` each.

outcome.py EXIT_CODE VERDICT_JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

CRASHED = "crashed"


def outputs(code: int, file: Path) -> Iterator[tuple[str, str | int]]:
    """The verdict's word, and how many findings it rests on; an error comes without findings."""
    yield "exit-code", code
    if not file.exists():
        if code:  # a measurement that went well has no verdict
            yield "verdict", ExitCode(code).name.lower() if code in set(ExitCode) else CRASHED
        return
    verdict = json.loads(file.read_text())
    findings = verdict["findings"]
    yield "verdict", verdict["verdict"]
    yield "findings", len(findings)
    yield "failed", sum(finding["exit_code"] != 0 for finding in findings)
    yield "accepted", sum(finding["status"] == "accepted" for finding in findings)
    yield "not-checked", len(verdict["not_checked"])


if __name__ == "__main__":
    for name, value in outputs(int(sys.argv[1]), Path(sys.argv[2])):
        print(f"{name}={value}")  # noqa: T201 - the answer
