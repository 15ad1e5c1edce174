"""What the solutions of a call-based problem return: a list, a list of lists, or something else.

Sources wrap the expected value of a call in a list of one, or do not, and their testers accept both. The row's own
solutions tell: a function that returns ``sum(a)`` has no list of one to return. Programs are read, never run; what
cannot be seen from the text is not guessed.
"""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final, TypeAlias

__all__ = ["Shape", "shape_returned"]


class Shape(IntEnum):
    """How deep the lists of a value go, as far as the program shows it."""

    SCALAR = 0
    LIST = 1
    LIST_OF_LISTS = 2


Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
MOST_PROGRAMS: Final = 20
DEEPEST: Final = 6  # names that are defined by names that are defined by names
SCALAR_CALLS: Final = frozenset(
    [
        "abs",
        "all",
        "any",
        "bin",
        "bool",
        "chr",
        "divmod",
        "float",
        "format",
        "hex",
        "int",
        "len",
        "ord",
        "pow",
        "round",
        "str",
        "sum",
    ]
)
LIST_CALLS: Final = frozenset(("list", "sorted", "tuple"))
SCALAR_METHODS: Final = frozenset(
    [
        "bit_length",
        "capitalize",
        "count",
        "endswith",
        "find",
        "format",
        "index",
        "isalpha",
        "isdigit",
        "join",
        "lower",
        "lstrip",
        "replace",
        "rfind",
        "rstrip",
        "startswith",
        "strip",
        "title",
        "upper",
        "zfill",
    ]
)
LIST_METHODS: Final = frozenset(("split", "rsplit", "splitlines", "tolist"))
GROWING_METHODS: Final = frozenset(("append", "extend", "insert"))
ANNOTATED_SCALARS: Final = frozenset(("int", "str", "bool", "float"))
ANNOTATED_LISTS: Final = frozenset(("List", "list", "Tuple", "tuple", "Sequence"))


def shape_returned(programs: Iterable[str], function_name: str) -> Shape | None:
    """Return what most of the programs return from a function; ``None`` when they do not show it."""
    votes = Counter(
        shape
        for _, program in zip(range(MOST_PROGRAMS), programs, strict=False)
        if (shape := _program_shape(program, function_name)) is not None
    )
    best = votes.most_common(2)
    return best[0][0] if best and (len(best) == 1 or best[0][1] > best[1][1]) else None


def _program_shape(program: str, name: str) -> Shape | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(program)
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
        return _Shapes(functions).of_function(name, DEEPEST)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


class _Shapes:
    """Looks up what expressions of one program are."""

    def __init__(self, functions: dict[str, Function]) -> None:
        self._functions = functions

    def of_function(self, name: str, depth: int) -> Shape | None:
        function = self._functions.get(name)
        if function is None or not depth:
            return None
        returned = [node.value for node in _own_nodes(function) if isinstance(node, ast.Return) and node.value]
        calls = [value for value in returned if not _is_none(value) and not _calls(value, name)]
        return _annotated(function.returns) if not calls else self._agreed(calls, function, depth)

    def _agreed(self, expressions: Iterable[ast.expr], function: Function, depth: int) -> Shape | None:
        """Return the shape of all expressions that show one; ``None`` when they differ in being lists."""
        shapes = {self._of(expression, function, depth) for expression in expressions} - {None}
        known = {shape for shape in shapes if shape is not None}
        if not known or (Shape.SCALAR in known and len(known) > 1):
            return None
        return max(known)

    def _of(self, node: ast.expr, function: Function, depth: int) -> Shape | None:  # noqa: C901, PLR0911 - a case per kind of expression
        if not depth:
            return None
        match node:
            case ast.Constant() | ast.JoinedStr() | ast.Compare() | ast.UnaryOp() | ast.Dict() | ast.DictComp():
                return Shape.SCALAR
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return self._list_of(items, function, depth)
            case ast.ListComp(elt=item):
                return self._list_of([item], function, depth)
            case ast.IfExp(body=body, orelse=otherwise):
                return self._agreed([body, otherwise], function, depth)
            case ast.BoolOp(values=values):
                return self._agreed(values, function, depth)
            case ast.BinOp():
                return self._of_operation(node, function, depth)
            case ast.Subscript(value=value, slice=ast.Slice()):
                return self._of(value, function, depth)
            case ast.Subscript(value=value):
                return Shape.SCALAR if self._of(value, function, depth) is Shape.SCALAR else None
            case ast.Call():
                return self._of_call(node, function, depth)
            case ast.Name(id=name):
                return self._of_name(name, function, depth - 1)
        return None

    def _list_of(self, items: list[ast.expr], function: Function, depth: int) -> Shape:
        inner = self._agreed(items, function, depth) if items else None
        return Shape.LIST if inner in {None, Shape.SCALAR} else Shape.LIST_OF_LISTS

    def _of_operation(self, node: ast.BinOp, function: Function, depth: int) -> Shape | None:
        sides = [self._of(side, function, depth) for side in (node.left, node.right)]
        lists = [side for side in sides if side]
        if isinstance(node.op, ast.Add | ast.Mult):
            return max(lists) if lists else Shape.SCALAR if Shape.SCALAR in sides else None
        return Shape.SCALAR  # lists know no other arithmetic

    def _of_call(self, node: ast.Call, function: Function, depth: int) -> Shape | None:  # noqa: PLR0911 - a case per kind of call
        match node.func:
            case ast.Name(id=name) if name in SCALAR_CALLS:
                return Shape.SCALAR
            case ast.Name(id=name) if name in LIST_CALLS:
                inner = self._of(node.args[0], function, depth) if node.args else None
                return inner or Shape.LIST
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name) if name in self._functions:
                return self.of_function(name, depth - 1)
            case ast.Attribute(attr=method) if method in SCALAR_METHODS:
                return Shape.SCALAR
            case ast.Attribute(attr=method) if method in LIST_METHODS:
                return Shape.LIST
            case ast.Attribute(value=value, attr="copy"):
                return self._of(value, function, depth)
        return None

    def _of_name(self, name: str, function: Function, depth: int) -> Shape | None:
        """Return what a name holds by its assignments; one that something is appended to is a list."""
        values: list[ast.expr] = []
        grows = False
        for node in _own_nodes(function):
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                    values.append(value)
                case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                    values.append(value)
                case ast.Assign(targets=targets) if len(targets) > 1 and any(_is_name(each, name) for each in targets):
                    values.append(node.value)
                case ast.Call(func=ast.Attribute(value=ast.Name(id=target), attr=method)) if target == name:
                    grows |= method in GROWING_METHODS
        shape = self._agreed(values, function, depth)
        return max(shape or Shape.LIST, Shape.LIST) if grows else shape


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of the functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def _annotated(annotation: ast.expr | None) -> Shape | None:
    name = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    word = name.id if isinstance(name, ast.Name) else name.attr if isinstance(name, ast.Attribute) else ""
    return Shape.SCALAR if word in ANNOTATED_SCALARS else Shape.LIST if word in ANNOTATED_LISTS else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _calls(node: ast.expr, name: str) -> bool:
    """Say whether an expression is a call of the function itself, which shows nothing new."""
    match node:
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
            return called == name
    return False
