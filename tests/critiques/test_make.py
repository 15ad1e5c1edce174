"""Judged samples are reviewed by a critic that is not told what the tests said; every sample has a row."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline import cli
from ocr_pipeline.answers.judgement import Judgement
from ocr_pipeline.critiques.choosing import Verdict, choose, judged_of
from ocr_pipeline.critiques.options import CritiqueConfig, Kind, Kinds
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, SAMPLES, TESTS, Table
from ocr_pipeline.teacher.servers import Replay

RIGHT = "first, second = map(int, input().split())\nprint(first * second)\n"
WRONG = "first, second = map(int, input().split())\nprint(first + second)\n"
SLOW = "first, second = map(int, input().split())\nraise SystemExit(first)\n"
STATEMENT = "Print the product of two numbers."
TESTED = [("t1", "2 2", "4"), ("t2", "30000 40000", "1200000000"), ("t3", "3 4", "12")]


def execution(sample_id: str, verdict: str, *failed: str, **more: Any) -> dict[str, Any]:
    """Build a row of executions of problem p."""
    results = [{"test_id": name, "verdict": verdict if name in failed else "accepted"} for name, _, _ in TESTED]
    row = {"sample_id": sample_id, "problem_id": "p", "language": "python", "verdict": verdict, "results": results}
    return row | {"needs_checker": False, "trusts_candidate": False} | more


def write(folder: Path, table: Table, rows: list[dict[str, Any]]) -> str:
    """Write the rows of a table."""
    path = folder / f"{table.name}.parquet"
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([table.schema.field(name) for name in rows[0]])), path)
    return str(path)


def recording(match: list[str], text: str, finish_reason: str = "stop") -> str:
    """Build one recorded answer as a line."""
    return json.dumps(
        {
            "match": match,
            "sample_index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": finish_reason,
            "stop_reason": None,
            "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
            "created": 1_767_225_600,
            "processing_ms": 1,
        }
    )


class Scene:
    """Files of one problem with samples, and a recorded critic."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._patch, self._capture = folder, monkeypatch, capsys

    def critique(
        self, executions: list[dict[str, Any]], codes: dict[str, str], recordings: list[str], *options: str
    ) -> tuple[dict[str, Any], dict[tuple[str, str], dict[str, Any]]]:
        """Run the command; return the account, and the rows by sample and kind."""
        assert self.run(executions, codes, recordings, *options) == 0
        rows = pq.read_table(self.folder / "out" / "critiques.parquet").to_pylist()
        return json.loads(self._capture.readouterr().out), {(row["sample_id"], row["kind"]): row for row in rows}

    def said(self) -> str:
        """Return what the last run told on the error channel."""
        return self._capture.readouterr().err

    def run(
        self, executions: list[dict[str, Any]], codes: dict[str, str], recordings: list[str], *options: str
    ) -> object:
        """Run the command; return its exit code."""
        samples = [
            {"sample_id": name, "problem_id": "p", "language": "python", "code": code} for name, code in codes.items()
        ]
        tests = [
            {"problem_id": "p", "test_id": name, "input": given, "expected": expected}
            for name, given, expected in TESTED
        ]
        problem = {"problem_id": "p", "dataset": "taco", "statement": STATEMENT, "io_mode": "stdin"}
        (self.folder / "recordings.jsonl").write_text("\n".join(recordings) + "\n", encoding="utf-8")
        given = [write(self.folder, EXECUTIONS, executions), "--samples", write(self.folder, SAMPLES, samples)]
        given += ["--problems", write(self.folder, CLEAN_PROBLEMS, [problem])]
        given += ["--tests", write(self.folder, TESTS, tests)]
        with Replay(self.folder / "recordings.jsonl", strict=True) as server:
            given += ["--url", server.urls[0], "--model", server.model, "--out", str(self.folder / "out"), "--json"]
            self._patch.setattr(sys, "argv", ["ocr-pipeline", "critique", *given, *options])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        return ended.value.code


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Scene:
    """Return a scene in a folder of its own."""
    return Scene(tmp_path, monkeypatch, capsys)


PAIR = [execution("a", "accepted"), execution("b", "wrong_answer", "t2", "t3")]
CODES = {"a": RIGHT, "b": WRONG}
REVIEWS = [
    recording(["Review it", "print(first * second)"], "<think>x</think>It multiplies.\n\nJudgement: right"),
    recording(["Review it", "print(first + second)"], "It adds.\n\nJudgement: right"),
    recording(["Explain why", "<got>\n7\n</got>"], "It adds where the product is asked."),
]


def test_agreement_is_told(scene: Scene) -> None:
    """The critic is right about one program and wrong about the other; the failure is explained with what it printed."""
    counts, rows = scene.critique(PAIR, CODES, REVIEWS)
    assert [(rows[name, "critique"]["judgement"], rows[name, "critique"]["agrees"]) for name in "ab"] == [
        ("right", True),
        ("right", False),
    ]
    explained = rows["b", "explain"]
    assert (explained["verdict"], explained["shown_test"], explained["got"]) == ("kept", "t3", "7")
    assert rows["a", "explain"]["verdict"] == Verdict.NOT_FAILED
    assert (counts["rows_in"], counts["kept"], counts["dropped"]) == (4, 3, {"not_failed": 1})
    assert (counts["notes"]["agrees"], counts["notes"]["disagrees"]) == (1, 1)


def test_programs_of_other_languages_have_a_row(scene: Scene) -> None:
    """Nobody is asked about them, and the others are reviewed."""
    others = [execution(name, "accepted", language="haskell") for name in "cd"]
    counts, rows = scene.critique([*PAIR, *others], CODES | {"c": "main = x", "d": "main = y"}, REVIEWS)
    assert {rows[name, kind]["verdict"] for name in "cd" for kind in ("critique", "explain")} == {"other_language"}
    assert rows["a", "critique"]["verdict"] == "kept"
    assert counts["dropped"]["other_language"] == 4


def test_executions_that_are_given_twice_are_refused(scene: Scene) -> None:
    """Before anything is paid: every sample would have two rows of the same key."""
    assert scene.run([*PAIR, *PAIR], CODES, REVIEWS) == 1
    assert "executions name the sample `a` twice; give each file once" in scene.said()


def test_nothing_is_paid_twice(scene: Scene) -> None:
    """The same command again takes every answer from the ledger and writes the same bytes."""
    scene.critique(PAIR, CODES, REVIEWS)
    before = (scene.folder / "out" / "critiques.parquet").read_bytes()
    counts, _ = scene.critique(PAIR, CODES, REVIEWS)
    assert (counts["notes"]["asked"], counts["notes"]["reused"]) == (0, 3)
    assert (scene.folder / "out" / "critiques.parquet").read_bytes() == before


def test_the_critic_is_not_told_the_verdict() -> None:
    """No word of the execution is among what the prompt takes."""
    assert Kind.CRITIQUE.prompt.places == {"language", "statement", "code"}


def test_every_failure_of_an_answer_is_a_reason(scene: Scene) -> None:
    """A cut answer, one without a judgement, and a request that the server refuses."""
    executions = [
        execution("a", "accepted"),
        execution("b", "wrong_answer", "t2"),
        execution("c", "accepted"),
        execution("d", "runtime_error", "t1", detail="exit code 2"),
    ]
    codes = {"a": RIGHT, "b": WRONG, "c": f"# c\n{RIGHT}", "d": SLOW}
    recordings = [
        recording(["Review it", "<program>\nfirst", "print(first * second)"], "It is", "length"),
        recording(["Review it", "print(first + second)"], "I like it."),
        recording(["Review it", "# c"], "<think>never closed"),
    ]
    counts, rows = scene.critique(executions, codes, recordings, "--kinds", "critique")
    assert {name: rows[name, "critique"]["verdict"] for name in "abcd"} == {
        "a": "truncated",
        "b": "unreadable_judgement",
        "c": "unclosed_reasoning",
        "d": "teacher_error",
    }
    assert (counts["rows_in"], counts["kept"], sum(counts["dropped"].values())) == (4, 0, 4)


def test_a_failure_too_long_to_show_is_not_explained(scene: Scene) -> None:
    """The shortest failed test is taken, and none longer than the option allows."""
    counts, rows = scene.critique(PAIR, CODES, REVIEWS, "--kinds", "explain", "--shown-characters", "4")
    assert rows["b", "explain"]["verdict"] == Verdict.NO_TEST_TO_SHOW
    assert counts["dropped"] == {"no_test_to_show": 1, "not_failed": 1}


def test_how_a_program_ended_is_shown(scene: Scene) -> None:
    """A program that failed without an output shows its end and what it complained of."""
    executions = [execution("a", "runtime_error", "t1")]
    text = recording(["Explain why", "(runtime error)"], "It leaves with its first number.")
    _, rows = scene.critique(executions, {"a": SLOW}, [text], "--kinds", "explain")
    assert rows["a", "explain"]["verdict"] == "kept"


ROWS = st.lists(
    st.tuples(st.sampled_from(["p", "q", "r"]), st.sampled_from(["accepted", "wrong_answer", "not_run"])), max_size=20
)


@given(ROWS, st.integers(1, 4), st.integers(0, 9))
def test_as_many_right_as_wrong_are_drawn(rows: list[tuple[str, str]], per_problem: int, seed: int) -> None:
    """Of every problem both sides are equal and within the cap, whatever order the rows come in."""
    judged = [
        judged_of(execution(str(number), verdict) | {"problem_id": problem}, duplicates=(), known=("p", "q"))
        for number, (problem, verdict) in enumerate(rows)
    ]
    config = CritiqueConfig(kinds=Kinds.CRITIQUE, per_problem=per_problem, draw_seed=seed)
    reasons = choose(judged, config)
    assert reasons == choose(reversed(judged), config)
    assert len(reasons) == len(judged)
    for problem in "pqr":
        right, wrong = (
            sum(
                reasons[each.sample_id, Kind.CRITIQUE] is None
                for each in judged
                if each.problem_id == problem and each.truth is truth
            )
            for truth in (Judgement.RIGHT, Judgement.WRONG)
        )
        there = [
            sum(each.problem_id == problem and each.truth is truth for each in judged)
            for truth in (Judgement.RIGHT, Judgement.WRONG)
        ]
        assert right == wrong == min(*there, per_problem)


@pytest.mark.parametrize(
    ("more", "verdict", "reason"),
    [
        ({"needs_checker": True}, "wrong_answer", Verdict.NEEDS_CHECKER),
        ({"needs_checker": True}, "accepted", None),
        ({"trusts_candidate": True}, "accepted", Verdict.TRUSTS_CANDIDATE),
        ({"trusts_candidate": True}, "wrong_answer", None),
        ({}, "not_run", Verdict.NOT_RUN),
        ({"language": "haskell"}, "accepted", Verdict.OTHER_LANGUAGE),
        ({"language": "pypy3"}, "accepted", None),
        ({"language": "python2"}, "wrong_answer", Verdict.OTHER_LANGUAGE),
    ],
)
def test_what_the_tests_cannot_tell_is_neither(more: dict[str, Any], verdict: str, reason: Verdict | None) -> None:
    """A sample is right or wrong only where the tests could decide it."""
    found = judged_of(execution("a", verdict, **more), duplicates=(), known=("p",))
    assert (found.reason, found.truth is Judgement.NONE) == (reason, reason is not None)
