"""What a kernel file says, read as text: its kernels, launches and grids."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gate.contract.autotune import Autotune, read_autotunes
from gate.contract.names import MAX_STEPS, Names, Scope, read_names
from gate.contract.syntax import Function, argument, names_in, parameters, parse, qualified

MODEL = "ModelNew"
AXES = (0, 1, 2)

GridFunction = Function | ast.Lambda


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kernel:
    """A `@triton.jit` function; `axes` include those read by the kernels that it calls.

    An axis is None where it is not written as 0, 1 or 2.
    """

    name: str
    node: ast.FunctionDef
    axes: frozenset[int | None]
    callees: frozenset[str]
    autotunes: tuple[Autotune, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A grid written out as a tuple; `function` takes META and returns it, where there is one."""

    dimensions: tuple[ast.expr, ...]
    function: GridFunction | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Launch:
    """`kernel[grid](...)`; `grids` are all that it can be, or none where one is unknown."""

    kernel: Kernel
    call: ast.Call
    scope: Scope
    grids: tuple[Grid, ...]
    passed: frozenset[str]
    passed_kernels: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KernelFile:
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    names: Names
    kernels: Mapping[str, Kernel]
    model: ast.ClassDef | None
    launches: tuple[Launch, ...]


def read_kernel_file(source: str) -> KernelFile:
    """Raises UnreadableSource for what is not Python or is nested too deeply."""
    tree = parse(source)
    names = read_names(tree, MODEL)
    kernels = _kernels(tree, names)
    models = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == MODEL]
    return KernelFile(
        tree=tree,
        nodes=tuple(ast.walk(tree)),
        names=names,
        kernels=kernels,
        model=models[-1] if models else None,
        launches=tuple(_launches(names, kernels)),
    )


# ------------------------------------------------------------------------------------- kernels


def jit_decorators(node: ast.AST) -> Iterator[ast.expr]:
    """The `triton.jit` of `@triton.jit` and of `@triton.jit(...)`."""
    for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
        name = decorator.func if isinstance(decorator, ast.Call) else decorator
        if qualified(name) == "triton.jit":
            yield name


def is_kernel(node: ast.AST) -> bool:
    return any(True for _ in jit_decorators(node))


def _kernels(tree: ast.Module, names: Names) -> Mapping[str, Kernel]:
    nodes = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef) and is_kernel(n)}
    callees = {name: _callees(node) & nodes.keys() for name, node in nodes.items()}
    read = {name: {axis for _, axis in axes_read(node, names)} for name, node in nodes.items()}
    axes = _with_callees(read, callees)
    return {
        name: Kernel(
            name=name,
            node=node,
            axes=frozenset(axes[name]),
            callees=frozenset(callees[name]),
            autotunes=tuple(read_autotunes(node, names, names.scopes[tree])),
        )
        for name, node in nodes.items()
    }


def _callees(node: ast.FunctionDef) -> set[str]:
    """What the body names, since a kernel is called or else given to `tl.reduce` and its like."""
    return {name for statement in node.body for name in names_in(statement, ast.Load)}


def axes_read(kernel: ast.FunctionDef, names: Names) -> Iterator[tuple[ast.Call, int | None]]:
    """Each `tl.program_id` in the body, and its axis; None if not written as 0, 1 or 2."""
    scope = names.scopes[kernel]
    for node in scope.nodes:
        if isinstance(node, ast.Call) and qualified(node.func) == "triton.language.program_id":
            yield node, _axis(argument(node, 0, "axis"), scope, names)


def _axis(expression: ast.expr | None, scope: Scope, names: Names) -> int | None:
    values = [node for node, _ in names.follow(expression, scope)]
    match values:
        case [ast.Call(args=[constant])] if _is_constexpr(values[0]):
            values = [constant]
    match values:
        case [ast.Constant(value=int(number))] if number in AXES:
            return number
    return None


def _is_constexpr(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Call) and qualified(node.func) == "triton.language.constexpr"


def _with_callees(
    read: Mapping[str, set[int | None]], callees: Mapping[str, set[str]]
) -> Mapping[str, set[int | None]]:
    """Adds to each kernel's axes those of the kernels that it calls, however far away."""
    callers: dict[str, list[str]] = defaultdict(list)
    for name, called in callees.items():
        for callee in called:
            callers[callee].append(name)
    axes = {name: set(own) for name, own in read.items()}
    pending = list(axes)
    while pending:
        callee = pending.pop()
        for caller in callers[callee]:
            if not axes[callee] <= axes[caller]:
                axes[caller] |= axes[callee]
                pending.append(caller)
    return axes


# ------------------------------------------------------------------------------------ launches


def _launches(names: Names, kernels: Mapping[str, Kernel]) -> Iterator[Launch]:
    by_node: dict[ast.AST, Kernel] = {kernel.node: kernel for kernel in kernels.values()}
    for scope in names.scopes.values():
        for call in scope.nodes:
            if isinstance(call, ast.Call):
                yield from _launches_by(call, scope, names, by_node)


def _launches_by(
    call: ast.Call, scope: Scope, names: Names, kernels: Mapping[ast.AST, Kernel]
) -> Iterator[Launch]:
    """One launch for each kernel that the call can launch."""
    for node, written in names.follow(call.func, scope):
        if isinstance(node, ast.Subscript):
            for kernel in _kernels_behind(node.value, written, names, kernels):
                yield Launch(
                    kernel=kernel,
                    call=call,
                    scope=scope,
                    grids=tuple(_grids(node.slice, written, names)),
                    passed=_passed(call, kernel),
                    passed_kernels=_passed_kernels(call, scope, names, kernels),
                )


def _kernels_behind(
    expression: ast.expr, scope: Scope, names: Names, kernels: Mapping[ast.AST, Kernel]
) -> list[Kernel]:
    functions = names.functions(expression, scope)
    return [kernels[function] for function in functions if function in kernels]


def _passed(call: ast.Call, kernel: Kernel) -> frozenset[str]:
    """The parameters that the launch gives, by keyword or by position."""
    keywords = [keyword.arg for keyword in call.keywords if keyword.arg]
    unpacked = any(isinstance(value, ast.Starred) for value in call.args)
    positional = () if unpacked else parameters(kernel.node)[: len(call.args)]
    return frozenset([*positional, *keywords])


def _passed_kernels(
    call: ast.Call, scope: Scope, names: Names, kernels: Mapping[ast.AST, Kernel]
) -> frozenset[str]:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    behind = [_kernels_behind(value, scope, names, kernels) for value in values]
    return frozenset(kernel.name for found in behind for kernel in found)


def _grids(expression: ast.expr, scope: Scope, names: Names) -> Sequence[Grid]:
    """Every tuple that the grid can be; none at all if one of them is not written out."""
    found: list[Grid] = []
    pending: list[tuple[ast.AST | None, Scope, GridFunction | None]] = [(expression, scope, None)]
    seen: set[tuple[ast.AST | None, GridFunction | None]] = set()
    while pending:
        start, at, function = pending.pop()
        for node, written in names.follow(start, at):
            if len(seen) > MAX_STEPS:
                return ()
            if (node, function) in seen:
                continue
            seen.add((node, function))
            if isinstance(node, ast.Tuple) and not any(map(_is_starred, node.elts)):
                found.append(Grid(dimensions=tuple(node.elts), function=function))
                continue
            further = _grid_results(node, written, function, names)
            if not further:
                return ()
            pending.extend(further)
    return found


def _grid_results(
    node: ast.AST | None, scope: Scope, function: GridFunction | None, names: Names
) -> list[tuple[ast.AST | None, Scope, GridFunction | None]]:
    """What comes out of a function that takes META, or of a call to a function of the file."""
    match node:
        case ast.Lambda() if function is None and parameters(node):
            return [(node.body, scope, node)]
        case ast.FunctionDef() if function is None and parameters(node):
            return [(*returned, node) for returned in _returns(node, names)]
        case ast.Call():
            called = names.functions(node.func, scope)
            return [(*returned, function) for each in called for returned in _returns(each, names)]
    return []


def _returns(function: Function, names: Names) -> list[tuple[ast.AST | None, Scope]]:
    scope = names.scopes[function]
    return [(node.value, scope) for node in scope.nodes if isinstance(node, ast.Return)]


def _is_starred(node: ast.AST) -> bool:
    return isinstance(node, ast.Starred)
