"""The rules for `kernel.py`: what it may hold, in which order, and how it launches its kernels.

The file is read as text and never imported. The rules keep honest authors in form and make mistakes
of launching visible; they are no sandbox for hostile code. Pure: no I/O happens here.

`syntax` and `names` know Python, `kernel_file` and `autotune` know Triton; the rules are in `form`,
`launching` and `blocks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from gate.contract import blocks, form, launching
from gate.contract.kernel_file import Kernel, KernelFile, Launch, read_kernel_file
from gate.contract.syntax import UnreadableSource
from gate.model import Violation

if TYPE_CHECKING:
    from gate.contract.autotune import Autotune

# For each place that breaks a rule: its line, and what is wrong there and what to do.
Finding = tuple[int, str]
Rule = Callable[[KernelFile], Iterator[Finding]]


def _each_launch(rule: Callable[[Launch], str]) -> Rule:
    def over_launches(file: KernelFile) -> Iterator[Finding]:
        return ((launch.call.lineno, rule(launch)) for launch in file.launches)

    return over_launches


def _each_autotune(rule: Callable[[Kernel, Autotune], str]) -> Rule:
    def over_autotunes(file: KernelFile) -> Iterator[Finding]:
        for kernel in file.kernels.values():
            for autotune in kernel.autotunes:
                yield autotune.line, rule(kernel, autotune)

    return over_autotunes


# What a report can show; the measurement's schema bounds both.
MAX_VIOLATIONS = 200
MAX_MESSAGE_LENGTH = 1000

# A file that cannot be read has this one violation: every rule needs the tree.
SYNTAX_ERROR = "syntax_error"

RULES: Mapping[str, Rule] = {
    "missing_import": form.missing_import,
    "foreign_import": form.foreign_import,
    "nested_import": form.nested_import,
    "import_order": form.import_order,
    "wrong_order": form.wrong_order,
    "module_statement": form.module_statement,
    "foreign_class": form.foreign_class,
    "redefined_name": form.redefined_name,
    "testing_code": form.testing_code,
    "main_block": form.main_block,
    "input_function": form.input_function,
    "missing_model": form.missing_model,
    "model_base": form.model_base,
    "missing_forward": form.missing_forward,
    "missing_kernel": form.missing_kernel,
    "hidden_kernel": form.hidden_kernel,
    "unused_kernel": launching.unused_kernel,
    "forward_without_launch": launching.forward_without_launch,
    "grid_rank_unknown": _each_launch(launching.grid_rank_unknown),
    "grid_rank_varies": _each_launch(launching.grid_rank_varies),
    "grid_rank_unsupported": _each_launch(launching.grid_rank_unsupported),
    "program_id_axis_unknown": launching.program_id_axis_unknown,
    "program_id_beyond_grid": _each_launch(launching.program_id_beyond_grid),
    "grid_dimension_unread": _each_launch(launching.grid_dimension_unread),
    "autotune_unreadable": _each_autotune(blocks.autotune_unreadable),
    "autotune_blocks_and_warps": _each_autotune(blocks.autotune_blocks_and_warps),
    "autotune_grid_without_meta": _each_launch(blocks.autotune_grid_without_meta),
    "autotuned_block_passed": _each_launch(blocks.autotuned_block_passed),
    "block_redefined": blocks.block_redefined,
}


def check_contract(source: str) -> tuple[Violation, ...]:
    """Every rule that the kernel file breaks, by line; the first MAX_VIOLATIONS of them."""
    try:
        file = read_kernel_file(source)
    except UnreadableSource as error:
        message = f"the file cannot be read as Python ({error}): mend the syntax"
        return (Violation(code=SYNTAX_ERROR, line=error.line, message=message),)
    violations = {
        Violation(code=code, line=line, message=message[:MAX_MESSAGE_LENGTH])
        for code, rule in RULES.items()
        for line, message in rule(file)
        if message
    }
    ordered = sorted(violations, key=lambda found: (found.line, found.code, found.message))
    return tuple(ordered[:MAX_VIOLATIONS])
