"""How students are asked: the words and the languages that a person names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_pipeline import cli
from ocr_pipeline.errors import InputError
from ocr_pipeline.student.options import AskOptions
from ocr_pipeline.tables import Language
from ocr_pipeline.tasks import CODEPLAN, WORDINGS, wording

PYTHON, CPP = Language.PYTHON, Language.CPP


@pytest.mark.parametrize(
    ("asked", "taught", "found"),
    [
        ((), (), (PYTHON,)),
        ((), (CPP,), (CPP,)),
        ((CPP,), (), (CPP,)),
        ((PYTHON,), (CPP, PYTHON), (PYTHON,)),
    ],
)
def test_a_student_is_asked_for_what_it_was_taught(
    asked: tuple[Language, ...], taught: tuple[Language, ...], found: tuple[Language, ...]
) -> None:
    """Of a student that does not say what it was taught, anything may be asked."""
    assert AskOptions(languages=asked).languages_of(taught) == found


@pytest.mark.parametrize("asked", [(PYTHON,), (CPP, PYTHON)])
def test_what_it_was_not_taught_is_refused(asked: tuple[Language, ...]) -> None:
    """Also beside a language that it was taught."""
    with pytest.raises(InputError, match="was taught cpp, not python; leave --language out"):
        AskOptions(languages=asked).languages_of((CPP,))


def test_a_prompt_file_is_a_wording(tmp_path: Path) -> None:
    """A template for programs, or what training wrote."""
    (tmp_path / "own.txt").write_text("Solve:\n{{statement}}", encoding="utf-8")
    assert wording(str(tmp_path / "own.txt")).code("Add.", io_mode="stdin") == "Solve:\nAdd."
    for one in WORDINGS.values():
        (tmp_path / "prompt.json").write_text(json.dumps({"wording": one.plain()}), encoding="utf-8")
        assert wording(str(tmp_path / "prompt.json")).sha256 == one.sha256


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own.txt", b"Write a program.", r"own.txt` \(code\) does not show the problem; write {statement}"),
        ("own.txt", b"", r"own.txt` \(code\) does not show the problem"),
        ("own.txt", b"{statement} \xe9", r"own.txt` is not UTF-8 \(byte 12\)"),
        ("prompt.json", b"\xff{}", r"prompt.json` is not UTF-8 \(byte 0\)"),
        ("prompt.json", b"{}", "not the prompt.json of a student"),
        ("prompt.json", b'{"wording": {"name": "a", "templates": {"code": 3}}}', "not the prompt.json of a student"),
        ("prompt.json", b'{"wording": {"name": "a", "templates": {}}}', "not the prompt.json of a student"),
    ],
)
def test_a_file_that_is_not_a_wording_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """In one line that names the file."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as found:
        wording(str(tmp_path / name))
    assert "\n" not in str(found.value)


def test_every_template_shows_the_problem(tmp_path: Path) -> None:
    """A plan for an unknown problem is worth nothing either."""
    content = CODEPLAN.plain() | {"templates": dict(CODEPLAN.templates) | {"plan": "Make a plan."}}
    (tmp_path / "prompt.json").write_text(json.dumps({"wording": content}), encoding="utf-8")
    with pytest.raises(InputError, match=r"\(plan\) does not show the problem"):
        wording(str(tmp_path / "prompt.json"))


def test_an_unknown_prompt_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process exits with 2 and names the prompts that there are."""
    arguments = ["train", str(tmp_path / "rows.jsonl"), "--out", str(tmp_path / "out"), "--prompt", "nosuch"]
    monkeypatch.setattr("sys.argv", ["ocr-pipeline", *arguments])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 2
    assert "there is no prompt `nosuch`; there are codeplan" in capsys.readouterr().err
