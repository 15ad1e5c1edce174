"""An interpreter of checktestdata, the language of many organisers' input validators; only what contests use of it.

``INT(1,100,n) SPACE STRING("x") NEWLINE REP(n,SPACE) FLOAT(0,1) END IF(n > 3) … ELSE … END ASSERT(UNIQUE(a,b))``
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

__all__ = ["InvalidError", "UnknownError", "validate"]

TOKEN: Final = re.compile(
    r"\s*(?:#[^\n]*\n?\s*)*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<text>\"(?:\\.|[^\"\\])*\")|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<sign>&&|\|\||<=|>=|==|!=|[-+*/%^<>!(),\[\]=?:]))"
)
BLOCKS: Final = frozenset({"REP", "REPI", "WHILE", "WHILEI", "IF"})
COMPARED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


class InvalidError(Exception):
    """The input is not valid."""


class UnknownError(Exception):
    """The program uses what this interpreter does not know."""


def validate(program: str, text: str) -> None:
    """Raise where an input is not valid."""
    run = _Run(_tokens(program), text)
    run.commands(())
    if run.at != len(text):
        raise InvalidError(f"{len(text) - run.at} characters are left")


def _tokens(program: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    program = program.rstrip() + "\n"
    while at < len(program):
        match = TOKEN.match(program, at)
        if match is None:
            if re.fullmatch(r"\s*(?:#[^\n]*\n?\s*)*", program[at:]):
                break
            raise UnknownError(f"cannot read `{program[at : at + 20]}`")
        found.append((match.lastgroup or "", match[match.lastgroup or 0]))
        at = match.end()
    return found


class _Run:
    def __init__(self, tokens: Sequence[tuple[str, str]], text: str) -> None:
        self.tokens, self.text = tokens, text
        self.pc = self.at = 0
        self.known: dict[Any, Any] = {}

    # ---- commands ----

    def commands(self, ends: Sequence[str]) -> None:
        while self.pc < len(self.tokens) and self.tokens[self.pc][1] not in ends:
            self.command()

    def command(self) -> None:
        name = self.take()
        getattr(self, f"_{name.lower()}", self._unknown(name))()

    def _unknown(self, name: str) -> Callable[[], None]:
        def fail() -> None:
            raise UnknownError(name)

        return fail

    def take(self, expected: str | None = None) -> str:
        if self.pc >= len(self.tokens):
            raise UnknownError("the program ends early")
        kind, word = self.tokens[self.pc]
        if expected is not None and word != expected:
            raise UnknownError(f"`{word}` where `{expected}` is expected ({kind})")
        self.pc += 1
        return word

    def peek(self) -> str:
        return self.tokens[self.pc][1] if self.pc < len(self.tokens) else ""

    def match(self, pattern: str) -> str:
        found = re.compile(pattern, re.DOTALL).match(self.text, self.at)
        if found is None:
            raise InvalidError(f"{pattern} is expected at {self.at}, found {self.text[self.at : self.at + 10]!r}")
        self.at = found.end()
        return found[0]

    def _space(self) -> None:
        self.match(" ")

    def _newline(self) -> None:
        self.match("\n")

    def _eof(self) -> None:
        if self.at != len(self.text):
            raise InvalidError("the end is expected")

    def _int(self) -> None:
        self.take("(")
        low = self.expression()
        self.take(",")
        high = self.expression()
        name = self.variable() if self.optional(",") else None
        self.take(")")
        word = self.match(r"-?\d+")
        if not re.fullmatch(r"0|-?[1-9]\d*", word) or not low <= int(word) <= high:
            raise InvalidError(f"{word} is not in [{low}, {high}]")
        self.store(name, int(word))

    def _float(self, places: bool = False) -> None:  # noqa: FBT001, FBT002 - one command in two forms
        self.take("(")
        low = self.expression()
        self.take(",")
        high = self.expression()
        least = most = None
        if places:
            self.take(",")
            least = self.expression()
            self.take(",")
            most = self.expression()
        name, style = None, ""
        while self.optional(","):
            if self.peek() in {"FIXED", "SCIENTIFIC"}:
                style = self.take()
            else:
                name = self.variable()
        self.take(")")
        exponent = "" if style == "FIXED" or places else r"(?:[eE][+-]?\d+)?"
        word = self.match(rf"-?(?:0|[1-9]\d*)(?:\.\d+)?{exponent}")
        digits = len(word.partition(".")[2])
        if not Decimal(low) <= Decimal(word) <= Decimal(high) or (least is not None and not least <= digits <= most):
            raise InvalidError(f"{word} is not in [{low}, {high}]")
        self.store(name, Decimal(word))

    def _floatp(self) -> None:
        self._float(places=True)

    def _string(self) -> None:
        self.take("(")
        wanted = self.expression()
        self.take(")")
        self.match(re.escape(wanted))

    def _regex(self) -> None:
        self.take("(")
        pattern = self.expression()
        name = self.variable() if self.optional(",") else None
        self.take(")")
        self.store(name, self.match(pattern))

    def _assert(self) -> None:
        self.take("(")
        holds = self.test()
        self.take(")")
        if not holds:
            raise InvalidError("an assertion does not hold")

    def _set(self) -> None:
        self.take("(")
        while True:
            name = self.variable()
            self.take("=")
            self.store(name, self.expression())
            if not self.optional(","):
                break
        self.take(")")

    def _unset(self) -> None:
        self.take("(")
        while True:
            name = self.take()
            self.known = {key: value for key, value in self.known.items() if key[0] != name}
            if not self.optional(","):
                break
        self.take(")")

    def _rep(self, *, index: bool = False) -> None:
        self.take("(")
        name = self.variable() if index else None
        if index:
            self.take(",")
        count = self.expression()
        self.loop(lambda turn: turn < count, name)

    def _repi(self) -> None:
        self._rep(index=True)

    def _while(self, *, index: bool = False) -> None:
        self.take("(")
        name = self.variable() if index else None
        if index:
            self.take(",")
        start = self.pc

        def goes_on(_: int) -> bool:
            back, self.pc = self.pc, start
            holds = self.test()
            self.after_test, self.pc = self.pc, back
            return holds

        if name is not None:
            self.store(name, 0)
        goes_on(0)
        self.pc = self.after_test
        self.loop(goes_on, name)

    after_test = 0

    def _whilei(self) -> None:
        self._while(index=True)

    def loop(self, goes_on: Callable[[int], bool], name: Any) -> None:  # noqa: ANN401 - a place
        separator: tuple[int, int] | None = None
        if self.optional(","):
            begin = self.pc
            self.skip(")", count_brackets=True)
            separator = begin, self.pc
        self.take(")")
        body = self.pc
        self.skip("END")
        end = self.pc
        turn = 0
        while True:
            if name is not None:
                self.store(name, turn)
            if not goes_on(turn):
                break
            if turn and separator:
                self.pc = separator[0]
                while self.pc < separator[1]:
                    self.command()
            self.pc = body
            self.commands(("END",))
            turn += 1
        self.pc = end
        self.take("END")

    def _if(self) -> None:
        self.take("(")
        holds = self.test()
        self.take(")")
        if holds:
            self.commands(("ELSE", "END"))
            if self.peek() == "ELSE":
                self.take()
                self.skip("END")
        else:
            self.skip("ELSE", "END")
            if self.take() == "ELSE":
                self.commands(("END",))
            else:
                self.pc -= 1
        self.take("END")

    def skip(self, *ends: str, count_brackets: bool = False) -> None:
        depth = 0
        while True:
            word = self.peek()
            if not word:
                raise UnknownError("a block does not end")
            if depth == 0 and word in ends:
                return
            if count_brackets:
                depth += (word == "(") - (word == ")")
            else:
                depth += (word in BLOCKS) - (word == "END")
            self.pc += 1

    def optional(self, word: str) -> bool:
        if self.peek() == word:
            self.pc += 1
            return True
        return False

    # ---- values ----

    def variable(self) -> tuple[str, tuple[Any, ...]]:
        name = self.take()
        indexes: list[Any] = []
        if self.optional("["):
            indexes.append(self.expression())
            while self.optional(","):
                indexes.append(self.expression())
            self.take("]")
        return name, tuple(indexes)

    def store(self, place: tuple[str, tuple[Any, ...]] | None, value: Any) -> None:  # noqa: ANN401 - any value
        if place is not None:
            self.known[place] = value

    def expression(self) -> Any:  # noqa: ANN401 - any value
        value = self.term()
        while self.peek() in {"+", "-"}:
            sign = self.take()
            other = self.term()
            value = value + other if sign == "+" else value - other
        return value

    def term(self) -> Any:  # noqa: ANN401 - any value
        value = self.power()
        while self.peek() in {"*", "/", "%"}:
            sign = self.take()
            other = self.power()
            if sign == "*":
                value *= other
            elif isinstance(value, Decimal) or isinstance(other, Decimal):
                value = Decimal(value) / Decimal(other)
            else:
                whole = abs(value) // abs(other) * (1 if (value < 0) == (other < 0) else -1)
                value = whole if sign == "/" else value - whole * other
        return value

    def power(self) -> Any:  # noqa: ANN401 - any value
        value = self.factor()
        return value ** self.power() if self.optional("^") else value

    def factor(self) -> Any:  # noqa: ANN401 - any value
        kind, word = self.tokens[self.pc]
        if word == "-":
            self.pc += 1
            return -self.power()
        if word == "(":
            self.pc += 1
            value = self.expression()
            self.take(")")
            return value
        if kind == "number":
            self.pc += 1
            return int(word) if word.isdigit() else Decimal(word)
        if kind == "text":
            self.pc += 1
            return re.sub(
                r"\\(.)", lambda m: {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}.get(m[1], "\\" + m[1]), word[1:-1]
            )
        if word == "STRLEN":
            self.pc += 1
            self.take("(")
            value = len(self.expression())
            self.take(")")
            return value
        place = self.variable()
        if place not in self.known:
            raise UnknownError(f"{place[0]} is not set")
        return self.known[place]

    def test(self) -> bool:
        value = self.conjunction()
        while self.optional("||"):
            other = self.conjunction()
            value = value or other
        return value

    def conjunction(self) -> bool:
        value = self.simple_test()
        while self.optional("&&"):
            other = self.simple_test()
            value = value and other
        return value

    def simple_test(self) -> bool:
        word = self.peek()
        if word == "!":
            self.pc += 1
            return not self.simple_test()
        if word in {"ISEOF", "UNIQUE", "INARRAY", "MATCH"}:
            return self.question(self.take())
        if word == "(":
            back = self.pc
            try:
                self.pc += 1
                value = self.test()
                self.take(")")
            except (UnknownError, KeyError):
                self.pc = back
            else:
                if self.peek() not in {*COMPARED, "+", "-", "*", "/", "%", "^"}:
                    return value
                self.pc = back
        left = self.expression()
        sign = self.take()
        if sign not in COMPARED:
            raise UnknownError(f"`{sign}` is not a comparison")
        return COMPARED[sign](left, self.expression())

    def question(self, name: str) -> bool:
        if name == "ISEOF":
            return self.at == len(self.text)
        self.take("(")
        if name == "MATCH":
            characters = self.expression()
            self.take(")")
            return self.at < len(self.text) and self.text[self.at] in characters
        if name == "INARRAY":
            value = self.expression()
            self.take(",")
            array = self.take()
            self.take(")")
            return any(key[0] == array and each == value for key, each in self.known.items())
        arrays = [self.take()]
        while self.optional(","):
            arrays.append(self.take())
        self.take(")")
        rows = [
            tuple(self.known.get((array, key[1])) for array in arrays)
            for key in list(self.known)
            if key[0] == arrays[0]
        ]
        return len(set(rows)) == len(rows)
