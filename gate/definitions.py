"""Where a kernel is defined: its file as GitHub names it, and a line in it. Nothing is executed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gate.contract.kernel_file import MODEL
from gate.contract.syntax import UnreadableSource, parse
from gate.errors import InvalidConfiguration
from gate.kernels import NAME_PATTERN, KernelFolder

if TYPE_CHECKING:
    from pathlib import Path

# Where nothing better is known.
FIRST_LINE = 1


class Definitions:
    """The kernel files below `kernels`, each read once. Paths are told from `workspace`."""

    def __init__(self, kernels: Path, workspace: Path) -> None:
        self._kernels = kernels
        self._workspace = workspace.resolve()
        self._lines: dict[str, dict[str, int]] = {}

    def locate(self, kernel: str, function: str | None) -> tuple[str, int]:
        """The line of `function`, else of the model, else the first. `kernel` may be hostile."""
        if not NAME_PATTERN.fullmatch(kernel):
            return self._named(self._kernels), FIRST_LINE
        folder = KernelFolder(name=kernel, path=self._kernels / kernel, workloads=())
        if kernel not in self._lines:
            self._lines[kernel] = _definitions(folder)
        lines = self._lines[kernel]
        line = lines.get(function or "") or lines.get(MODEL, FIRST_LINE)
        return self._named(folder.kernel_file), line

    def _named(self, path: Path) -> str:
        path = path.resolve()
        inside = path.is_relative_to(self._workspace)
        return str(path.relative_to(self._workspace) if inside else path)


def _definitions(folder: KernelFolder) -> dict[str, int]:
    """The line of each class and function of the module; none where it cannot be read."""
    # The candidate has run by now: a pipe in the file's place would be waited for without end.
    if not folder.kernel_file.is_file():
        return {}
    try:
        tree = parse(folder.source())
    except (OSError, InvalidConfiguration, UnreadableSource):
        return {}
    defined = (ast.ClassDef, ast.FunctionDef)
    return {node.name: node.lineno for node in tree.body if isinstance(node, defined)}
