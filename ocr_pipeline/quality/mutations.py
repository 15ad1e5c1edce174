"""The ways in which a right program is spoiled: small edits of its syntax tree, each of a kind of mistake that people make.

Here is what may be edited, for Python and C++. Which edits are made, and how many, is the business of ``mutants.py``.
Edits that only end a program at once, or never, are left out: every test catches them, so they say nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ocr_pipeline.tables import Language

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

__all__ = ["Edit", "MutationKind", "edits_of", "parser_of"]


class MutationKind(StrEnum):
    """What kind of mistake an edit makes."""

    COMPARISON = "comparison"
    """Another comparison, such as ``<=`` for ``<``."""
    ARITHMETIC = "arithmetic"
    """Another operator on numbers."""
    LOGIC = "logic"
    """``and`` and ``or`` swapped."""
    OFF_BY_ONE = "off_by_one"
    """A bound, an index or a small literal that is one too large or too small."""
    BOUNDARY = "boundary"
    """A large constant, such as a modulus, an infinity or the size of an array, that is wrong."""
    WIDTH = "width"
    """A narrower type, in C++."""
    SORT_ORDER = "sort_order"
    """Sorted the other way, by another key, or not at all."""
    CONDITION = "condition"
    """A condition that is negated."""
    BRANCH = "branch"
    """A branch that is taken always or never."""
    STATEMENT = "statement"
    """A statement that is left out."""
    EXTREME = "extreme"
    """``min`` and ``max`` swapped."""
    GREEDY = "greedy"
    """The first choice instead of the best: a loop that ends early, a ``max`` of fewer things."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes of a program that are replaced."""

    kind: MutationKind
    start: int
    end: int
    new: bytes


Rule = Callable[["Node"], Iterator[Edit]]

COMPARISONS: Final = {
    b"<": (b"<=", b">"),
    b"<=": (b"<", b">="),
    b">": (b">=", b"<"),
    b">=": (b">", b"<="),
    b"==": (b"!=",),
    b"!=": (b"==",),
}
ARITHMETIC: Final = {
    b"+": b"-",
    b"-": b"+",
    b"*": b"+",
    b"/": b"*",
    b"//": b"*",
    b"%": b"+",
    b"&": b"|",
    b"|": b"&",
    b"^": b"|",
    b"+=": b"-=",
    b"-=": b"+=",
    b"*=": b"+=",
    b"&=": b"|=",
    b"|=": b"&=",
    b"^=": b"|=",
}
LOGIC: Final = {b"and": b"or", b"or": b"and", b"&&": b"||", b"||": b"&&"}
EXTREMES: Final = {
    b"min": b"max",
    b"max": b"min",
    b"min_element": b"max_element",
    b"max_element": b"min_element",
    b"lower_bound": b"upper_bound",
    b"upper_bound": b"lower_bound",
    b"bisect_left": b"bisect_right",
    b"bisect_right": b"bisect_left",
}
CHOICES: Final = frozenset({b"min", b"max"})
LOOPS: Final = frozenset({"for_statement", "while_statement", "do_statement", "for_range_loop"})
ENDLESS_LOOPS: Final = frozenset({"while_statement", "do_statement"})
TEXTS: Final = frozenset({"string", "string_literal", "char_literal", "concatenated_string", "comment"})
LEAST_LARGE: Final = 1_000
NUMBER: Final = re.compile(rb"(\d+)([uUlL]*)")
LIMITS: Final = re.compile(rb"(?:INT|LLONG|LONG|UINT|ULLONG)_MAX|INFINITY")
SMALL_LIMIT: Final = b"1000"
WIDTHS: Final = {
    b"long long": b"int",
    b"long long int": b"int",
    b"int64_t": b"int",
    b"__int128": b"long long",
    b"unsigned long long": b"unsigned",
    b"uint64_t": b"unsigned",
    b"long": b"int",
    b"long double": b"float",
    b"double": b"float",
}


@functools.cache
def parser_of(language: str) -> Parser:
    """Return the parser of a language."""
    import tree_sitter
    import tree_sitter_cpp
    import tree_sitter_python

    grammar = tree_sitter_python if language == Language.PYTHON else tree_sitter_cpp
    return tree_sitter.Parser(tree_sitter.Language(grammar.language()))


def edits_of(root: Node, language: str) -> Iterator[Edit]:
    """Yield every edit of a program, in the order of its text."""
    rules = PYTHON_RULES if language == Language.PYTHON else CPP_RULES
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type in TEXTS:
            continue
        for rule in rules:
            yield from rule(node)
        waiting += reversed(node.children)


def _text(node: Node | None) -> bytes:
    return (node.text or b"") if node is not None else b""


def _edit(kind: MutationKind, node: Node, new: bytes) -> Edit:
    return Edit(kind, node.start_byte, node.end_byte, new)


def _ancestors(node: Node) -> Iterator[Node]:
    parent = node.parent
    while parent is not None:
        yield parent
        parent = parent.parent


# ---- operators and literals: the same in both languages but for the names of nodes ----


def _comparisons(node: Node) -> Iterator[Edit]:
    if node.type in {"comparison_operator", "binary_expression"}:
        for child in node.children:
            for new in () if child.is_named else COMPARISONS.get(_text(child), ()):
                yield _edit(MutationKind.COMPARISON, child, new)


def _arithmetic(node: Node) -> Iterator[Edit]:
    """Swap an operator on numbers; texts are left alone, and so is what brings a loop to its end."""
    if node.type not in {"binary_operator", "binary_expression", "augmented_assignment", "assignment_expression"}:
        return
    operator = node.child_by_field_name("operator")
    new = ARITHMETIC.get(_text(operator))
    if operator is None or new is None or _feeds_a_loop(node):
        return
    if not any(side is not None and side.type in TEXTS for side in map(node.child_by_field_name, ("left", "right"))):
        yield _edit(MutationKind.ARITHMETIC, operator, new)


def _logic(node: Node) -> Iterator[Edit]:
    operator = node.child_by_field_name("operator")
    new = LOGIC.get(_text(operator))
    if operator is not None and new is not None and node.type in {"boolean_operator", "binary_expression"}:
        yield _edit(MutationKind.LOGIC, operator, new)


def _literals(node: Node) -> Iterator[Edit]:
    """Change a whole number: a small one by one, a large one in size, for it is a modulus, an infinity or an array's size."""
    if node.type not in {"integer", "number_literal"}:
        return
    whole = NUMBER.fullmatch(_text(node))
    if whole is None:
        return
    value, suffix = int(whole[1][:40]), whole[2]
    if value >= LEAST_LARGE:
        yield _edit(MutationKind.BOUNDARY, node, b"%d%s" % (value // 100, suffix))
        yield _edit(MutationKind.BOUNDARY, node, b"%d%s" % (value - 1, suffix))
        return
    yield _edit(MutationKind.OFF_BY_ONE, node, b"%d%s" % (value + 1, suffix))
    if value:
        yield _edit(MutationKind.OFF_BY_ONE, node, b"%d%s" % (value - 1, suffix))


def _extremes(node: Node) -> Iterator[Edit]:
    """Swap min and max, or leave all but one of their arguments out, as a greedy program does."""
    if node.type not in {"call", "call_expression"}:
        return
    function, arguments = _called(node), node.child_by_field_name("arguments")
    if function is None or arguments is None:
        return
    if new := EXTREMES.get(_text(function)):
        yield _edit(MutationKind.EXTREME, function, new)
    given = arguments.named_children
    if _text(function) in CHOICES and len(given) == 2 and all(one.type != "keyword_argument" for one in given):  # noqa: PLR2004 - of two choices, one
        for one in given:
            yield _edit(MutationKind.GREEDY, node, b"(%s)" % _text(one))


def _called(call: Node) -> Node | None:
    """Return the name that is called, without what it is a member of."""
    function = call.child_by_field_name("function")
    while function is not None and function.type in {
        "attribute",
        "qualified_identifier",
        "template_function",
        "field_expression",
    }:
        function = next(filter(None, map(function.child_by_field_name, ("attribute", "name", "field"))), None)
    return function


def _feeds_a_loop(node: Node) -> bool:
    """Say whether a statement may be what ends a ``while`` loop: without it the program runs until it is stopped."""
    changed = node.child_by_field_name("left") or node.child_by_field_name("argument")
    for loop in _ancestors(node):
        if loop.type in ENDLESS_LOOPS:
            condition = _text(loop.child_by_field_name("condition"))
            return changed is None or re.search(rb"\b%s\b" % re.escape(_text(changed)), condition) is not None
    return False


def _is_in_a_loop(node: Node) -> bool:
    """Say whether the nearest loop around a node is one that ends by itself."""
    loop = next((one for one in _ancestors(node) if one.type in LOOPS), None)
    return loop is not None and loop.type not in ENDLESS_LOOPS


# ---- Python ----


def _python_bounds(node: Node) -> Iterator[Edit]:
    """Move the bounds of ranges, the indices of lists and the ends of slices by one."""
    moved: list[Node] = []
    if node.type == "call" and _text(node.child_by_field_name("function")) == b"range":
        arguments = node.child_by_field_name("arguments")
        moved = arguments.named_children[:2] if arguments is not None else []
    elif node.type == "subscript":
        moved = node.children_by_field_name("subscript")
    for one in moved:
        if one.type in {"identifier", "binary_operator", "call", "attribute", "subscript"}:
            yield _edit(MutationKind.OFF_BY_ONE, one, b"(%s) - 1" % _text(one))
            yield _edit(MutationKind.OFF_BY_ONE, one, b"(%s) + 1" % _text(one))


def _python_infinities(node: Node) -> Iterator[Edit]:
    if node.type == "call" and re.fullmatch(rb"float\(\s*['\"]-?inf(?:inity)?['\"]\s*\)", _text(node), re.IGNORECASE):
        yield _edit(MutationKind.BOUNDARY, node, SMALL_LIMIT)


def _python_sorts(node: Node) -> Iterator[Edit]:
    if node.type != "call" or _text(_called(node)) not in {b"sorted", b"sort"}:
        return
    arguments = node.child_by_field_name("arguments")
    if arguments is None or arguments.type != "argument_list":
        return
    given = arguments.named_children
    named = {_text(one.child_by_field_name("name")): one for one in given if one.type == "keyword_argument"}
    for name, one in named.items():
        rest = b", ".join(_text(other) for other in given if other != one)
        if name in {b"key", b"reverse"}:
            yield _edit(MutationKind.SORT_ORDER, arguments, b"(%s)" % rest)
    if b"reverse" not in named:
        all_given = b", ".join([*map(_text, given), b"reverse=True"])
        yield _edit(MutationKind.SORT_ORDER, arguments, b"(%s)" % all_given)
    if _text(_called(node)) == b"sorted" and given and given[0].type != "keyword_argument":
        yield _edit(MutationKind.SORT_ORDER, node, b"list(%s)" % _text(given[0]))


def _python_conditions(node: Node) -> Iterator[Edit]:
    """Negate a condition, or decide it once for all."""
    condition: Node | None = None
    if node.type in {"if_statement", "elif_clause"}:
        condition = node.child_by_field_name("condition")
    elif node.type == "conditional_expression":
        condition = node.named_children[1]
    elif node.type == "if_clause":
        condition = node.named_children[0]
    if condition is None:
        return
    yield _edit(MutationKind.CONDITION, condition, b"not (%s)" % _text(condition))
    yield _edit(MutationKind.BRANCH, condition, b"True")
    yield _edit(MutationKind.BRANCH, condition, b"False")


def _python_statements(node: Node) -> Iterator[Edit]:
    """Leave out a statement whose absence is not noticed at once: no first assignment, and nothing that ends a loop."""
    if node.type in {"break_statement", "continue_statement"} and _is_in_a_loop(node):
        yield _edit(MutationKind.STATEMENT, node, b"pass")
    if node.type != "expression_statement" or len(node.named_children) != 1:
        return
    said = node.named_children[0]
    target = said.child_by_field_name("left")
    changes = said.type == "augmented_assignment" or (said.type == "assignment" and target is not None)
    calls = said.type == "call" and _text(said.child_by_field_name("function")) not in {b"main", b"solve", b"print"}
    if calls and not _is_in_an_endless_loop(said):
        yield _edit(MutationKind.STATEMENT, node, b"pass")
    if changes and not _feeds_a_loop(said) and (target is None or target.type != "identifier" or _is_set_before(said)):
        yield _edit(MutationKind.STATEMENT, node, b"pass")


def _is_in_an_endless_loop(node: Node) -> bool:
    loop = next((one for one in _ancestors(node) if one.type in LOOPS), None)
    return loop is not None and loop.type in ENDLESS_LOOPS


def _is_set_before(assignment: Node) -> bool:
    """Say whether a variable has a value already, going by the text of the function before the assignment."""
    name = _text(assignment.child_by_field_name("left"))
    around = next((one for one in _ancestors(assignment) if one.type in {"function_definition", "module"}), None)
    before = _text(around)[: assignment.start_byte - around.start_byte] if around is not None else b""
    return (
        assignment.type == "augmented_assignment" or re.search(rb"\b%s\b[^\n]*=" % re.escape(name), before) is not None
    )


def _python_early_ends(node: Node) -> Iterator[Edit]:
    """Take the first that improves, or only the first of all, instead of the best: end the loop there."""
    if node.type != "block" or node.parent is None or not node.named_children:
        return
    is_body = node.parent.type == "for_statement"
    in_if = node.parent.type == "if_statement" and _is_in_a_loop(node)
    last = node.named_children[-1]
    if (is_body or in_if) and last.type in {"expression_statement", "if_statement"}:
        before = _text(node.parent)[: node.start_byte - node.parent.start_byte]
        _, newline, indent = before.rpartition(b"\n")
        if newline and not indent.strip():
            yield Edit(MutationKind.GREEDY, last.end_byte, last.end_byte, b"\n%sbreak" % indent)


PYTHON_RULES: Final[tuple[Rule, ...]] = (
    _comparisons,
    _arithmetic,
    _logic,
    _literals,
    _extremes,
    _python_bounds,
    _python_infinities,
    _python_sorts,
    _python_conditions,
    _python_statements,
    _python_early_ends,
)


# ---- C++ ----


def _cpp_bounds(node: Node) -> Iterator[Edit]:
    """Move the bounds of loops and the indices of arrays by one."""
    moved: Node | None = None
    if node.type == "for_statement":
        condition = node.child_by_field_name("condition")
        moved = condition.child_by_field_name("right") if condition is not None else None
    elif node.type == "subscript_argument_list" and len(node.named_children) == 1:
        moved = node.named_children[0]
    if moved is not None and moved.type in {"identifier", "binary_expression", "call_expression", "field_expression"}:
        yield _edit(MutationKind.OFF_BY_ONE, moved, b"(%s) - 1" % _text(moved))
        yield _edit(MutationKind.OFF_BY_ONE, moved, b"(%s) + 1" % _text(moved))


def _cpp_limits(node: Node) -> Iterator[Edit]:
    if node.type == "identifier" and LIMITS.fullmatch(_text(node)):
        yield _edit(MutationKind.BOUNDARY, node, SMALL_LIMIT)
    if node.type == "preproc_arg" and (new := WIDTHS.get(b" ".join(_text(node).split()))):
        yield _edit(MutationKind.WIDTH, node, new)


def _cpp_widths(node: Node) -> Iterator[Edit]:
    """Make a type narrower: of a variable, or of all that a name or a container's element stands for."""
    if node.type not in {"sized_type_specifier", "primitive_type"} or node.parent is None:
        return
    new = WIDTHS.get(b" ".join(_text(node).split()))
    places = {"declaration", "type_definition", "type_descriptor", "field_declaration", "cast_expression"}
    places |= {"parameter_declaration", "function_definition"}
    if new is not None and node.parent.type in places and not _is_main(node.parent):
        yield _edit(MutationKind.WIDTH, node, new)


def _is_main(node: Node) -> bool:
    declarator = node.child_by_field_name("declarator")
    return _text(declarator).startswith(b"main")


def _cpp_sorts(node: Node) -> Iterator[Edit]:
    if node.type == "call_expression" and _text(_called(node)) in {b"sort", b"stable_sort"}:
        yield from _cpp_sort_calls(node)
    elif node.type in {"template_function", "template_type"}:
        name = node.child_by_field_name("name")
        new = {b"greater": b"less", b"less": b"greater"}.get(_text(name))
        if name is not None and new is not None:
            yield _edit(MutationKind.SORT_ORDER, name, new)


def _cpp_sort_calls(call: Node) -> Iterator[Edit]:
    arguments = call.child_by_field_name("arguments")
    given = [] if arguments is None else arguments.named_children
    if arguments is None or not 2 <= len(given) <= 3:  # noqa: PLR2004 - begin, end, and maybe an order
        return
    begin, end = _text(given[0]), _text(given[1])
    if len(given) == 3:  # noqa: PLR2004 - with an order
        yield _edit(MutationKind.SORT_ORDER, arguments, b"(%s, %s)" % (begin, end))
    if begin.endswith(b".begin()") and end.endswith(b".end()"):
        order = b"".join(b", " + _text(one) for one in given[2:])
        backwards = begin.removesuffix(b"begin()") + b"rbegin(), " + end.removesuffix(b"end()") + b"rend()"
        yield _edit(MutationKind.SORT_ORDER, arguments, b"(%s%s)" % (backwards, order))
    yield _edit(MutationKind.SORT_ORDER, call, b"(void)0")


def _cpp_conditions(node: Node) -> Iterator[Edit]:
    """Negate a condition, or decide it once for all; one that declares a variable stays."""
    if node.type not in {"if_statement", "conditional_expression"}:
        return
    condition = node.child_by_field_name("condition")
    if condition is not None and condition.type == "condition_clause":
        inside = condition.named_children
        condition = inside[0] if len(inside) == 1 and "declaration" not in inside[0].type else None
    if condition is None:
        return
    yield _edit(MutationKind.CONDITION, condition, b"!(%s)" % _text(condition))
    yield _edit(MutationKind.BRANCH, condition, b"true")
    yield _edit(MutationKind.BRANCH, condition, b"false")


def _cpp_statements(node: Node) -> Iterator[Edit]:
    """Leave out a statement: no declaration, no output, and nothing that ends a loop."""
    if node.type in {"break_statement", "continue_statement"} and _is_in_a_loop(node) and not _is_in_a_switch(node):
        yield _edit(MutationKind.STATEMENT, node, b";")
    if node.type != "expression_statement" or len(node.named_children) != 1:
        return
    said = node.named_children[0]
    if said.type in {"assignment_expression", "update_expression"} and not _feeds_a_loop(said):
        yield _edit(MutationKind.STATEMENT, node, b";")
    calls = said.type == "call_expression" and _text(_called(said)) not in {b"printf", b"scanf", b"puts", b"solve"}
    if calls and not _is_in_an_endless_loop(said):
        yield _edit(MutationKind.STATEMENT, node, b";")


def _is_in_a_switch(node: Node) -> bool:
    around = next((one for one in _ancestors(node) if one.type in LOOPS | {"switch_statement"}), None)
    return around is not None and around.type == "switch_statement"


def _cpp_early_ends(node: Node) -> Iterator[Edit]:
    """Take the first that improves, or only the first of all, instead of the best: end the loop there."""
    if node.type != "compound_statement" or node.parent is None or not node.named_children:
        return
    is_body = node.parent.type in {"for_statement", "for_range_loop"}
    in_if = node.parent.type == "if_statement" and _is_in_a_loop(node)
    if (is_body or in_if) and node.named_children[-1].type in {"expression_statement", "if_statement"}:
        yield Edit(MutationKind.GREEDY, node.end_byte - 1, node.end_byte - 1, b"break; ")


CPP_RULES: Final[tuple[Rule, ...]] = (
    _comparisons,
    _arithmetic,
    _logic,
    _literals,
    _extremes,
    _cpp_bounds,
    _cpp_limits,
    _cpp_widths,
    _cpp_sorts,
    _cpp_conditions,
    _cpp_statements,
    _cpp_early_ends,
)
