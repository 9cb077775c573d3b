"""Python source as a tree. Nothing is imported or executed."""

from __future__ import annotations

import ast
import warnings

# Honest kernels stay under 40 levels and 20,000 nodes. The one bound keeps every recursion over the
# tree far from Python's own limit, the other keeps the reading of a hostile file to seconds.
MAX_DEPTH = 150
MAX_NODES = 200_000

# The only aliases that the contract's import rule allows.
ALIASES = {"nn": "torch.nn", "tl": "triton.language"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


class UnreadableSource(ValueError):
    """The text is not Python, or too deeply nested to be read."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def parse(source: str) -> ast.Module:
    """Raises UnreadableSource for what is not Python, or past MAX_DEPTH or MAX_NODES."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is the linter's business
            tree = ast.parse(source)
    except SyntaxError as error:
        raise UnreadableSource(error.lineno or 1, error.msg) from error
    except (RecursionError, MemoryError) as error:
        raise UnreadableSource(1, "nested too deeply for the parser") from error
    except ValueError as error:  # null bytes, lone surrogates
        raise UnreadableSource(1, str(error)) from error
    _require_bounds(tree)
    return tree


def _require_bounds(tree: ast.Module) -> None:
    level: list[ast.AST] = [tree]
    depth = nodes = line = 1
    while level:
        line = getattr(level[0], "lineno", line)
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        nodes += len(level)
        depth += 1
        if depth > MAX_DEPTH:
            raise UnreadableSource(line, f"nested more than {MAX_DEPTH} levels deep")
        if nodes > MAX_NODES:
            raise UnreadableSource(1, f"it has more than {MAX_NODES:,} syntax nodes")


def parameters(function: Function | ast.Lambda) -> tuple[str, ...]:
    """Every parameter's name, in the order of the signature."""
    signature = function.args
    listed = [*signature.posonlyargs, *signature.args, signature.vararg]
    listed += [*signature.kwonlyargs, signature.kwarg]
    return tuple(parameter.arg for parameter in listed if parameter is not None)


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """The argument given by keyword or by position."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    return call.args[position] if position < len(call.args) else None


def qualified(node: ast.AST) -> str:
    """`tl.program_id` as `triton.language.program_id`; empty for what is not a dotted name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([ALIASES.get(node.id, node.id), *reversed(parts)])


def names_in(node: ast.AST, context: type[ast.expr_context]) -> list[str]:
    """The names that are read (ast.Load) or assigned (ast.Store) anywhere in the node."""
    names = (child for child in ast.walk(node) if isinstance(child, ast.Name))
    return [name.id for name in names if isinstance(name.ctx, context)]
