"""Holds a measurement against the anchors: the best runtime that each workload ever had.

    anchors.py run.json > anchors.md

Steps that each stay within the tolerance add up, and only the anchor remembers where they began.
Prints a table in Markdown; ends with 3 where a runtime has crept beyond the cap, with 7 where there
is none to compare.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gate.anchors import Step, steps_from
from gate.check import baselines_for
from gate.config import load_config
from gate.documents import load_measurement
from gate.errors import ExitCode, GateError
from gate.report.figures import change, duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.config import Config
    from gate.model import Measurement

HEADER = "| workload | best | stored at | now | from the best |\n| --- | ---: | --- | ---: | ---: |"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    place: str
    step: Step

    def markdown(self) -> str:
        best = self.step.best
        shown, since = (duration(best.value), best.commit[:12]) if best else ("-", "-")
        now, crept = duration(self.step.own.value), change(self.step.crept)
        return f"| `{self.place}` | {shown} | `{since}` | {now} | {crept} |"


def rows(measurement: Measurement, config: Config) -> Iterator[Row]:
    """One row for each timed workload that has a baseline."""
    baselines = baselines_for(measurement.environment.gpu, config)
    for kernel in measurement.scope.kernels:
        stored = baselines.load(kernel)
        if stored is None or stored.baseline is None:
            continue
        steps = steps_from(stored, measurement.about(kernel), stored.baseline)
        yield from (Row(place=f"{kernel}/{w}", step=step) for w, step in sorted(steps.items()))


def answer(file: Path) -> tuple[str, ExitCode]:
    """The table with its sentence, and what it means."""
    config = load_config(Path.cwd())
    found = list(rows(load_measurement(file), config))
    if not any(row.step.best for row in found):
        return "No runtime could be held against the best that there was.", ExitCode.INVALID
    crept = sum(row.step.crept > config.creep_cap for row in found)
    said = (
        f"{crept} of {len(found)} runtimes are more than {config.creep_cap:.0%} above their best."
    )
    table = "\n".join((said, "", HEADER, *(row.markdown() for row in found)))
    return table, ExitCode.REGRESSED if crept else ExitCode.PASSED


if __name__ == "__main__":
    try:
        text, code = answer(Path(sys.argv[1]))
    except GateError as error:
        text, code = "The anchors could not be read: the run says why.", error.exit_code
        print(repr(str(error)), file=sys.stderr)  # noqa: T201 - for the log
    print(text)  # noqa: T201 - the answer
    sys.exit(int(code))
