"""The correctness step, parent's side: pytest over one kernel folder, and the worker beneath it.

`gate check` runs the same pytest items as a plain `pytest`, in a process of its own that takes no
configuration from the tree under test. Their engine is `check_kernel`: one worker, two forks for
each workload. Only the forks execute the tree's files, and only the worker imports torch. What is
missing from an answer, or in it twice, has crashed.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import cattrs

from gate import processes
from gate.model import Correctness
from gate.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gate.kernels import KernelFolder, Workload
    from gate.processes import Completed
    from gate.trials import Device

# Python, torch and triton on a cold disk; then each workload may use its time twice, for the
# candidate and for the reference, and its processes need a moment to be reaped.
START_SECONDS = 120.0
REAP_SECONDS = 30.0
# A worker imports torch, which costs what this many trials cost.
TRIALS_PER_WORKER = 4
# A workload of a gigabyte takes about five with its float64 reference; a card has 24 or more.
MAX_GPU_WORKERS = 4
SHOWN_LINES = 16
SHOWN_COLUMNS = 160
# How pytest ends by itself, with every test passed or with some failed.
PYTEST_ENDS = (0, 1)
UNASKED = "a result came back that was not asked for"
# What Python's faulthandler begins with; the innermost frames follow first.
FATAL = "Fatal Python error"
# What of it says nothing about the kernel: frames of the gate, and what else was loaded.
OWN = re.compile(
    rf'File "({re.escape(str(Path(__file__).parent))}/|.*/multiprocessing/|<frozen )'
    r"|^Extension modules: "
)

_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


def run_tests(
    folder: KernelFolder,
    workloads: Sequence[Workload],
    *,
    device: Device,
    seed: int,
    timeout_s: float,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Correctness]:
    """Run the folder's pytest items, as `gate check` does; one result for each workload.

    `timeout_s` bounds the kernel's part of one workload. Never raises for what the candidate does.
    Files named test_*.py in the folder are left to a plain `pytest`.

    The results' file has no name and is open in this process and in pytest alone, neither of which
    runs the candidate. What is left is `/proc/<pid>/fd` of the two, for a candidate that may trace
    processes of its user despite `allow_inspection`: root outside of a sandbox.
    """
    for file in sorted(folder.path.glob("test_*.py")):
        progress(f"{folder.name}: {file.name} is run by a plain `pytest` only")
    processes.allow_inspection(allowed=False)
    trials = {w.name: _trial(folder, w, device, seed) for w in workloads}
    with tempfile.TemporaryDirectory(prefix="gate-") as name, _nameless() as results:
        scratch = Path(name)
        # An empty file of our own: the tree's pytest.ini, tox.ini and pyproject.toml are not read.
        (scratch / "pytest.ini").write_text("[pytest]\n")
        ended = processes.run(
            pytest_command(
                folder,
                workloads,
                scratch=scratch,
                results=results.fileno(),
                device=device,
                seed=seed,
                timeout_s=timeout_s,
            ),
            timeout_s=_budget(len(workloads), timeout_s) + START_SECONDS,
            env=pytest_environment(os.environ),
            cwd=scratch,
            pass_fds=(results.fileno(),),
        )
        found = read_results(results)
    whole = not ended.timed_out and ended.returncode in PYTEST_ENDS
    return _believed(found if whole else {}, trials, ended)


def pytest_command(
    folder: KernelFolder,
    workloads: Sequence[Workload],
    *,
    scratch: Path,
    results: int,
    device: Device,
    seed: int,
    timeout_s: float,
) -> list[str]:
    """Isolated Python, no conftest.py, no plugin but this one, exactly these items.

    `results` is a file descriptor.
    """
    options = {
        "-c": str(scratch / "pytest.ini"),
        "--rootdir": str(folder.path.resolve()),
        "--gate-results": f"/dev/fd/{results}",
        "--gate-device": device,
        "--gate-seed": str(seed),
        "--gate-timeout": str(timeout_s),
    }
    return [
        *(sys.executable, "-I", "-B", "-m", "pytest"),
        # Without pytest's own collector of Python files no __init__.py on the way is imported.
        *("-q", "--noconftest", "-p", "no:python", "-p", "no:cacheprovider"),
        *("-p", "gate.pytest_plugin"),
        *(text for option in options.items() for text in option),
        *(f"{folder.kernel_file.resolve()}::{workload.name}" for workload in workloads),
    ]


def pytest_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Without what would add options or plugins; no plugin loads itself."""
    kept = {key: value for key, value in env.items() if not key.startswith("PYTEST_")}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def check_kernel(
    folder: KernelFolder,
    workloads: Sequence[Workload],
    *,
    device: Device,
    seed: int,
    timeout_s: float,
) -> dict[str, Correctness]:
    """Test one kernel under several workloads in one worker."""
    trials = [_trial(folder, workload, device, seed) for workload in workloads]
    results = check(trials, device=device, timeout_s=timeout_s)
    return {trial.workload.name: result for trial, result in zip(trials, results, strict=True)}


def check(trials: Sequence[Trial], *, device: Device, timeout_s: float) -> list[Correctness]:
    """One result for each trial, in their order, from a few workers side by side."""
    if not trials:
        return []
    workers = min(_workers(device), -(-len(trials) // TRIALS_PER_WORKER))
    shares = [trials[i::workers] for i in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        tested = pool.map(lambda share: _check_share(share, device, timeout_s), shares)
    results: dict[int, Correctness] = {}
    for share, answers in zip(shares, tested, strict=True):
        results |= zip(map(id, share), answers, strict=True)
    return [results[id(trial)] for trial in trials]


def _check_share(trials: Sequence[Trial], device: Device, timeout_s: float) -> list[Correctness]:
    """What one worker makes of its trials.

    The worker runs nothing untrusted itself. Should it die all the same, none of its answers
    counts, and every trial gets a worker of its own.
    """
    with tempfile.TemporaryDirectory(prefix="gate-") as name:
        ended, found = _run_worker(trials, Path(name), device, timeout_s)
    if ended.ok or len(trials) == 1:
        asked = {str(index): trial for index, trial in enumerate(trials)}
        return list(_believed(found if ended.ok else {}, asked, ended).values())
    return [_check_share([trial], device, timeout_s)[0] for trial in trials]


def _workers(device: Device) -> int:
    """How many may run side by side: by cores, and on a GPU by its memory too."""
    cores = os.cpu_count() or 1
    return min(cores, MAX_GPU_WORKERS) if device == "cuda" else cores


def detect_device() -> Device:
    """Whether this machine has an NVIDIA GPU that is not hidden; asked without importing torch."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return "interpreter" if hidden or not any(Path("/dev").glob("nvidia[0-9]*")) else "cuda"


def append_result(file: Path, key: str, result: Correctness) -> None:
    """One line in one write, so that several processes can share the file."""
    line = json.dumps({"key": key, "result": _CONVERTER.unstructure(result)}, allow_nan=False)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def _nameless() -> IO[str]:
    """A file that only those have to whom its descriptor is given."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")


def read_results(stream: IO[str]) -> dict[str, Correctness]:
    """What `append_result` wrote; a key that is there twice has crashed, whatever it says."""
    results: dict[str, Correctness] = {}
    stream.seek(0)
    for line in stream:
        entry = _entry(line)
        if entry is None:
            continue
        key, result = entry
        if key in results:
            result = replace(result, status="crashed", message="gave more than one result")
        results[key] = result
    return results


def _entry(line: str) -> tuple[str, Correctness] | None:
    """None for half a line, and for what is not ours."""
    try:
        match json.loads(line):
            case {"key": str(key), "result": dict(result)}:
                return key, _CONVERTER.structure(result, Correctness)
    except (ValueError, RecursionError, cattrs.BaseValidationError):
        pass
    return None


def last_words(output: str) -> str:
    """The end of what a program printed, or a fatal error's begin, bounded both ways."""
    fatal = output.rfind(FATAL)
    lines = output.strip().splitlines()[-SHOWN_LINES:]
    if fatal >= 0:
        stack = (line for line in output[fatal:].splitlines() if not OWN.search(line))
        lines = list(islice(stack, SHOWN_LINES))
    return "\n".join(line[:SHOWN_COLUMNS] for line in lines)


def _run_worker(
    trials: Sequence[Trial], scratch: Path, device: Device, timeout_s: float
) -> tuple[Completed, dict[str, Correctness]]:
    request = scratch / "request.json"
    plain = {"timeout_s": timeout_s, "trials": [trial.to_json() for trial in trials]}
    request.write_text(json.dumps(plain))
    worker = (sys.executable, "-I", "-B", "-m", "gate.correctness_worker")
    with _nameless() as answers:
        ended = processes.run(
            [*worker, str(request), str(answers.fileno())],
            timeout_s=_budget(len(trials), timeout_s),
            env=_worker_environment(os.environ, scratch, device),
            cwd=scratch,
            pass_fds=(answers.fileno(),),
        )
        return ended, read_results(answers)


def _worker_environment(env: Mapping[str, str], scratch: Path, device: Device) -> dict[str, str]:
    """Caches of its own; in the interpreter no GPU, and one thread for what is small."""
    kept = {key: value for key, value in env.items() if key != "TRITON_INTERPRET"}
    own = {"TRITON_CACHE_DIR": str(scratch / "triton"), "TMPDIR": str(scratch)}
    if device == "interpreter":
        own |= {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return {**kept, **own}


def _trial(folder: KernelFolder, workload: Workload, device: Device, seed: int) -> Trial:
    return Trial(
        folder=folder.path.resolve(),
        reference=folder.reference_file.read_bytes(),
        workload=workload,
        device=device,
        seed=seed if workload.seed is None else workload.seed,
    )


def _believed(
    found: Mapping[str, Correctness], asked: Mapping[str, Trial], ended: Completed
) -> dict[str, Correctness]:
    """One result for each key that was asked for; none is believed beside one that was not."""
    if not found.keys() <= asked.keys():
        found = {key: _crashed(trial, UNASKED) for key, trial in asked.items()}
    return {key: found.get(key) or _lost(trial, ended) for key, trial in asked.items()}


def _lost(trial: Trial, ended: Completed) -> Correctness:
    words = last_words(f"{ended.stdout.strip()}\n{ended.stderr.strip()}")
    return _crashed(
        trial, f"no result came back: the test process {ended.describe_end()}\n{words}".strip()
    )


def _crashed(trial: Trial, message: str) -> Correctness:
    return Correctness(status="crashed", backend=trial.device, seed=trial.seed, message=message)


def _budget(workloads: int, timeout_s: float) -> float:
    return START_SECONDS + workloads * (2 * timeout_s + REAP_SECONDS)
