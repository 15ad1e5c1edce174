"""The bundled problems whose tests are weak on purpose are mended by the recorded teacher, in three rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.generating.checking import refused_right_programs
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.step import make_tests
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.sample import path
from ocr_pipeline.sample.authored import Problem, load_problems
from ocr_pipeline.tables import TEST_PROGRAMS
from ocr_pipeline.teacher.ask import Reply
from ocr_pipeline.teacher.recordings import load_recordings
from ocr_pipeline.teacher.reply import Usage
from ocr_pipeline.teacher.request import Identity, Request, request_id
from tests.generating.test_step import Rows, source

PROBLEMS = {problem.slug: problem for problem in load_problems(path("problems"))}
FEW = GeneratingConfig(workers=0, inputs_per_way=4, inputs_per_seed=2, mutants=2, max_test_kib=16)
Mended = tuple[list[dict[str, Any]], list[dict[str, Any]], StageCounts]


def recorded(requests: Iterable[Request]) -> Iterator[Reply]:
    """Answer from the bundled recordings, as the recorded teacher does."""
    recordings = load_recordings()
    for request in requests:
        found = recordings.matching("".join(message.content for message in request.messages), 0)
        assert found is not None
        yield Reply(
            request=request,
            request_id=request_id(request, Identity("recorded")),
            text=found.message["content"],
            model="recorded",
            finish_reason="stop",
            stop_reason=None,
            usage=Usage(1, 1),
            latency_s=0.1,
            attempts=1,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )


def mended(problem: Problem, folder: Path) -> Mended:
    """Make the tests of a bundled problem; return the rows, the teacher's programs and the account."""
    rows, programs = Rows(), Rows()
    name = {"problem_id": problem.slug}
    checker = "special" if problem.slug == "two_planks" else "tokens"
    counts = make_tests(
        pa.Table.from_pylist([{**name, "statement": problem.statement, "checker": checker}]).to_batches(),
        source(
            [
                {**name, "test_id": str(number), "kind": test.kind, "input": test.input, "expected": test.expected}
                for number, test in enumerate(problem.tests)
            ]
        ),
        source(
            [
                {
                    **name,
                    "solution_id": each.name,
                    "language": each.language,
                    "code": each.code,
                    "is_correct": each.correct,
                }
                for each in problem.solutions
            ]
        ),
        config=FEW,
        writer=rows,
        programs=programs,
        finished=folder,
        ask=recorded,
        engine=LocalEngine(0),
    )
    return rows.rows, programs.rows, counts


@pytest.fixture(scope="module")
def ponds(tmp_path_factory: pytest.TempPathFactory) -> Mended:
    """Return what comes of the ponds, made once."""
    return mended(PROBLEMS["paper_boats"], tmp_path_factory.mktemp("made"))


def test_three_rounds_catch_one_wrong_program_each(ponds: Mended) -> None:
    """Small ponds, wide ones and winding ones: each generator of the teacher catches what the ones before it let pass."""
    rows, programs, counts = ponds
    generators = [row["request_id"] for row in programs if row["role"] == "generator"]
    first = {
        wrong: min(generators.index(row["request_id"]) for row in rows if wrong in row["catches"])
        for wrong in ("never_up", "a_hundred_columns", "small_infinity")
    }
    assert list(first.values()) == [0, 1, 2]
    assert {row["verdict"] for row in programs} == {"used"}
    assert counts.notes["wrong caught by known tests"] == 1
    assert counts.notes["wrong caught"] == counts.notes["wrong programs"] == 4


def test_made_ponds_are_ponds(ponds: Mended) -> None:
    """What the validator lets pass is what the statement allows."""
    for row in ponds[0]:
        (height, width), *pond = row["input"].split("\n")[0].split(), *row["input"].split("\n")[1:-1]
        assert [len(line) for line in pond] == [int(width)] * int(height)
        assert "".join(pond).count("S") == "".join(pond).count("T") == 1


def test_a_recorded_checker_mends_a_problem_with_several_answers(tmp_path: Path) -> None:
    """Two programs that print different planks are both right, and one that wants the shorter plank first is not."""
    rows, programs, counts = mended(PROBLEMS["two_planks"], tmp_path)
    assert ("checker", "used") in {(row["role"], row["verdict"]) for row in programs}
    assert any("shorter_first" in row["catches"] for row in rows)
    assert counts.notes["wrong caught"] == counts.notes["wrong programs"] == 2


def test_of_other_problems_nothing_is_recorded(tmp_path: Path) -> None:
    """The recorded teacher says so, instead of answering with a solution."""
    _, programs, _ = mended(PROBLEMS["storm_lamps"], tmp_path)
    assert {(row["role"], row["verdict"]) for row in programs} == {
        ("validator", "no_program"),
        ("generator", "no_program"),
    }


def test_the_check_asks_with_the_checker_that_was_made(tmp_path: Path) -> None:
    """Two right programs that name other planks pass; without the checker nobody could tell."""
    rows, programs, _ = mended(PROBLEMS["two_planks"], tmp_path)
    other = "n, gap = map(int, input().split())\nlengths = [*map(int, input().split())]\nfor right in range(n - 1, 0, -1):\n    if gap - lengths[right] in lengths[:right]:\n        print(lengths.index(gap - lengths[right]) + 1, right + 1)\n        break\nelse:\n    print(0, 0)\n"
    problem = PROBLEMS["two_planks"]
    known = [
        {"problem_id": problem.slug, "test_id": str(number), "input": test.input, "expected": test.expected}
        for number, test in enumerate(problem.tests)
    ]
    solution = {"problem_id": problem.slug, "solution_id": "o", "language": "python", "code": other, "is_correct": True}
    given = pa.Table.from_pylist([{"problem_id": problem.slug, "statement": "", "checker": "special"}]).to_batches()

    def refused(programs: list[dict[str, Any]]) -> list[str]:
        asked = pa.Table.from_pylist(programs, schema=TEST_PROGRAMS.schema).to_batches()
        return list(
            refused_right_programs(
                given, source(known), source(rows), source([solution]), config=JudgeConfig(), most=1, programs=asked
            )
        )

    assert refused(programs) == []
