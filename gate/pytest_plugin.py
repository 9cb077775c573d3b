"""Makes every kernel folder a pytest file, and each of its workloads an item of it.

A folder counts that holds a kernel.py and a reference.py of which one is what the gate expects: if
the other is broken, collecting it says so. This process never imports either file, nor torch: one
worker for each kernel tests all of its selected workloads at the first item's turn. Everything
heavy is imported where it is used, since this module is loaded by every pytest run of an
environment that has the gate installed.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import argparse
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from _pytest._code.code import ExceptionInfo, TerminalRepr, TracebackStyle

    from gate.kernels import KernelFolder, Workload
    from gate.model import Correctness
    from gate.trials import Device

DEFAULT_TIMEOUT_SECONDS = 120.0
# As in [tool.gate]: what takes longer has hung, and a process that waits for ever says nothing.
MAX_TIMEOUT_SECONDS = 3600.0
MAX_SHOWN = 4000
# What tells a kernel's folder from any other with files of these names.
MARKS = {"kernel.py": b"ModelNew", "reference.py": b"get_init_inputs"}

Results = dict[Path, "dict[str, Correctness]"]
_SEED = pytest.StashKey[int]()
_RESULTS = pytest.StashKey[Results]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gate", "GPU kernel regression gate")
    group.addoption("--gate-seed", type=int, metavar="N", help="repeat a run (default: fresh)")
    group.addoption(
        "--gate-device",
        choices=("auto", "cuda", "interpreter"),
        default="auto",
        help="where kernels run: the GPU, or Triton's CPU interpreter (default: what is there)",
    )
    group.addoption(
        "--gate-timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="for one workload of one kernel (default: %(default)g)",
    )
    group.addoption("--gate-results", type=Path, metavar="PATH", help="append JSON lines to PATH")


def pytest_configure(config: pytest.Config) -> None:
    seed = config.getoption("--gate-seed")
    # With pytest-xdist every worker has to use the seed that the controller prints.
    given = getattr(config, "workerinput", {}).get("gate_seed", seed)
    config.stash[_SEED] = secrets.randbelow(2**32) if given is None else given
    config.stash[_RESULTS] = {}
    if config.getoption("--gate-results") is not None:
        from gate import processes

        processes.allow_inspection(allowed=False)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """A hook of pytest-xdist: what a worker process starts with."""
    node.workerinput["gate_seed"] = node.config.stash[_SEED]  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Nobody else may collect a kernel: pytest would import a file that is named on its command."""
    collectors = yield
    if file_path.name != "kernel.py" or not _is_kernel_folder(file_path.parent):
        return collectors
    return [KernelFile.from_parent(parent, path=file_path)]


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A kernel folder is no package: pytest would import its __init__.py."""
    if (path / "kernel.py").is_file() and _is_kernel_folder(path):
        return pytest.Dir.from_parent(parent, path=path)
    return None


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    if not any(isinstance(item, KernelItem) for item in items):
        return []
    seed = config.stash[_SEED]
    return [f"gate: seed {seed} (repeat with --gate-seed {seed}), kernels run on {_device(config)}"]


class KernelFile(pytest.File):
    """`kernel.py` of one kernel folder; it is read by the worker only."""

    def collect(self) -> Iterator[KernelItem]:
        from gate.errors import GateError
        from gate.kernels import load_folder

        try:
            folder = load_folder(self.path.parent)
        except GateError as error:
            raise self.CollectError(f"{error} {error.hint}".strip()) from error
        for workload in folder.workloads:
            yield KernelItem.from_parent(self, name=workload.name, folder=folder, workload=workload)


class KernelItem(pytest.Item):
    """One kernel under one workload."""

    def __init__(self, *, folder: KernelFolder, workload: Workload, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.folder = folder
        self.workload = workload

    def runtest(self) -> None:
        result = self._result()
        file = self.config.getoption("--gate-results")
        if file is not None:
            from gate.correctness import append_result

            append_result(file, self.name, result)
        if result.status in ("unsupported", "not_run"):
            from gate.report.text import one_line

            pytest.skip(one_line(f"{result.status}: {result.message}", MAX_SHOWN))
        if result.status != "passed":
            raise KernelFailed(result)

    def repr_failure(
        self, excinfo: ExceptionInfo[BaseException], style: TracebackStyle | None = None
    ) -> str | TerminalRepr:
        if not isinstance(excinfo.value, KernelFailed):
            return super().repr_failure(excinfo, style)
        from gate.report.text import paragraph

        result = excinfo.value.result
        return (
            f"{self.folder.name}/{self.name} {result.status} on {result.backend}, "
            f"seed {result.seed}\n{paragraph(result.message, MAX_SHOWN)}\n"
            f"repeat with: pytest '{self.nodeid}' --gate-seed {self.config.stash[_SEED]}"
        )

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.folder.name}/{self.name}"

    def _result(self) -> Correctness:
        results = self.config.stash[_RESULTS]
        known = results.setdefault(self.path, {})
        if self.name not in known:
            from gate.correctness import check_kernel

            known |= check_kernel(
                self.folder,
                self._due(),
                device=_device(self.config),
                seed=self.config.stash[_SEED],
                timeout_s=self.config.getoption("--gate-timeout"),
            )
        return known[self.name]

    def _due(self) -> list[Workload]:
        """Every selected workload of this kernel; under pytest-xdist others may have the rest."""
        if hasattr(self.config, "workerinput"):
            return [self.workload]
        items = (item for item in self.session.items if isinstance(item, KernelItem))
        return [item.workload for item in items if item.path == self.path]


class KernelFailed(Exception):
    """Not a pass; shown without a traceback, which would lead into this file."""

    def __init__(self, result: Correctness) -> None:
        super().__init__(result.message)
        self.result = result


def _device(config: pytest.Config) -> Device:
    from gate.correctness import detect_device

    device: Device | str = config.getoption("--gate-device")
    return detect_device() if device == "auto" else device  # type: ignore[return-value]


def _is_kernel_folder(folder: Path) -> bool:
    files = {folder / name: mark for name, mark in MARKS.items()}
    return all(file.is_file() for file in files) and any(
        mark in file.read_bytes() for file, mark in files.items()
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text} is not above 0 and at most {MAX_TIMEOUT_SECONDS:g}"
        )
    return seconds
