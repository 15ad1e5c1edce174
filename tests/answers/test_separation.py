"""Reasoning, answer and code of one response come apart as a reader would take them apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.answers import (
    Case,
    Ending,
    FencePolicy,
    Separated,
    Separation,
    extract_code,
    separate_text,
    split_thought,
)
from ocr_pipeline.tables import Language

CODE = "n = int(input())\nprint(n)"
ANSWER = f"Read and print.\n\n```python\n{CODE}\n```\n"


def apart(text: str, *, policy: FencePolicy = FencePolicy.LAST, cut: bool = False) -> Separated:
    """Separate an answer that was asked for in Python."""
    return separate_text(text.encode(), Language.PYTHON, policy, ending=Ending.LENGTH if cut else Ending.WHOLE)


def reasoning_of(text: str, parts: Separated) -> str:
    """Return the text of the reasoning span."""
    assert parts.reasoning is not None
    return text.encode()[parts.reasoning.start : parts.reasoning.end].decode()


def answer_of(text: str, parts: Separated) -> str:
    """Return the text of the answer span."""
    assert parts.answer is not None
    return text.encode()[parts.answer.start : parts.answer.end].decode()


def code_of(parts: Separated) -> str | None:
    """Return the code as text."""
    return None if parts.code is None else parts.code.decode()


class TestTags:
    """Which tags count, and what their absence means."""

    def test_both_tags(self) -> None:
        """With both tags the spans are exactly what stands between and behind them."""
        text = f"<think>\nHm.\n</think>\n{ANSWER}"
        parts = apart(text)
        assert parts.separation is Separation.OK
        assert (reasoning_of(text, parts), answer_of(text, parts)) == ("\nHm.\n", f"\n{ANSWER}")
        assert code_of(parts) == CODE

    def test_only_the_closing_tag(self) -> None:
        """Without an opening tag the template had written it: the reasoning begins with the text."""
        text = f"Hm.\n</think>{ANSWER}"
        parts = apart(text)
        assert parts.separation is Separation.OK
        assert parts.cases == (Case.ONLY_CLOSING_TAG,)
        assert reasoning_of(text, parts) == "Hm.\n"

    def test_no_tags(self) -> None:
        """Without tags everything is answer, and its code is still found."""
        parts = apart(ANSWER)
        assert parts.separation is Separation.NO_THINK
        assert (parts.reasoning, code_of(parts)) == (None, CODE)

    def test_unclosed(self) -> None:
        """A thought that is not closed has no answer, whatever code it holds."""
        parts = apart(f"<think>\nMaybe:\n{ANSWER}")
        assert parts.separation is Separation.UNCLOSED_THINK
        assert (parts.answer, parts.code, parts.reasoning_has_code) == (None, None, True)

    def test_truncated_thought(self) -> None:
        """A length stop inside the thought is named truncated first, unclosed second."""
        parts = apart("<think>\nMaybe", cut=True)
        assert parts.reasons == (Separation.TRUNCATED, Separation.UNCLOSED_THINK)

    def test_truncated_answer_keeps_its_code(self) -> None:
        """A length stop after the code is truncated all the same; the code is kept beside."""
        parts = apart(f"<think>Hm.</think>{ANSWER}And now", cut=True)
        assert (parts.separation, code_of(parts)) == (Separation.TRUNCATED, CODE)

    @pytest.mark.parametrize("thought", ["", " ", "\n\n", "\r\n\t"])
    def test_empty_reasoning(self, thought: str) -> None:
        """Tags with nothing but white space between them are empty reasoning."""
        assert apart(f"<think>{thought}</think>{ANSWER}").separation is Separation.EMPTY_REASONING

    def test_empty_answer(self) -> None:
        """A closed thought that nothing follows is an empty answer."""
        assert apart("<think>Hm.</think>\n \n").separation is Separation.EMPTY_ANSWER

    @pytest.mark.parametrize("text", ["", " \n", "\ufeff", "\ufeff\n"])
    def test_empty_response(self, text: str) -> None:
        """A response of nothing has its own name."""
        assert apart(text).separation is Separation.EMPTY_RESPONSE

    def test_several_closings(self) -> None:
        """After several real closing tags the answer begins behind the last."""
        text = f"<think>A</think>\nNo, wait.\n</think>\n{ANSWER}"
        parts = apart(text)
        assert parts.separation is Separation.SEVERAL_CLOSINGS
        assert answer_of(text, parts) == f"\n{ANSWER}"

    def test_thought_reopened_and_left_open(self) -> None:
        """A new thought after the answer that is never closed leaves the response unfinished."""
        assert Separation.UNCLOSED_THINK in apart(f"<think>A</think>{ANSWER}\n<think>\nWait").reasons

    def test_thought_reopened_and_closed(self) -> None:
        """Two closed thoughts are several closings."""
        assert apart(f"<think>A</think>B\n<think>C</think>{ANSWER}").separation is Separation.SEVERAL_CLOSINGS

    def test_text_before_the_thought(self) -> None:
        """A greeting before the tag is not reasoning."""
        text = f"Sure!\n<think>Hm.</think>{ANSWER}"
        parts = apart(text)
        assert (reasoning_of(text, parts), parts.cases) == ("Hm.", (Case.TEXT_BEFORE_THINK,))

    def test_byte_order_mark(self) -> None:
        """A byte order mark is neither reasoning nor a reason."""
        text = f"\ufeff<think>Hm.</think>{ANSWER}"
        parts = apart(text)
        assert (parts.separation, parts.cases, reasoning_of(text, parts)) == (Separation.OK, (Case.BOM,), "Hm.")

    def test_zero_width_space_before_the_thought(self) -> None:
        """A character that nobody sees does not hide the opening tag."""
        text = f"\u200b<think>Hm.</think>{ANSWER}"
        assert reasoning_of(text, apart(text)) == "Hm."


QUOTED = [
    "The tag `</think>` ends it.",
    'print("</think>") would do.',
    "s.split('</think>')[1] it is.",
    "The word “</think>” ends it.",
    "I write `<think> … </think>` around it.",
    'It says "use <think> and </think> tags" there.',
    "```\n<think>\nlike so\n</think>\n```\nThat is the form.",
    "~~~text\n</think>\n~~~",
]


class TestQuotedTags:
    """A tag that is only spoken of does not count."""

    @pytest.mark.parametrize("quote", QUOTED)
    def test_in_the_reasoning(self, quote: str) -> None:
        """A tag spoken of in the thought does not end it."""
        text = f"<think>\n{quote}\nGo on.\n</think>\n{ANSWER}"
        parts = apart(text)
        assert parts.separation is Separation.OK
        assert reasoning_of(text, parts) == f"\n{quote}\nGo on.\n"
        assert answer_of(text, parts) == f"\n{ANSWER}"

    @pytest.mark.parametrize("quote", QUOTED)
    def test_in_the_answer(self, quote: str) -> None:
        """A tag spoken of in the answer does not begin it again."""
        text = f"<think>\nHm.\n</think>\n{quote}\n\n{ANSWER}"
        parts = apart(text)
        assert parts.separation is Separation.OK
        assert reasoning_of(text, parts) == "\nHm.\n"
        assert code_of(parts) == CODE
        assert Case.QUOTED_TAG in parts.cases

    @pytest.mark.parametrize("quote", QUOTED)
    def test_as_the_only_one(self, quote: str) -> None:
        """A thought in which the tag is only spoken of is unclosed."""
        assert apart(f"<think>\n{quote}\nGo on").separation is Separation.UNCLOSED_THINK

    def test_in_the_program(self) -> None:
        """A program that prints the tag keeps it."""
        code = 'print("</think>")\ntag = """\n<think>\n</think>\n"""'
        parts = apart(f"<think>Hm.</think>\n```python\n{code}\n```\n")
        assert (parts.separation, code_of(parts)) == (Separation.OK, code)

    def test_fence_forgotten_in_the_reasoning(self) -> None:
        """A fence that the thought forgot to close does not hide the real tag."""
        parts = apart(f"<think>\n```python\nx = 1\n\nSo be it.\n</think>\n{ANSWER}")
        assert (parts.separation, code_of(parts), parts.reasoning_has_code) == (Separation.OK, CODE, True)

    def test_bare_fence_forgotten_in_the_reasoning(self) -> None:
        """Nor does it when the answer's fence has no language that would tell it from a closing one."""
        parts = apart(f"<think>\n```\nx = 1\n\nSo be it.\n</think>\nHere:\n```\n{CODE}\n```\n")
        assert (parts.separation, code_of(parts)) == (Separation.OK, CODE)


FENCES = [
    ("backticks", f"```python\n{CODE}\n```", CODE),
    ("no language", f"```\n{CODE}\n```", CODE),
    ("tildes", f"~~~python\n{CODE}\n~~~", CODE),
    ("four backticks around three", f"````python\n{CODE}\n# ```\n````", f"{CODE}\n# ```"),
    ("bare fence line in longer fence", "````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''"),
    ("tildes around backticks", "~~~python\ns = '''\n```\n'''\n~~~", "s = '''\n```\n'''"),
    ("markdown around python", f"````markdown\nLike so:\n```python\n{CODE}\n```\n````", CODE),
    ("markdown around python, same length", f"```markdown\n```python\n{CODE}\n```\n```", CODE),
    ("fence in a docstring", 'A:\n```python\ndef f():\n    """\n    ```\n    f()\n    ```\n    """\n```', None),
    (
        "list item",
        "1. Program:\n   ```python\n   n = 1\n   if n:\n       print(n)\n   ```",
        "n = 1\nif n:\n    print(n)",
    ),
    ("on the list item's line", "- ```python\n  n = 1\n  ```", "n = 1"),
    ("CRLF", "```python\r\nn = 1\r\nprint(n)\r\n```\r\n", "n = 1\nprint(n)"),
    ("info words", f'```python title="a.py"\n{CODE}\n```', CODE),
    ("attributes", f"```{{.python}}\n{CODE}\n```", None),
    ("space before the language", f"``` python\n{CODE}\n```", CODE),
    ("trailing white space", f"```python   \n{CODE}\n```   ", CODE),
    ("no newline at the end", f"```python\n{CODE}\n```", CODE),
    ("blank line kept", f"```python\n\n{CODE}\n\n```", f"\n{CODE}\n"),
    ("empty", "```python\n```", ""),
    ("BOM in the code", f"```python\n\ufeff{CODE}\n```", CODE),
    ("code of other scripts", "```python\nprint('héllo 世界')\n```", "print('héllo 世界')"),
    ("sample output after", f"```python\n{CODE}\n```\nOutput:\n```\n3\n```", CODE),
    ("shell before and text after", f"```bash\npython a.py\n```\n```python\n{CODE}\n```\n```text\n3\n```", CODE),
    ("other language after", f"```python\n{CODE}\n```\nIn C++:\n```cpp\nint main() {{}}\n```", CODE),
    ("untagged program after a draft", f"```python\nx = 0\n```\nBetter:\n```\n{CODE}\n```", CODE),
    ("inline triple backticks", f"Use ```x = 0``` here.\n```python\n{CODE}\n```", CODE),
    ("second left open", f"```python\n{CODE}\n```\n```python\nx = ", CODE),
    ("zero-width space before the fence", f"\u200b```python\n{CODE}\n```", CODE),
    ("byte order mark before the fence", f"\ufeff```python\n{CODE}\n```", CODE),
    ("no-break spaces before the fence", f"\u00a0\u00a0```python\n{CODE}\n\u00a0\u00a0```", CODE),
    *(
        (f"{info} before its output", f"```{info}\n{CODE}\n```\nIt prints:\n```text\n3\n```", CODE)
        for info in ("python3.11", "Python 3", "py:main.py", "python=", "[python]", "{python}", "{.python}", "python-3")
    ),
]


class TestFences:
    """Which fence holds the code, and what the code is."""

    @pytest.mark.parametrize(("name", "answer", "code"), FENCES, ids=[name for name, _, _ in FENCES])
    def test_code_of_an_answer(self, name: str, answer: str, code: str | None) -> None:
        """Each way to write a fence gives the program inside."""
        parts = apart(f"<think>Hm.</think>\n{answer}")
        assert parts.separation is Separation.OK, name
        assert code_of(parts) is not None
        assert code is None or code_of(parts) == code

    def test_docstring_fences_are_content(self) -> None:
        """Fence lines indented like the code around them do not end it."""
        code = 'def f():\n    """\n    ```\n    f()\n    ```\n    """\n    return 1'
        assert code_of(apart(f"<think>Hm.</think>\n```python\n{code}\n```\n")) == code

    @pytest.mark.parametrize(("policy", "code"), [(FencePolicy.LAST, "b = 2"), (FencePolicy.FIRST, "a = 1")])
    def test_policy(self, policy: FencePolicy, code: str) -> None:
        """Of several programs the policy chooses; both fences are recorded."""
        parts = apart("<think>Hm.</think>\n```python\na = 1\n```\nor\n```python\nb = 2\n```\n", policy=policy)
        assert (code_of(parts), len(parts.fences), Case.SEVERAL_FENCES in parts.cases) == (code, 2, True)

    def test_wrong_language_is_noticed(self) -> None:
        """The only fence is taken although it says another language, and that is noted."""
        parts = apart("<think>Hm.</think>\n```cpp\nint main() {}\n```\n")
        assert (code_of(parts), Case.WRONG_FENCE_LANGUAGE in parts.cases) == ("int main() {}", True)

    @pytest.mark.parametrize("info", ["c++23", "cpp20", "C++ 17", "cpp-17", "cpp,linenos"])
    def test_versions_of_cpp(self, info: str) -> None:
        """C++ with a version behind it is C++, so what it prints is not taken for the code."""
        text = f"<think>Hm.</think>\n```{info}\nint main() {{}}\n```\n```text\n3\n```\n"
        parts = separate_text(text.encode(), Language.CPP, FencePolicy.LAST)
        assert (code_of(parts), Case.WRONG_FENCE_LANGUAGE in parts.cases) == ("int main() {}", False)

    def test_unclosed_fence(self) -> None:
        """A fence that stays open holds no complete code."""
        parts = apart(f"<think>Hm.</think>\n```python\n{CODE}")
        assert (parts.separation, parts.code) == (Separation.UNCLOSED_FENCE, None)

    def test_prose_only(self) -> None:
        """An answer of prose holds no code."""
        parts = apart("<think>Hm.</think>\nSort it, then print it.")
        assert (parts.separation, parts.cases) == (Separation.NO_CODE, ())

    @pytest.mark.parametrize("before", ["\n", "", "\nSo:\n", " "])
    def test_code_without_fence(self, before: str) -> None:
        """Code outside fences is not code for us, and is noticed, also right behind the tag."""
        parts = apart(f"<think>Hm.</think>{before}import sys\nprint(sys.argv)\n")
        assert (parts.separation, parts.cases) == (Separation.NO_CODE, (Case.CODE_OUTSIDE_FENCE,))

    def test_non_ascii_start_is_kept(self) -> None:
        """An answer that begins with another script is kept: the released recipe drops it."""
        parts = apart(f"<think>Hm.</think>\n这是答案:\n{ANSWER}")
        assert (parts.separation, parts.cases) == (Separation.OK, (Case.NON_ASCII_START,))

    @pytest.mark.parametrize(
        ("thought", "expected"),
        [
            ("def f(): is the code, for i in range(3): pass", False),
            ("inline `x = 1` and ```y = 2``` only", False),
            ("a draft:\n```python\nx = 1\n```\n", True),
            ("a draft:\n  ~~~\nx = 1\n  ~~~\n", True),
            ("a draft that stays open:\n```python\nx = 1\n", True),
        ],
    )
    def test_reasoning_has_code_by_fences(self, thought: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
        """Reasoning holds code when it holds a fence, not when it speaks of code."""
        assert apart(f"<think>{thought}</think>\n{ANSWER}").reasoning_has_code is expected

    def test_extract_code_without_a_language(self) -> None:
        """Evaluation takes the last complete fence of a whole answer."""
        assert extract_code("```\na\n```\n```py\nb\n```") == "b"
        assert extract_code("```\na\n```\n```py\nb\n```", FencePolicy.FIRST) == "a"
        assert extract_code("no code") is None


WORDS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="`~<>\"'\ufeff"), min_size=1).filter(
    str.strip
)
PIECES = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "```", "```python\n", "~~~", "\n", " ", "`", '"', "x = 1", "é", "世", "\r\n"]
    )
)


class TestTextParts:
    """Reasoning and answer as text, for readers that need no offsets."""

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("<think>Hm.</think>Yes", ("Hm.", "Yes")),
            ("Hm.</think>Yes", ("Hm.", "Yes")),
            ("Yes", (None, "Yes")),
            ("<think>Hm", ("Hm", None)),
            ("odd \ud83d sign", (None, "odd ? sign")),
        ],
    )
    def test_parts(self, text: str, parts: tuple[str | None, str | None]) -> None:
        """A part that never began is None."""
        assert split_thought(text) == parts


class TestProperties:
    """What holds for every text."""

    @given(WORDS, WORDS)
    def test_round_trip(self, thought: str, answer: str) -> None:
        """Spans slice the UTF-8 of any text back into what it was made of."""
        text = f"<think>{thought}</think>{answer}"
        parts = apart(text)
        assert (reasoning_of(text, parts), answer_of(text, parts)) == (thought, answer)

    @given(WORDS, WORDS, st.sampled_from(["```", "````", "~~~", "~~~~~"]))
    def test_code_round_trip(self, thought: str, code: str, sign: str) -> None:
        """The code of a fence is the code that was put in, with LF newlines."""
        parts = apart(f"<think>{thought}</think>\n{sign}python\n{code}\n{sign}\n")
        assert code_of(parts) == code.replace("\r\n", "\n").removesuffix("\r")

    @given(PIECES.map("".join))
    def test_any_text_has_one_verdict_and_valid_spans(self, text: str) -> None:
        """No text fails: spans are ordered, lie on character borders, and hold what they say."""
        raw = text.encode()
        parts = apart(text)
        previous = 0
        for span in (parts.reasoning, parts.answer):
            if span is not None:
                assert previous <= span.start <= span.end <= len(raw)
                raw[span.start : span.end].decode()
                previous = span.end
        for fence in parts.fences:
            assert parts.answer is not None
            assert parts.answer.start <= fence.start <= fence.end <= parts.answer.end
            raw[fence.start : fence.end].decode()
        assert (parts.code is None) or parts.fences
        assert parts.separation is not Separation.OK or parts.code is not None

    @pytest.mark.parametrize("crowd", ["<", "` ", "~ "])
    def test_a_crowd_of_first_bytes_hides_nothing(self, crowd: str) -> None:
        """Tags and fences behind more of their first bytes than are looked at one by one are still found."""
        text = f"<think>\n{crowd * 1_000}\n</think>\n{crowd * 1_000}\n</think>\n~~~python\n{CODE}\n~~~\n"
        parts = apart(text)
        assert (parts.separation, code_of(parts)) == (Separation.SEVERAL_CLOSINGS, CODE)

    @pytest.mark.timeout(20)
    @pytest.mark.parametrize(
        "piece",
        ["</think>", "<think>", "```\n", "```python\n", "~~~ x\n```\n", "`</think>", "\n", "'", "</think> `", "x ``` "],
    )
    def test_hostile_repetition_is_not_quadratic(self, piece: str) -> None:
        """Fifty thousand repetitions of any piece, as thought and as answer, are taken apart at once; the limit watches."""
        assert apart("<think>" + piece * 50_000).separation is not Separation.REQUEST_FAILED
        assert apart("<think>Hm.</think>\n" + piece * 50_000).separation is not Separation.REQUEST_FAILED
