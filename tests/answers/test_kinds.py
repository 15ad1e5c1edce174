"""The kinds of answers that models write beside the plain one: each gives the program that a reader would take."""

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
    ending_of,
    extract_code,
    says,
    separate_text,
    split_thought,
)
from ocr_pipeline.tables import Language

PY = "n = int(input())\nprint(n * 2)"
CPP = '#include <iostream>\nint main() {\n    int n;\n    std::cin >> n;\n    std::cout << n * 2 << "\\n";\n}'
SOLVE = "def solve(n):\n    return n * 2\n\nprint(solve(int(input())))"
DOCSTRING = f'HELP = """\n```\nsolve 4\n```\n"""\n{PY}'


def apart(answer: str, language: Language = Language.PYTHON) -> Separated:
    """Separate an answer behind a thought."""
    return separate_text(f"<think>\nDouble it.\n</think>\n\n{answer}".encode(), language, FencePolicy.LAST)


def program(parts: Separated) -> str | None:
    """Return the program of a response that nothing speaks against."""
    return parts.code.decode() if parts.code is not None and parts.is_program and not parts.reasons else None


def fenced(code: str, info: str = "python") -> str:
    """Return code in a fence."""
    return f"```{info}\n{code}\n```\n"


CHOICES = [
    ("an untagged trace", fenced(PY) + "Tracing:\n" + fenced("n = 4\nresult = 8", "")),
    ("an untagged table", fenced(PY) + fenced("dp = [0, 1, 1, 2]\nbest = 2", "")),
    ("prose in a fence", fenced(PY) + fenced("if n is even print it", "")),
    ("an output", fenced(PY) + fenced("8", "")),
    ("an output before it", fenced("8", "") + fenced(PY)),
    ("an empty fence", fenced(PY) + "```python\n```\n"),
    ("a comment", fenced(PY) + fenced("# Complexity: O(1)")),
    ("a comment that speaks of reading", fenced(PY) + fenced("# then print(input())")),
    ("a run in a shell", fenced(PY) + fenced("echo 4 | python a.py", "bash")),
    ("another language", fenced(PY) + fenced(CPP, "cpp")),
    ("an untagged helper", fenced(PY) + fenced("def unused():\n    pass", "")),
    ("a draft that is not a program", fenced("x = 0") + fenced(PY, "")),
    ("a worse draft", fenced("print(input())") + fenced(PY)),
    ("a helper in the same language", fenced(PY) + fenced("def unused():\n    pass")),
]


class TestChoice:
    """Which of several fences holds the program."""

    @pytest.mark.parametrize(("name", "answer"), CHOICES, ids=[name for name, _ in CHOICES])
    def test_program_beats(self, name: str, answer: str) -> None:
        """The whole program in the asked language is taken, whatever is beside it."""
        assert program(apart(answer)) == PY, name

    def test_usage_line(self) -> None:
        """A call that shows how to use the program is not the program."""
        assert program(apart(fenced(SOLVE) + "Example call:\n" + fenced("print(solve(4))  # 8"))) == SOLVE

    def test_function_and_its_usage(self) -> None:
        """A class that is asked for is taken, not the lines that try it out."""
        code = "class Solution:\n    def f(self, n):\n        return n"
        assert program(apart(fenced(code) + fenced("print(Solution().f(4))"))) == code

    def test_trace_after_cpp(self) -> None:
        """Lines that end as C++ does are not a program of C++."""
        assert program(apart(fenced(CPP, "cpp") + fenced("i = 0; sum = 0;", ""), Language.CPP)) == CPP

    @pytest.mark.parametrize(
        "answer",
        [
            fenced("def twice(n):\n    return n * 2") + fenced("print(twice(int(input())))"),
            fenced("n = int(input())") + fenced("print(n * 2)"),
            fenced("In [1]: n = int(input())\nIn [2]: print(n * 2)"),
        ],
    )
    def test_program_in_pieces(self, answer: str) -> None:
        """No single piece is the program when each needs another one."""
        assert program(apart(answer)) is None

    def test_program_that_defines_the_same_name(self) -> None:
        """A later whole version that repeats the helper is whole."""
        whole = "def twice(n):\n    return n * 2\n\nprint(twice(int(input())))"
        assert program(apart(fenced("def twice(n):\n    return n + n") + fenced(whole))) == whole

    @pytest.mark.parametrize("code", ["8", "n = 4\nresult = 8", "sorted(values)", "x: int = 3"])
    def test_what_does_nothing_is_no_program(self, code: str) -> None:
        """Code that neither reads nor prints nor defines is not a program; it is still in the row."""
        parts = apart(fenced(code))
        assert (parts.separation, parts.code, parts.is_program) == (Separation.OK, code.encode(), False)

    @pytest.mark.parametrize(
        "code",
        ["print('Hello')", "def f(n):\n    return n", "f = lambda n: n", "import sys\nsys.stdout.write('1')", PY],
    )
    def test_what_does_something_is_a_program(self, code: str) -> None:
        """A program reads, prints, or defines what may be asked."""
        assert program(apart(fenced(code))) == code

    def test_students_are_read_by_the_same_rule(self) -> None:
        """A text without a thought gives the same program."""
        assert extract_code(fenced(PY) + fenced("8", ""), language=Language.PYTHON) == PY


class TestTags:
    """How the asked language is spelled behind a fence."""

    @pytest.mark.parametrize(
        "info",
        [
            "ipython",
            "pycon",
            "code",
            "python#main",
            "python|3",
            "<python>",
            "solution.py",
            "python-3.11",
            "Python3 (PyPy)",
            "py3",
            "language-python",
            "python/main",
            "title=main.py",
            "{.python .numberLines}",
            "PYTHON:",
            "src/a.py",
        ],
    )
    def test_python(self, info: str) -> None:
        """The program behind any spelling comes before the output that follows it."""
        assert program(apart(fenced(PY, info) + "Output:\n" + fenced("8", ""))) == PY

    @pytest.mark.parametrize(
        "info", ["g++", "gnu++17", "arduino", "C/C++", "cplusplus", "main.cpp", "c++2a", "C++ (GCC 12)", "cc", "g++-13"]
    )
    def test_cpp(self, info: str) -> None:
        """So does one in C++."""
        assert program(apart(fenced(CPP, info) + fenced("8", ""), Language.CPP)) == CPP

    @pytest.mark.parametrize("info", ["c#", "java", "text", "f#", "objective-c", "javascript", "pythonista", ""])
    def test_other_words(self, info: str) -> None:
        """Other languages are not ours, however near their names are."""
        assert not says(info, Language.CPP)
        assert not says(info, Language.PYTHON)

    def test_language_on_the_first_line(self) -> None:
        """A language on a line of its own inside the fence is not part of the program."""
        assert program(apart(fenced(f"python\n{PY}", ""))) == PY


FORMS = [
    ("block quote", "> ```python\n> n = int(input())\n> print(n * 2)\n> ```\n", PY),
    ("block quote in a list", "1. So:\n   > ```python\n   > n = int(input())\n   > print(n * 2)\n   > ```\n", PY),
    ("behind a sentence", f"Here it is:```python\n{PY}\n```\n", PY),
    ("behind a sentence and a space", f"**Code:** ```python\n{PY}\n```\n", PY),
    ("on one line", "```python print(int(input()) * 2)```\n", "print(int(input()) * 2)"),
    ("HTML", f'<pre><code class="language-python">{PY}\n</code></pre>\n', PY),
    (
        "HTML with entities",
        "<pre><code>if int(input()) &lt; 3:\n    print(1)</code></pre>",
        "if int(input()) < 3:\n    print(1)",
    ),
    ("HTML without pre", f"<code>\n{PY}\n</code>", PY),
    ("wide backticks", f"\uff40\uff40\uff40python\n{PY}\n\uff40\uff40\uff40\n", PY),
    ("quotes for backticks", f"'''python\n{PY}\n'''\n", PY),
    ("indented", f"Answer:\n\n    {PY}\n".replace("\nprint", "\n    print"), PY),
    ("indented by a tab", f"Answer:\n\n\t{PY}\n".replace("\nprint", "\n\tprint"), PY),
    ("LaTeX", f"\\begin{{lstlisting}}[language=Python]\n{PY}\n\\end{{lstlisting}}\n", PY),
    ("minted", f"\\begin{{minted}}{{python}}\n{PY}\n\\end{{minted}}\n", PY),
    ("BBCode", f"[code=python]\n{PY}\n[/code]", PY),
    ("tag of its language", f"<python>\n{PY}\n</python>", PY),
    ("Org", f"#+BEGIN_SRC python\n{PY}\n#+END_SRC\n", PY),
    ("docstring with a fence", fenced(DOCSTRING), DOCSTRING),
    ("the sign written twice", f"``````python\n{PY}\n```\nOutput:\n```\n8\n```\n", PY),
    ("closed on the last line", f"```python\n{PY}```\n", PY),
    ("closed on the last line, output after", f"```python\n{PY}```\nIt prints:\n```\n8\n```\n", PY),
    ("closed with a dot", f"```python\n{PY}\n```.\n", PY),
    ("closed with a sentence", f"```python\n{PY}\n``` This doubles it, as asked.\n", PY),
    (
        "list, partly indented",
        "1. Code:\n   ```python\nn = int(input())\nif n:\n   print(n * 2)\n   ```\n",
        "n = int(input())\nif n:\n   print(n * 2)",
    ),
    ("list with a bullet", "• ```python\n  n = int(input())\n  print(n * 2)\n  ```\n", PY),
    ("nested list", "1. a\n   - ```python\n     n = int(input())\n     print(n * 2)\n     ```\n", PY),
    ("one cell of a notebook", "```python\nIn [3]: n = int(input())\n   ...: print(n * 2)\nOut[3]: 8\n```\n", PY),
    ("a session", "```pycon\n>>> n = int(input())\n>>> print(n * 2)\n8\n```\n", PY),
    *(
        (f"end token {token}", f"```python\n{PY}\n```{token}", PY)
        for token in (
            "<|im_end|>",
            "</s>",
            "<|endoftext|>",
            "<|eot_id|>",
            "<|return|>",
            "<end_of_turn>",
            "<\uff5cend\u2581of\u2581sentence\uff5c>",
        )
    ),
    ("end token and a newline", f"```python\n{PY}\n``` <|im_end|>\n", PY),
]


class TestForms:
    """Code that is set apart in another way than by a plain fence."""

    @pytest.mark.parametrize(("name", "answer", "code"), FORMS, ids=[name for name, _, _ in FORMS])
    def test_program_is_found(self, name: str, answer: str, code: str) -> None:
        """The program is what a reader would copy."""
        assert program(apart(answer)) == code, name

    def test_form_is_counted(self) -> None:
        """What is not a fence is noted, and its span is recorded as one."""
        parts = apart(f"<pre>{PY}</pre>")
        assert (Case.OTHER_FORM in parts.cases, len(parts.fences)) == (True, 1)

    @pytest.mark.parametrize(
        "answer",
        [
            "```python\ndef main():\n    n = int(input())\n\n    print(n)\nmain()",
            "import sys\n\ndef main():\n\n    n = int(input())\n    print(n)\n\nmain()\n",
            "First we read:\n    print(input())\nand go on.",
        ],
    )
    def test_indented_lines_of_something_else(self, answer: str) -> None:
        """The body of a program that was cut or stands without a fence is not a program of its own."""
        assert apart(answer).code is None

    def test_commented_fence_is_content(self) -> None:
        """A fence in a comment of the program does not end it."""
        code = f"# usage:\n# ```\n# solve 4\n# ```\n{PY}"
        assert program(apart(fenced(code))) == code

    def test_end_token_is_not_part_of_the_answer(self) -> None:
        """The token with which a model ends its turn would be learnt."""
        text = f"<think>Hm.</think>\n{fenced(PY)}<|im_end|>\n"
        assert split_thought(text).answer == f"\n{fenced(PY).rstrip()}"

    @given(st.text(st.sampled_from("`~'\"<>/[]{}\\ \n\tapre=:#_-|.In1"), max_size=200))
    def test_any_answer_is_read(self, answer: str) -> None:
        """No text of such signs fails, and what is code lies inside the answer."""
        parts = apart(answer)
        for fence in parts.fences:
            assert parts.answer is not None
            assert parts.answer.start <= fence.start <= fence.end <= parts.answer.end

    @pytest.mark.timeout(20)
    @pytest.mark.parametrize(
        "piece",
        [
            "<pre>",
            "<code>x",
            "[code]",
            "'''python\n",
            "\\begin{code}",
            "    x\n",
            "> ```\n",
            "a ```",
            "```python x",
            "In [1]: x\n",
            "&lt;pre&gt;",
            "<answer>",
            "/think>",
            "[/THINK]",
            "<|channel|>final",
            "analysis",
            "def f(\n",
            '"""\n```\n',
            '{"code": "',
            '"code": ["x", ',
            "'code': '\\",
            "<parameter=x>",
            "<|python_tag|>",
            "&#60;think&#62;",
            "<details><summary>think</summary>",
            "Thinking...\n",
            "```\n1 x\n```\n",
            "```\n+x\n",
            "```bash\ncat <<EOF\n",
        ],
    )
    def test_repetition_is_not_quadratic(self, piece: str) -> None:
        """Twenty thousand repetitions of any piece are read at once; the limit watches."""
        assert apart(piece * 20_000).separation is not Separation.REQUEST_FAILED
        separate_text((piece * 20_000 + "print(").encode(), Language.PYTHON, FencePolicy.LAST)


DIALECTS = [
    "<THINK>\nDouble.\n</THINK>\n\n",
    "<Think>\nDouble.\n</Think>\n\n",
    "<thinking>\nDouble.\n</thinking>\n\n",
    "<thought>\nDouble.\n</thought>\n\n",
    "<reasoning>\nDouble.\n</reasoning>\n\n",
    "<|begin_of_thought|>\nDouble.\n<|end_of_thought|>\n\n<|begin_of_solution|>\n",
    "<seed:think>Double.</seed:think>\n",
    "<longcat_think>Double.</longcat_think>\n",
    "◁think▷Double.◁/think▷\n",
    "[THINK]Double.[/THINK]\n",
    "analysisDouble it.assistantfinal",
    "<|channel|>analysis<|message|>Double.<|end|><|start|>assistant<|channel|>final<|message|>",
    "< think >\nDouble.\n< /think >\n\n",
    "<思考>\n乘以二。\n</思考>\n\n",
    "<réflexion>Double.</réflexion>\n",
    "<pensamiento>Doble.</pensamiento>\n",
    "&lt;think&gt;\nDouble.\n&lt;/think&gt;\n\n",
    "\\<think\\>Double.\\</think\\>\n",
    "<|think|>Double.<|/think|>\n",
    "<|START_THINKING|>Double.<|END_THINKING|>\n",
    "Here is my thought process:\nDouble.\nHere is my response:\n",
    "<think>\nDouble.\n</thinking>\n",
    "Double.\n</thinking>\n",
    "Double.\n[/THINK]\n",
    "Double.\n<|end_of_thought|>\n",
]


class TestThinkTags:
    """How teachers mark their reasoning."""

    @pytest.mark.parametrize("thought", DIALECTS)
    def test_dialect(self, thought: str) -> None:
        """Reasoning and program come apart, and that the tags are others is noted."""
        parts = separate_text((thought + fenced(PY)).encode(), Language.PYTHON, FencePolicy.LAST)
        assert (program(parts), Case.OTHER_TAG in parts.cases) == (PY, True)
        reasoning = (
            (thought + fenced(PY)).encode()[parts.reasoning.start : parts.reasoning.end] if parts.reasoning else b""
        )
        assert reasoning.decode().strip().strip(".。") in {"Double", "Double it", "Doble", "乘以二"}

    def test_own_tags(self) -> None:
        """Tags that are given by name come before the known ones."""
        text = f"[[in]]Double. </think> is a tag.[[out]]\n{fenced(PY)}"
        parts = separate_text(text.encode(), Language.PYTHON, FencePolicy.LAST, think_tags=[("[[in]]", "[[out]]")])
        assert program(parts) == PY

    def test_own_tags_that_are_not_there(self) -> None:
        """A text without them is read as ever."""
        text = f"<think>Double.</think>{fenced(PY)}"
        parts = separate_text(text.encode(), Language.PYTHON, FencePolicy.LAST, think_tags=[("[[in]]", "[[out]]")])
        assert program(parts) == PY

    @pytest.mark.parametrize("opening", ["<THINK>", "<thinking>", "◁think▷", "&lt;think&gt;", "<|begin_of_thought|>"])
    def test_unclosed(self, opening: str) -> None:
        """A thought that is not closed has no answer in any dialect."""
        parts = separate_text(f"{opening}\n{fenced(PY)}".encode(), Language.PYTHON, FencePolicy.LAST)
        assert (parts.separation, parts.answer) == (Separation.UNCLOSED_THINK, None)

    @pytest.mark.parametrize(
        "text", ["[Reasoning] first", "<b>bold</b>", "analysis of the task", "[注意] x", "a/think b", "<div>x"]
    )
    def test_what_only_looks_like_a_tag(self, text: str) -> None:
        """A heading, an HTML tag or a word at the beginning does not open a thought."""
        parts = separate_text(f"{text}\n{fenced(PY)}".encode(), Language.PYTHON, FencePolicy.LAST)
        assert parts.separation is Separation.NO_THINK

    def test_escaped_text_gives_plain_code(self) -> None:
        """Where the tags were escaped as HTML is, so was the program."""
        text = f"&lt;think&gt;Hm.&lt;/think&gt;\n{fenced('if int(input()) &lt; 3:' + chr(10) + '    print(1)')}"
        parts = separate_text(text.encode(), Language.PYTHON, FencePolicy.LAST)
        assert program(parts) == "if int(input()) < 3:\n    print(1)"

    def test_border_of_the_server(self) -> None:
        """Where the server told reasoning and answer apart, a tag in either is only spoken of."""
        head = "<think>\nI must write </think> before the answer.\n</think>"
        text = head + f"\n\n{fenced(PY)}"
        parts = separate_text(text.encode(), Language.PYTHON, FencePolicy.LAST, answer_start=len(head.encode()))
        assert (program(parts), Case.QUOTED_TAG in parts.cases) == (PY, True)


class TestEnding:
    """Why the server stopped."""

    @pytest.mark.parametrize("word", [None, "stop", "STOP", "eos", "end_turn", "stop_sequence", "eos_token", ""])
    def test_whole(self, word: str | None) -> None:
        """These words mean that the model ended."""
        assert ending_of(word) is Ending.WHOLE

    @pytest.mark.parametrize("word", ["length", "max_tokens", "model_length", "MAX_TOKENS", "max-tokens"])
    def test_length(self, word: str) -> None:
        """These mean that it ran out of room."""
        assert ending_of(word) is Ending.LENGTH

    @pytest.mark.parametrize("word", ["abort", "error", "content_filter", "SAFETY", "cancelled", "tool_calls"])
    def test_broken(self, word: str) -> None:
        """Everything else is not known to be an end: the program is kept, the sample is not."""
        parts = separate_text(
            f"<think>Hm.</think>{fenced(PY)}".encode(), Language.PYTHON, FencePolicy.LAST, ending=ending_of(word)
        )
        assert (parts.separation, parts.code) == (Separation.BROKEN_OFF, PY.encode())
