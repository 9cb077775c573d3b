"""Rules on what the kernel file holds and in which order."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gate.contract.kernel_file import MODEL, KernelFile, is_kernel, jit_decorators
from gate.contract.syntax import Function, names_in, qualified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Finding = tuple[int, str]

IMPORTS = (
    "import torch",
    "import torch.nn as nn",
    "import triton",
    "import triton.language as tl",
)
ALLOWED = ", ".join(text.removeprefix("import ") for text in IMPORTS)
FUTURE = "from __future__ import annotations"
INPUT_FUNCTIONS = frozenset({"get_inputs", "get_init_inputs"})

# What the value of a module-level constant may be made of, and the only calls in it.
CONSTANT_NODES = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.UnaryOp, ast.unaryop, ast.BinOp, ast.operator),
    *(ast.Tuple, ast.List, ast.Set, ast.Dict, ast.Starred, ast.ListComp, ast.comprehension),
    *(ast.Call, ast.keyword, ast.expr_context),
)
CONSTANT_CALLS = frozenset({"triton.language.constexpr", "triton.Config", "float", "range"})


# ------------------------------------------------------------------------------------- imports


def missing_import(file: KernelFile) -> Iterator[Finding]:
    present = {_import_text(node) for node in file.tree.body}
    for required in IMPORTS:
        if required not in present:
            yield 1, f"`{required}` is missing: write it, exactly so, at the top of the file"


def foreign_import(file: KernelFile) -> Iterator[Finding]:
    for node in file.tree.body:
        text = _import_text(node)
        if text and text not in {FUTURE, *IMPORTS}:
            yield (
                node.lineno,
                f"`{text}` is none of the four allowed imports ({ALLOWED}): remove it",
            )


def nested_import(file: KernelFile) -> Iterator[Finding]:
    top = set(file.tree.body)
    for node in file.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in top:
            yield node.lineno, f"`{_import_text(node)}` is not at the top of the file: remove it"
        elif isinstance(node, ast.Name) and node.id == "__import__":
            yield node.lineno, "`__import__` imports past the four allowed imports: remove it"


def import_order(file: KernelFile) -> Iterator[Finding]:
    passed = 0  # how many of IMPORTS must not come any more
    for node in file.tree.body:
        text = _import_text(node)
        if text in IMPORTS:
            position = IMPORTS.index(text)
            if position < passed:
                wanted = ", ".join(f"`{each}`" for each in IMPORTS)
                yield node.lineno, f"`{text}` is out of place: begin the file with {wanted}"
            passed = max(passed, position + 1)
        elif not text and not _is_inert(node):
            passed = len(IMPORTS)


def _import_text(node: ast.AST) -> str:
    """An import statement as it is usually written; empty for any other statement."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return ""
    names = [f"{each.name} as {each.asname}" if each.asname else each.name for each in node.names]
    text = f"import {', '.join(names)}"
    if isinstance(node, ast.ImportFrom):
        return f"from {'.' * node.level}{node.module or ''} {text}"
    return text


# ------------------------------------------------------------------------------------ sections


def wrong_order(file: KernelFile) -> Iterator[Finding]:
    latest, latest_name = 0, ""
    for node in file.tree.body:
        section = _section(node)
        if section is not None:
            name = ", ".join(_bound_names(node))
            if section < latest:
                order = f"kernels, then wrappers, then class {MODEL}, constants before the class"
                yield node.lineno, f"`{name}` stands after `{latest_name}`: the order is {order}"
            elif not _is_constant(node):
                latest, latest_name = section, name


def _section(node: ast.stmt) -> int | None:
    """0 for kernels, 1 for wrappers, 2 for ModelNew; constants may stand as late as a wrapper."""
    if is_kernel(node):
        return 0
    if isinstance(node, Function) or _is_constant(node):
        return 1
    return 2 if isinstance(node, ast.ClassDef) and node.name == MODEL else None


def module_statement(file: KernelFile) -> Iterator[Finding]:
    for node in file.tree.body:
        allowed = _import_text(node) or _is_inert(node) or _is_constant(node)
        definition = isinstance(node, Function | ast.ClassDef)
        if not (allowed or definition or _is_main_block(node) or isinstance(node, ast.Assert)):
            mend = "move it into a wrapper or make it a constant of literals"
            yield node.lineno, f"this statement would run when the file is imported: {mend}"


def _is_inert(node: ast.stmt) -> bool:
    """A docstring, a lone string or number, `pass`."""
    lone = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return lone or isinstance(node, ast.Pass)


def _is_constant(node: ast.stmt) -> bool:
    """An assignment, to names, of what is made of literals, names and triton's own constants."""
    match node:
        case ast.Assign(targets=targets, value=value):
            named = all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
            return named and _is_constant_value(value)
        case ast.AnnAssign(target=ast.Name(), value=value):
            return value is None or _is_constant_value(value)
    return False


def _is_constant_value(value: ast.expr) -> bool:
    return all(
        isinstance(node, CONSTANT_NODES)
        and (not isinstance(node, ast.Call) or qualified(node.func) in CONSTANT_CALLS)
        for node in ast.walk(value)
    )


# ------------------------------------------------------------------------------------- content


def foreign_class(file: KernelFile) -> Iterator[Finding]:
    top = set(file.tree.body)
    for node in file.nodes:
        if isinstance(node, ast.ClassDef) and not (node.name == MODEL and node in top):
            yield node.lineno, f"class `{node.name}` is not allowed: {MODEL} is the only class"


def redefined_name(file: KernelFile) -> Iterator[Finding]:
    # A property's accessors share their name by design: decorated methods are left out.
    body = file.model.body if file.model else []
    methods = [n for n in body if isinstance(n, Function) and not n.decorator_list]
    yield from _redefined(file.tree.body, {"torch", "nn", "triton", "tl"})
    yield from _redefined(methods, set())


def _redefined(body: Iterable[ast.stmt], seen: set[str]) -> Iterator[Finding]:
    for node in body:
        for name in _bound_names(node):
            if name in seen:
                yield node.lineno, f"`{name}` is already defined in this file: rename one of them"
            seen.add(name)


def _bound_names(node: ast.stmt) -> list[str]:
    """What a definition or an assignment binds, in order."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Assign(targets=targets):
            return [name for target in targets for name in names_in(target, ast.Store)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name]
    return []


def testing_code(file: KernelFile) -> Iterator[Finding]:
    for node in file.nodes:
        if isinstance(node, Function | ast.ClassDef) and _is_test_name(node.name):
            yield node.lineno, f"`{node.name}` is test code: move it to a test file"
    for statement in file.tree.body:
        if isinstance(statement, ast.Assert):
            yield statement.lineno, "this assert is test code: move it into a wrapper or a test"


def _is_test_name(name: str) -> bool:
    return name == "test" or name.startswith(("test_", "Test"))


def main_block(file: KernelFile) -> Iterator[Finding]:
    for node in file.tree.body:
        if _is_main_block(node):
            yield (
                node.lineno,
                "kernel.py is imported and never run: remove what asks for `__name__`",
            )


def _is_main_block(node: ast.stmt) -> bool:
    definition = isinstance(node, Function | ast.ClassDef)
    return not definition and "__name__" in names_in(node, ast.Load)


def input_function(file: KernelFile) -> Iterator[Finding]:
    for node in file.nodes:
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.Name(id=name, ctx=ast.Store())
            ) if name in INPUT_FUNCTIONS:
                yield node.lineno, f"`{name}` belongs in reference.py: remove it here"


def missing_model(file: KernelFile) -> Iterator[Finding]:
    if file.model is None:
        yield 1, f"the file has no class {MODEL}: end it with `class {MODEL}(nn.Module)`"


def model_base(file: KernelFile) -> Iterator[Finding]:
    if file.model and "torch.nn.Module" not in map(qualified, file.model.bases):
        yield file.model.lineno, f"{MODEL} is no module: write `class {MODEL}(nn.Module)`"


def missing_forward(file: KernelFile) -> Iterator[Finding]:
    if file.model and not isinstance(file.names.methods.get("forward"), ast.FunctionDef):
        yield file.model.lineno, f"{MODEL} has no method `forward`: define it in the class"


def missing_kernel(file: KernelFile) -> Iterator[Finding]:
    if not file.kernels:
        yield 1, "the file has no kernel: define one under `@triton.jit`"


def hidden_kernel(file: KernelFile) -> Iterator[Finding]:
    decorators = {name for node in file.tree.body for name in jit_decorators(node)}
    attributes = (node for node in file.nodes if isinstance(node, ast.Attribute))
    for node in attributes:
        if qualified(node) == "triton.jit" and node not in decorators:
            yield node.lineno, "triton.jit may only decorate functions at the top level: move it"
