"""Programs inside something else, and more spellings of what is around them: each gives what a reader would copy."""

from __future__ import annotations

import json

import pytest

from ocr_pipeline.answers import FencePolicy, Separation, separate_text
from ocr_pipeline.tables import Language
from tests.answers.test_kinds import CPP, PY, SOLVE, apart, fenced, program

WRAPPED = [
    ("JSON", json.dumps({"code": PY})),
    ("JSON over lines", json.dumps({"explanation": "Double.", "code": PY}, indent=2)),
    ("JSON in a fence", fenced(json.dumps({"code": PY}), "json")),
    ("a fence in JSON in a fence", fenced(json.dumps({"answer": f"Here:\n```python\n{PY}\n```"}), "json")),
    ("JSON in JSON", json.dumps({"solution": {"language": "python", "code": PY}})),
    ("one of two languages", json.dumps([{"language": "python", "code": PY}, {"language": "cpp", "code": CPP}])),
    ("lines in JSON", json.dumps({"code": PY.split("\n")})),
    ("a call", json.dumps({"name": "python", "arguments": {"code": PY}})),
    ("a call with JSON as text", json.dumps({"name": "run", "arguments": json.dumps({"code": PY})})),
    ("JSON between sentences", f"Here it is:\n{json.dumps({'code': PY})}\nDone."),
    ("JSON with newlines in its text", f'{{"code": "{PY}"}}'),
    ("a dictionary of Python", repr({"code": PY})),
    ("a tool call", f"<tool_call>\n{json.dumps({'name': 'submit', 'arguments': {'code': PY}})}\n</tool_call>"),
    ("a function and a parameter", f"<function=submit><parameter=code>\n{PY}\n</parameter></function>"),
    ("a named parameter", f'<invoke name="submit">\n<parameter name="code">{PY}</parameter>\n</invoke>'),
    ("a token for programs", f"<|python_tag|>{PY}<|eom_id|>"),
    ("a tool's fence", fenced(PY, "tool_code")),
    ("an element to execute", f"<execute>\n{PY}\n</execute>"),
    ("an element of an interpreter", f"<code_interpreter>\n{PY}\n</code_interpreter>"),
    ("an artifact", f'<antArtifact type="application/code" language="python">\n{PY}\n</antArtifact>'),
    ("character data", f"<code><![CDATA[\n{PY}\n]]></code>"),
    ("an element with its language", f'<program language="python">\n{PY}\n</program>'),
    ("an element for the answer", f"<answer>\n{PY}\n</answer>"),
    ("a fence in it", f"<answer>\n{fenced(PY)}</answer>"),
    ("an element for the final answer", f"<final_answer>\n{PY}\n</final_answer>"),
    ("numbered lines", fenced("1 n = int(input())\n2 print(n * 2)")),
    ("numbers and bars", fenced("  1 | n = int(input())\n  2 | print(n * 2)")),
    ("numbers and colons", fenced("1: n = int(input())\n2: print(n * 2)")),
    ("a notebook", json.dumps({"cells": [{"cell_type": "code", "source": PY.splitlines(keepends=True)}]})),
    ("a notebook in a fence", fenced(json.dumps({"cells": [{"cell_type": "code", "source": PY}]}), "json")),
    ("a cell that writes a file", fenced(f"%%writefile main.py\n{PY}")),
    ("an untagged session", fenced(">>> n = int(input())\n>>> print(n * 2)", "")),
    ("a here-document", fenced(f"cat > main.py << 'EOF'\n{PY}\nEOF", "bash")),
    ("a here-document that runs", fenced(f"python3 - <<'EOF'\n{PY}\nEOF", "bash")),
    (
        "a diff that makes a file",
        fenced("--- /dev/null\n+++ a.py\n@@ -0,0 +1,2 @@\n+n = int(input())\n+print(n * 2)", "diff"),
    ),
    ("a program that begins beside its tag", "```python n = int(input())\nprint(n * 2)\n```"),
    ("a heading glued to the closing fence", f"```python\n{PY}\n```Output:\n```\n8\n```"),
    ("a closing and an opening in one", f"```python\n{PY}\n``````\n8\n```"),
    ("a bold fence", f"**```python**\n{PY}\n**```**"),
    ("escaped backticks", f"\\`\\`\\`python\n{PY}\n\\`\\`\\`"),
    ("five backticks", f"`````python\n{PY}\n`````"),
    ("Markdown around it", f"````markdown\nSo:\n```python\n{PY}\n```\n````"),
    ("a cell in a table", f"<table><tr><td><pre>{PY}</pre></td></tr></table>"),
    ("a folded part", f"<details>\n<summary>Code</summary>\n\n{fenced(PY)}\n</details>"),
    ("reStructuredText", ".. code-block:: python\n\n    n = int(input())\n    print(n * 2)\n"),
    ("a patch after it", fenced(PY) + "Change:\n" + fenced("-print(n)\n+print(n * 2)", "diff")),
    ("a patch after it that is called Python", fenced(PY) + fenced("- print(n)\n+ print(n * 2)")),
    ("a generator after it", fenced(PY) + fenced("import random\nprint(random.randint(1, 9))")),
    ("another language before it", fenced(CPP, "cpp") + fenced(PY)),
    ("an untagged one of another language", fenced(CPP, "") + fenced(PY, "")),
]
INFOS = {
    Language.PYTHON: (
        "python3 main.py|Python 3.10|py:3|PyPy3|python:main.py|python {linenos=true}|python showLineNumbers|python-repl|"
        "python_code|Python code|python,linenos|py-3|python_3|CPython 3.11|python# main.py|python // main|source python|"
        "{python}|{.py}|#!python|a.pyw|main.py:1-20|file=main.py|filename: main.py|python-script|text/x-python|x-python|"
        "code-python|python solution|**python**"
    ),
    Language.CPP: (
        "cpp17|C++ 17|gnu++20|g++ -O2|GNU C++17|clang++-16|cpp (GCC)|c++,linenos|a.cc|main.cxx|text/x-c++src|c_cpp|cpp98|"
        "cpp:main.cpp|C++11 (GCC 4)|CPP|hpp"
    ),
}
THOUGHTS = [
    *(
        "<Überlegung>\n{}\n</Überlegung>\n",
        '<think duration="3">\n{}\n</think>\n',
        "<размышление>\n{}\n</размышление>\n",
    ),
    *("<思考過程>\n{}\n</思考過程>\n", "<생각>\n{}\n</생각>\n", "<تفكير>\n{}\n</تفكير>\n", "<सोच>\n{}\n</सोच>\n"),
    *(
        "<suy nghĩ>{}</suy nghĩ>\n",
        "<düşünce>{}</düşünce>\n",
        "<raciocínio>{}</raciocínio>\n",
        "【思考】\n{}\n【/思考】\n",
    ),
    *(
        "\\u003cthink\\u003e\n{}\n\\u003c/think\\u003e\n",
        "&#60;think&#62;{}&#60;/think&#62;\n",
        "&#x3C;think&#x3E;{}&#x3C;/think&#x3E;\n",
    ),
    *(
        "<internal_monologue>{}</internal_monologue>\n",
        "<analysis>{}</analysis>\n",
        "<cot>{}</cot>\n",
        "<plan>{}</plan>\n",
    ),
    *(
        "<|thought_start|>{}<|thought_end|>\n",
        "<think_start>{}<think_end>\n",
        "<|reasoning_start|>{}<|reasoning_end|>\n",
    ),
    *(
        "<details><summary>Thinking</summary>\n{}\n</details>\n",
        "Thinking...\n{}\n...done thinking.\n",
        "\u2039think\u203a{}\u2039/think\u203a\n",
    ),
    "<|channel|>commentary<|message|>{}<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    "<|channel|>analysis<|message|>{}<|end|><|channel|>analysis<|message|>B.<|end|><|channel|>final<|message|>",
]


@pytest.mark.parametrize(("name", "answer"), WRAPPED, ids=[name for name, _ in WRAPPED])
def test_the_program_inside_is_taken(name: str, answer: str) -> None:
    """What is around it is not part of it."""
    assert program(apart(answer)) == PY, name


@pytest.mark.parametrize(
    ("info", "language"), [(info, language) for language, infos in INFOS.items() for info in infos.split("|")]
)
def test_languages_have_many_spellings(info: str, language: Language) -> None:
    """The program behind each comes before the output that follows it."""
    code = PY if language is Language.PYTHON else CPP
    assert program(apart(fenced(code, info) + fenced("8", ""), language)) == code


@pytest.mark.parametrize("thought", THOUGHTS)
def test_thoughts_have_many_marks(thought: str) -> None:
    """In other languages, escaped, by other words; reasoning and program come apart."""
    text = (thought.format("Double it.") + fenced(PY)).encode()
    parts = separate_text(text, Language.PYTHON, FencePolicy.LAST)
    assert program(parts) == PY
    assert parts.reasoning is not None
    assert b"Double it." in text[parts.reasoning.start : parts.reasoning.end]


@pytest.mark.parametrize(
    "answer",
    [
        fenced("--- a.py\n+++ b.py\n@@ -1,2 +1,2 @@\n n = int(input())\n-print(n)\n+print(n * 2)", "diff"),
        fenced("@@ -1,2 +1,2 @@\n n = int(input())\n-print(n)\n+print(n * 2)", ""),
        json.dumps({"answer": "8"}),
        json.dumps({"code": "see above"}),
    ],
)
def test_a_change_or_a_value_is_no_program(answer: str) -> None:
    """Nobody could run it as it is."""
    assert program(apart(answer)) is None


@pytest.mark.parametrize(
    "code",
    [
        "index = 0\nprint(index)",
        "{print(x) for x in [input()]}",
        "[print(x) for x in input().split()]",
        '{"code": print}["code"](input())',
        "1 if print(input()) else 2",
        "-print(int(input()))",
        "@staticmethod\ndef f(n):\n    return n",
        '"""Usage: {\'code\': \'x\'}"""\nprint(input())',
        "data = {'code': 'print(1)'}\nprint(data, input())",
        "cat = input()\nprint(cat << 2)",
    ],
)
def test_a_program_that_only_looks_wrapped_is_taken_as_it_is(code: str) -> None:
    """It begins like JSON, a number or a diff, and is none of them."""
    assert program(apart(fenced(code))) == code


def test_a_test_after_the_program_is_not_the_program() -> None:
    """It calls what only the program defines."""
    tests = fenced("def test_solve():\n    assert solve(4) == 8\n\ntest_solve()")
    assert program(apart(fenced(SOLVE) + "Test:\n" + tests)) == SOLVE


def test_json_that_was_cut_holds_no_program() -> None:
    """A text without its end is not taken for the whole."""
    assert apart(json.dumps({"code": PY})[:-4]).separation is Separation.NO_CODE
