"""What the names of a module stand for, as far as its text tells.

What cannot be known is None, never a guess.
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gate.contract.syntax import Function, parameters

# How many assignments are followed behind one name before it counts as unknown.
MAX_STEPS = 32

# A line and a column: what stands further down in the text is greater.
Position = tuple[int, int]
START: Position = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One assignment of a name. From `since` to `until` it holds for certain, if it is the last.

    `until` is the end of the block of statements that it stands in; what may or may not run, or
    assigns what cannot be known, is never certain and ends where it begins.
    """

    value: ast.AST | None
    since: Position
    until: Position


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scope:
    """The names of a function or of the module; `loops` are the starts of their innermost loops."""

    owner: ast.Module | Function
    parent: Scope | None
    nodes: tuple[ast.AST, ...]
    bindings: Mapping[str, Sequence[Binding]]
    loops: Mapping[ast.AST, Position]

    def find(self, name: str) -> Scope | None:
        """The scope that binds the name, from here outwards."""
        scope: Scope | None = self
        while scope is not None and name not in scope.bindings:
            scope = scope.parent
        return scope

    def reaching(self, use: ast.Name) -> Sequence[Binding]:
        """The assignments in this scope that can be the one that is read here."""
        bindings = self.bindings[use.id]
        position = (use.lineno, use.col_offset)
        index = bisect_right(bindings, position, key=lambda binding: binding.since) - 1
        if index < 0 or position > bindings[index].until:
            return bindings
        looped = self.loops.get(use, START) > bindings[index].since
        if looped and index + 1 < len(bindings):  # a later assignment can come round again
            return bindings
        return bindings[index : index + 1]


# A node and the scope where it is written, so that the names in it can be followed further.
Place = tuple[ast.AST | None, Scope]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Names:
    """Follows names through assignments, functions and the methods of one class."""

    scopes: Mapping[ast.AST, Scope]
    class_name: str
    methods: Mapping[str, Function]

    def follow(self, expression: ast.AST | None, scope: Scope) -> Iterator[Place]:
        """Everything that the expression can stand for."""
        pending: list[Place] = [(expression, scope)]
        seen: set[Place] = set()
        while pending:
            place = pending.pop()
            if place in seen:
                continue
            seen.add(place)
            if len(seen) > MAX_STEPS:
                yield None, scope
                return
            further = self._further(*place)
            if further is None:
                yield place
            else:
                pending.extend(further)

    def functions(self, expression: ast.AST, scope: Scope) -> list[Function]:
        """The functions of this file that the expression can stand for."""
        return [node for node, _ in self.follow(expression, scope) if isinstance(node, Function)]

    def _further(self, node: ast.AST | None, scope: Scope) -> Sequence[Place] | None:
        """Where a name, a choice or `self.method` leads; None for what stands for itself."""
        match node:
            case ast.Name(id=name):
                found = scope.find(name)
                if found is None:
                    return [(None, scope)]
                bindings = scope.reaching(node) if found is scope else found.bindings[name]
                return [(binding.value, found) for binding in bindings[: MAX_STEPS + 1]]
            case ast.IfExp():
                return [(node.body, scope), (node.orelse, scope)]
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                if owner in {"self", "cls", self.class_name}:
                    return [(self.methods.get(name), scope)]
        return None


def read_names(tree: ast.Module, class_name: str) -> Names:
    """The scopes of a module; `class_name` is the class whose `self.method` is followed."""
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name]
    body = classes[-1].body if classes else []
    methods = {node.name: node for node in body if isinstance(node, Function)}
    return Names(scopes=_scopes(tree), class_name=class_name, methods=methods)


def _scopes(tree: ast.Module) -> Mapping[ast.AST, Scope]:
    module = _scope(tree, None)
    scopes: dict[ast.AST, Scope] = {tree: module}
    pending: list[tuple[Sequence[ast.AST], Scope]] = [(module.nodes, module)]
    while pending:
        nodes, scope = pending.pop()
        for node in nodes:
            if isinstance(node, ast.ClassDef):  # methods do not see the names of their class
                pending.append((tuple(_own_nodes(node)), scope))
            elif isinstance(node, Function):
                scopes[node] = _scope(node, scope)
                pending.append((scopes[node].nodes, scopes[node]))
    return scopes


def _scope(owner: ast.Module | Function, parent: Scope | None) -> Scope:
    nodes = tuple(_own_nodes(owner))
    bindings: dict[str, list[Binding]] = defaultdict(list)
    for name in parameters(owner) if isinstance(owner, Function) else ():
        bindings[name].append(Binding(value=None, since=START, until=START))
    for name, binding in _bindings(nodes, _block_ends([owner, *nodes])):
        bindings[name].append(binding)
    for each in bindings.values():
        each.sort(key=lambda binding: binding.since)
    loops = dict(_loops(nodes))
    return Scope(owner=owner, parent=parent, nodes=nodes, bindings=dict(bindings), loops=loops)


def _own_nodes(owner: ast.Module | ast.ClassDef | Function) -> Iterator[ast.AST]:
    """The nodes of this scope, in order. Lambdas are entered; functions and classes are not."""
    pending: list[ast.AST] = list(reversed(owner.body))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, Function | ast.ClassDef):
            pending.extend(reversed(list(ast.iter_child_nodes(node))))


def _block_ends(nodes: Sequence[ast.AST]) -> Mapping[ast.AST, Position]:
    """For each statement, the end of the block of statements that it stands in."""
    ends: dict[ast.AST, Position] = {}
    for node in nodes:
        for _, block in ast.iter_fields(node):
            if isinstance(block, list) and block and isinstance(block[-1], ast.stmt):
                ends |= dict.fromkeys(block, _end(block[-1]))
    return ends


def _loops(nodes: Sequence[ast.AST]) -> Iterator[tuple[ast.AST, Position]]:
    for loop in nodes:  # inner loops come after outer ones
        if isinstance(loop, ast.For | ast.AsyncFor | ast.While):
            names = (node for node in ast.walk(loop) if isinstance(node, ast.Name))
            yield from ((name, (loop.lineno, loop.col_offset)) for name in names)


def _bindings(
    nodes: Sequence[ast.AST], ends: Mapping[ast.AST, Position]
) -> Iterator[tuple[str, Binding]]:
    certain: dict[ast.AST, Binding] = {}
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                binding = Binding(value=value, since=_end(node), until=ends[node])
                certain.update(dict.fromkeys(targets, binding))
            case ast.AnnAssign(target=target, value=value) if value:
                certain[target] = Binding(value=value, since=_end(node), until=ends[node])
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, Binding(value=node, since=_end(node), until=ends[node])
            case ast.ClassDef(name=name):
                yield name, _uncertain(node)
            case ast.alias():
                yield node.asname or node.name.partition(".")[0], _uncertain(node)
            case ast.Name(ctx=ast.Store() | ast.Del()):
                yield node.id, certain.get(node) or _uncertain(node)


def _uncertain(node: ast.stmt | ast.expr | ast.alias) -> Binding:
    return Binding(value=None, since=_end(node), until=_end(node))


def _end(node: ast.stmt | ast.expr | ast.alias) -> Position:
    return (node.end_lineno or node.lineno, node.end_col_offset or 0)
