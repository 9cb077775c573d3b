"""What reading tells of a reference.py, a KernelBench problem. Pure: it runs none of it."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING, Any

from gate.errors import InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

REQUIRED = ("Model", "get_inputs", "get_init_inputs")


def parse(source: bytes, file: Path) -> ast.Module:
    """Raises InvalidConfiguration, naming the line of `file`, for what is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an invalid escape: Python says it when it runs
            return ast.parse(source, filename=str(file))
    except SyntaxError as error:
        raise InvalidConfiguration(f"{file}:{error.lineno} is not Python: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidConfiguration(f"{file} is not Python: {error}") from error


def check(tree: ast.Module, file: Path, constants: Iterable[str]) -> None:
    """Raises InvalidConfiguration unless a problem's names and all `constants` are there."""
    bound = set(_bound(tree))
    missing = [name for name in REQUIRED if name not in bound]
    if missing and "*" not in bound:
        raise InvalidConfiguration(
            f"{file} has no {' and no '.join(missing)}",
            hint=f"a reference is a KernelBench problem: {', '.join(REQUIRED)}",
        )
    unknown = set(constants).difference(*map(assigned, tree.body))
    if unknown:
        raise InvalidConfiguration(
            f"{file} has no module-level constant {', '.join(sorted(unknown))}"
        )


def replace_constants(tree: ast.Module, constants: Mapping[str, Any]) -> None:
    """Replace the assignments themselves, so that constants derived from them follow."""
    for statement in tree.body:
        for name in assigned(statement) & constants.keys():
            value = ast.parse(repr(constants[name]), mode="eval").body
            statement.value = ast.copy_location(value, statement)  # type: ignore[attr-defined]
    ast.fix_missing_locations(tree)


def assigned(statement: ast.stmt) -> set[str]:
    """The names that this statement gives a value, if it is a plain assignment."""
    match statement:
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return {name}
    return set()


def _bound(node: ast.AST) -> Iterator[str]:
    """What running a module may bind at its top level, however it does it; "*" may be anything."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case _:
                yield from _bound(child)
