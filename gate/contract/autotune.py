"""What `@triton.autotune` sets, and what it varies, read as text."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gate.contract.names import MAX_STEPS, Names, Scope
from gate.contract.syntax import argument, names_in, qualified

# Positional parameters of triton.Config after its dictionary, and what it takes for them if absent.
CONFIG_OPTIONS = {"num_warps": 4, "num_stages": 3}

# How many configs, and lists of them, are read before they count as unreadable.
MAX_CONFIGS = 500

# The values that each loop variable of a comprehension takes.
Loops = Mapping[str, Sequence[ast.AST]]
# One `triton.Config(...)`, and the loops of the comprehension that it stands in.
Config = tuple[ast.Call, Loops]


@dataclass(frozen=True, slots=True, kw_only=True)
class Autotune:
    """What the configs of one `@triton.autotune` set; not readable if the text does not show it."""

    line: int
    readable: bool
    names: frozenset[str] = frozenset()
    varying: frozenset[str] = frozenset()


def read_autotunes(kernel: ast.FunctionDef, names: Names, module: Scope) -> Iterator[Autotune]:
    for decorator in kernel.decorator_list:
        if isinstance(decorator, ast.Call) and qualified(decorator.func) == "triton.autotune":
            configs = _configs(argument(decorator, 0, "configs"), names, module)
            yield _autotune(decorator.lineno, configs, names, module)


def _autotune(line: int, configs: Sequence[Config], names: Names, module: Scope) -> Autotune:
    values: dict[str, set[str]] = defaultdict(set)
    readable = bool(configs)
    for call, loops in configs:
        settings = _settings(call, names, module)
        for name, value in settings.items():
            distinct = _distinct(value, loops, names, module)
            values[name] |= distinct
            readable = readable and bool(distinct)
        readable = readable and bool(settings)
    return Autotune(
        line=line,
        readable=readable,
        names=frozenset(values),
        varying=frozenset(name for name, seen in values.items() if len(seen) > 1),
    )


def _configs(expression: ast.expr | None, names: Names, module: Scope) -> Sequence[Config]:
    """Every config behind `configs=`; none at all if one of them cannot be seen."""
    found: list[Config] = []
    pending: list[tuple[ast.AST | None, Loops]] = [(expression, {})]
    for _ in range(MAX_CONFIGS):
        if not pending:
            return found
        start, loops = pending.pop()
        for node, _ in names.follow(start, module):
            match node:
                case ast.List(elts=elements) | ast.Tuple(elts=elements):
                    pending.extend((element, loops) for element in elements[:MAX_CONFIGS])
                case ast.BinOp(op=ast.Add()):
                    pending.extend([(node.left, loops), (node.right, loops)])
                case ast.Starred():
                    pending.append((node.value, loops))
                case ast.ListComp():
                    pending.append((node.elt, _loops(node.generators, names, module)))
                case ast.Call() if qualified(node.func) == "triton.Config":
                    found.append((node, loops))
                case _:
                    return ()
    return ()


def _loops(generators: Sequence[ast.comprehension], names: Names, module: Scope) -> Loops:
    loops: dict[str, Sequence[ast.AST]] = {}
    for generator in generators:
        rows = _elements(generator.iter, names, module)
        match generator.target:
            case ast.Name(id=name):
                loops[name] = rows
            case ast.Tuple(elts=targets):
                cells = [row.elts for row in rows if isinstance(row, ast.Tuple | ast.List)]
                columns = dict(enumerate(zip(*cells, strict=False)))
                for position, target in enumerate(targets):
                    if isinstance(target, ast.Name):
                        loops[target.id] = columns.get(position, ())
    return loops


def _elements(iterable: ast.expr, names: Names, module: Scope) -> Sequence[ast.AST]:
    """The elements of a list, tuple or range that is written out; none if it is not."""
    match [node for node, _ in names.follow(iterable, module)]:
        case [ast.List(elts=elements) | ast.Tuple(elts=elements)]:
            return elements[:MAX_STEPS]
        case [ast.Call(func=ast.Name(id="range"), args=bounds)]:
            numbers = [
                bound.value
                for bound in bounds
                if isinstance(bound, ast.Constant) and isinstance(bound.value, int)
            ]
            if 1 <= len(numbers) == len(bounds) <= 2:
                return [ast.Constant(number) for number in range(*numbers)[:MAX_STEPS]]
    return ()


def _settings(config: ast.Call, names: Names, module: Scope) -> Mapping[str, ast.AST]:
    """What one config sets, num_warps and num_stages included; empty if it cannot be seen."""
    match [node for node, _ in names.follow(argument(config, 0, "kwargs"), module)]:
        case [ast.Dict(keys=keys, values=values)]:
            settings: dict[str, ast.AST] = {
                name: ast.Constant(default) for name, default in CONFIG_OPTIONS.items()
            }
        case _:
            return {}
    for key, value in zip(keys, values, strict=True):
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            return {}
        settings[key.value] = value
    for position, name in enumerate(CONFIG_OPTIONS, start=1):
        settings[name] = argument(config, position, name) or settings[name]
    hidden = any(keyword.arg is None for keyword in config.keywords)
    return {} if hidden else settings


def _distinct(value: ast.AST, loops: Loops, names: Names, module: Scope) -> set[str]:
    """One text for each value that a setting takes over the loops; none if it is unknown."""
    if isinstance(value, ast.Name) and value.id in loops:
        return {text for each in loops[value.id] for text in _distinct(each, {}, names, module)}
    looped = loops.keys() & names_in(value, ast.Load)
    counts = [
        len({text for each in loops[name] for text in _distinct(each, {}, names, module)})
        for name in looped
    ]
    nodes = [node for node, _ in names.follow(value, module)]
    if 0 in counts or any(node is None or isinstance(node, ast.Call) for node in nodes):
        return set()
    text = " or ".join(ast.dump(node) for node in nodes if node)
    return {f"{text} {count}" for count in range(max(counts, default=1))}
