"""Whether a text can only hold what stands in the program: each piece of it is followed to where it is written.

Constants in capitals, texts, numbers of things, the builders of core/sql.py and what is made of these count. A local
name counts when all that it is ever given does; a parameter when all calls in its module pass such a text.
"""

import ast
import re
from collections.abc import Iterator

from django.utils.functional import cached_property

from tests.house.laws import nodes

STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|CREATE|ALTER|DROP|ATTACH|DETACH|LISTEN) ")
CAPITALS = re.compile(r"_*[A-Z][A-Z0-9_]*")
ASKED = {"GET", "POST", "META", "COOKIES", "FILES"}  # capitals that are no constants
BUILDERS = {"placeholders", "skip_locked", "seconds_between", "lock_in_order", "greatest", "span_number", "len"}
PARTS = {  # what of an expression its text is made of
    ast.IfExp: ("body", "orelse"), ast.BinOp: ("left", "right"), ast.JoinedStr: ("values",), ast.BoolOp: ("values",),
    ast.Dict: ("values",), ast.List: ("elts",), ast.Tuple: ("elts",), ast.Set: ("elts",), ast.Subscript: ("value",),
    ast.Starred: ("value",), ast.FormattedValue: ("value",), ast.GeneratorExp: ("elt",), ast.ListComp: ("elt",),
    ast.Constant: (),
}  # fmt: skip
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module:
    """The syntax tree of one file, with who stands within whom."""

    def __init__(self, source: str):
        self.nodes = nodes(source)
        self.functions = {node.name: node for node in self.nodes if isinstance(node, Function)}
        self.followed: set[tuple[str, int]] = set()

    @cached_property
    def above(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def strange_pieces(self) -> Iterator[tuple[int, str]]:
        """Line and text of each piece of a statement that may be written elsewhere."""
        for node in self.nodes:
            if isinstance(node, ast.JoinedStr):
                said = "".join(str(one.value) for one in node.values if isinstance(one, ast.Constant))
                holes = [one.value for one in node.values if isinstance(one, ast.FormattedValue)]
                if STATEMENT.search(said):
                    yield from ((hole.lineno, ast.unparse(hole)) for hole in holes if not self.ours(hole))

    def ours(self, node: ast.AST) -> bool:
        named = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if CAPITALS.fullmatch(named):
            return named not in ASKED
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if type(node) not in PARTS:
            return False
        parts = [getattr(node, part) for part in PARTS[type(node)]]
        return all(self.ours(one) for part in parts for one in (part if isinstance(part, list) else [part]))

    def _call(self, call: ast.Call) -> bool:
        name = _called(call)
        if name in BUILDERS or ast.unparse(call.func) == "sql.values":
            return True
        given = [*call.args, *(one.value for one in call.keywords)]
        if isinstance(call.func, ast.Attribute) and name in ("join", "format", "replace", "lower", "values", "items"):
            return self.ours(call.func.value) and all(map(self.ours, given))
        if isinstance(call.func, ast.Name) and name in self.functions:
            said = [node.value for node in ast.walk(self.functions[name]) if isinstance(node, ast.Return)]
            return all(one is not None and self.ours(one) for one in said)
        return name in ("dict", "zip", "list", "sorted", "range", "enumerate") and all(map(self.ours, given))

    def _name(self, node: ast.Name) -> bool:
        """All that this name is given in the functions around it (a loop back to itself adds nothing)."""
        scope: ast.AST | None = self.above.get(node)
        while scope is not None:
            if isinstance(scope, Function | ast.Module):
                key = (node.id, id(scope))
                if key in self.followed:
                    return True
                found = [*self._given_in(scope, node.id)]
                if found:
                    self.followed.add(key)
                    try:
                        return all(one is not None and self.ours(one) for one in found)
                    finally:
                        self.followed.discard(key)
            scope = self.above.get(scope)
        return False

    def _given_in(self, scope: ast.AST, name: str) -> Iterator[ast.AST | None]:
        """What the name is given there; None for what can't be followed."""
        if isinstance(scope, Function):
            yield from self._passed(scope, name)
        for node in ast.walk(scope):
            targets: list[tuple[ast.AST, ast.AST | None]] = []
            if isinstance(node, ast.Assign):
                targets = [(target, node.value) for target in node.targets]
            elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
                targets = [(node.target, node.value)]
            elif isinstance(node, ast.For | ast.comprehension):
                targets = [(node.target, node.iter)]
            for target, value in targets:
                yield from _unpacked(target, value, name)

    def _passed(self, function: Function, name: str) -> Iterator[ast.AST | None]:
        own = function.args
        names = [one.arg for one in (*own.posonlyargs, *own.args)]
        if name not in names and name not in [one.arg for one in own.kwonlyargs]:
            return
        calls = [node for node in self.nodes if isinstance(node, ast.Call)]
        calls = [one for one in calls if _called(one) == function.name]
        names = names[1:] if names[:1] == ["self"] else names
        if not calls or not function.name.startswith("_"):
            yield None  # called from elsewhere
        for call in calls:
            keyword = next((one.value for one in call.keywords if one.arg == name), None)
            place = names.index(name) if name in names else len(call.args)
            yield keyword or (call.args[place] if place < len(call.args) else _default(own, name))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _default(own: ast.arguments, name: str) -> ast.AST | None:
    positional = [one.arg for one in (*own.posonlyargs, *own.args)]
    found = dict(zip(reversed(positional), reversed(own.defaults), strict=False))
    return {**found, **{one.arg: value for one, value in zip(own.kwonlyargs, own.kw_defaults, strict=True)}}.get(name)


def _unpacked(target: ast.AST, value: ast.AST | None, name: str) -> Iterator[ast.AST | None]:
    """What of an assignment the name gets: its own part where both sides stand part by part, else the whole."""
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(value, ast.IfExp):
        yield from _unpacked(target, value.body, name)
        yield from _unpacked(target, value.orelse, name)
    elif isinstance(target, ast.Tuple):
        parts = value.elts if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts) else None
        for index, part in enumerate(target.elts):
            yield from _unpacked(part, parts[index] if parts else value, name)
