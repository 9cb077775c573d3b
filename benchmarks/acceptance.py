"""What the gate says of planted changes, on a real GPU.

`python -m benchmarks.acceptance OUT [RUN...]`: all runs, or those whose names begin with RUN.

Clones this repository at HEAD, refreshes the baseline of the first kernel there, checks it again
in other processes, then plants one change after another in `kernel.py` and checks each. OUT gets
the measurements, the verdicts and `results.json`: exit code, headline and seconds of every run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.planted import slower

KERNEL = "depthwise_conv_h"
CHECK = ("check", KERNEL)
STEP_LINE = re.compile(r"\[\s*([0-9.]+) s\] (.*)")
# Planted changes are checked with one benchmarked workload and few tested ones.
KEPT_WORKLOADS = ("flagship", "odd_sizes", "bias")

TAP = "weights += (tl.load(w_channel + k)"
STORED = "totals[r].to("
# Half of the GPU's time goes to another program, which begins once the gate has found the GPU idle.
LOAD = """
import time, torch
a = torch.empty(2**28, dtype=torch.int8, device="cuda")
b = torch.empty_like(a)
while True:
    for _ in range(20):
        b.copy_(a)
    torch.cuda.synchronize()
    time.sleep(0.003)
"""


def useless_work(times: int) -> str:
    """A row's total and as many summands: zero in float32, which no compiler knows."""
    summands = (f" + tl.exp2(-tl.abs(totals[r]) - {200 + n}.0)" for n in range(times))
    return f"(totals[r]{''.join(summands)}).to("


@dataclass(frozen=True, kw_only=True)
class Plant:
    """One edit of kernel.py and what the gate must say of it."""

    name: str
    old: str
    new: str
    exit_code: int
    says: str


PLANTS = (
    Plant(
        name="taps in reverse",
        old=TAP,
        new=TAP.replace("+ k)", "+ K - 1 - k)"),
        exit_code=4,
        says="correctness",
    ),
    Plant(
        name="an import that the contract forbids",
        old="import torch\n",
        new="import os\nimport torch\n",
        exit_code=4,
        says="contract",
    ),
)
HIDDEN_WORK = Plant(
    name="useless arithmetic removed, runtime unchanged",
    old=STORED,
    new=useless_work(4),
    exit_code=3,
    says="trade_off",
)


@dataclass(frozen=True, kw_only=True)
class Run:
    name: str
    expected: int
    exit_code: int
    as_expected: bool
    headline: str
    seconds: float
    steps: dict[str, float]


class Session:
    def __init__(self, project: Path, out: Path, only: tuple[str, ...]) -> None:
        self.project, self.out, self.only = project, out, only
        self.runs: list[Run] = []
        self.kernel = project / "kernels" / KERNEL / "kernel.py"

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=acceptance", "-c", "user.email=acceptance@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=self.project, check=True)

    def gate(
        self,
        name: str,
        *arguments: str,
        expected: int,
        says: str = "",
        env: dict | None = None,
        stderr_file: Path | None = None,
    ) -> None:
        """Run the gate, keep what it said, and hold it against what was expected."""
        if self.only and not name.startswith(self.only):
            return
        started = time.monotonic()
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower())
        stderr_file = stderr_file or self.out / f"{slug}.stderr"
        with stderr_file.open("w") as errors:
            ended = subprocess.run(
                [sys.executable, "-m", "gate", *arguments],
                cwd=self.project,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "CI": "true", "COLUMNS": "110", **(env or {})},
            )
        seconds = time.monotonic() - started
        stderr = stderr_file.read_text()
        stderr_file.unlink()
        (self.out / f"{slug}.txt").write_text(ended.stdout + "\n--- stderr\n" + stderr)
        lines = ended.stdout.strip().splitlines()
        run = Run(
            name=name,
            expected=expected,
            exit_code=ended.returncode,
            as_expected=ended.returncode == expected and says in ended.stdout + stderr,
            headline=next(
                (x for x in lines if re.match("PASSED|FAILED", x)), lines[0] if lines else ""
            ),
            seconds=round(seconds, 1),
            steps=split_by_step(stderr, seconds),
        )
        self.runs.append(run)
        print(
            f"{'ok ' if run.as_expected else 'BAD'} exit {run.exit_code} {seconds:6.1f} s  {name}"
        )
        print(f"    {run.headline}", flush=True)
        (self.out / "results.json").write_text(json.dumps([asdict(r) for r in self.runs], indent=1))

    def gate_beside_a_load(self, name: str, *, expected: int, says: str) -> None:
        """As `gate`, with another program on the GPU from the timing step on."""
        watched = self.out / "load.stderr"
        code = (
            "import subprocess, sys, time\n"
            f"while 'timing' not in open({str(watched)!r}).read(): time.sleep(0.05)\n"
            f"subprocess.run([sys.executable, '-c', {LOAD!r}])\n"
        )
        watched.write_text("")
        load = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        try:
            self.gate(name, *CHECK, expected=expected, says=says, stderr_file=watched)
        finally:
            os.killpg(load.pid, 9)
            load.wait()

    def plant(self, plant: Plant) -> None:
        text = self.kernel.read_text()
        assert text.count(plant.old) == 1, plant.name
        self.kernel.write_text(text.replace(plant.old, plant.new))

    def restore(self) -> None:
        self.git("checkout", "--quiet", "--", f"kernels/{KERNEL}")

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def keep_few_workloads(self) -> None:
        file = self.kernel.with_name("workloads.toml")
        head, *entries = re.split(r"(?m)^(?=\[workload\.)", file.read_text())
        kept = [
            e for e in entries if e.startswith(tuple(f"[workload.{n}]" for n in KEPT_WORKLOADS))
        ]
        file.write_text(head + "".join(kept))


def split_by_step(stderr: str, total: float) -> dict[str, float]:
    """Seconds by step, from the lines that mark each step's beginning under CI."""
    marks = [(float(at), step) for at, step in STEP_LINE.findall(stderr)]
    ends = [at for at, _ in marks[1:]] + [total]
    return {step: round(end - at, 1) for (at, step), end in zip(marks, ends, strict=False)}


def main(out: Path, *only: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        project = Path(name) / "project"
        subprocess.run(["git", "clone", "--quiet", ".", str(project)], check=True)
        session = Session(project, out, only)
        run_all(session, out)
    failed = [r.name for r in session.runs if not r.as_expected]
    print(f"{len(session.runs)} runs, {len(failed)} not as expected: {failed}")


def run_all(session: Session, out: Path) -> None:
    session.gate("doctor", "doctor", expected=0)
    refresh = ["baseline", "refresh", KERNEL, "--reason", "first measurement on this GPU"]
    session.gate("refresh", *refresh, "--accept-regression", expected=0)
    for file in (session.project / "baselines").glob("nvidia-*/*.json"):
        shutil.copy(file, out / f"baseline-{file.stem}.json")
    session.commit("baseline")
    session.gate("check", *CHECK, "-o", str(out / "measurement.json"), expected=0)
    session.keep_few_workloads()
    session.commit("few workloads")
    few = ["--accept-regression", "--processes", "3"]
    session.gate("refresh of one workload", *refresh, *few, expected=0)
    session.commit("its baseline")
    for plant in PLANTS:
        session.plant(plant)
        session.gate(plant.name, *CHECK, expected=plant.exit_code, says=plant.says)
        session.restore()
    session.kernel.write_text(slower(session.kernel.read_text(), 50))
    session.gate("every 50th program twice", *CHECK, expected=3, says="in turn with the base")
    session.restore()
    session.gate("no ncu", *CHECK, expected=6, says="ncu", env={"NCU": "/nonexistent/ncu"})
    session.gate_beside_a_load("another program on the GPU", expected=6, says="environment_drift")
    hidden_work(session)


def hidden_work(session: Session) -> None:
    """A baseline of a kernel with hidden useless work, then the kernel without it."""
    session.plant(HIDDEN_WORK)
    session.commit("useless work, hidden by memory")
    accept = ["--reason", "with useless work", "--accept-regression", "--processes", "3"]
    session.gate("refresh with hidden work", "baseline", "refresh", KERNEL, *accept, expected=0)
    text = session.kernel.read_text().replace(HIDDEN_WORK.new, HIDDEN_WORK.old)
    session.kernel.write_text(text)
    session.gate(HIDDEN_WORK.name, *CHECK, expected=3, says=HIDDEN_WORK.says)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
