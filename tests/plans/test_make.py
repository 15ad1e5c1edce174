"""Plans are asked for once per chosen solution, and every wanted plan has a row with a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.plans import PlanConfig, Policy, choose_solutions, make_plans
from ocr_pipeline.store import FileWriter, conform
from ocr_pipeline.tables import PLANS, SOLUTIONS
from ocr_pipeline.teacher.ask import Asking, Reply
from ocr_pipeline.teacher.reply import Usage
from ocr_pipeline.teacher.request import Identity, Request, request_id

GOOD = "1. Read the numbers.\n2. Go through them and add each to the total.\n3. Print the total."
SHORT = "print(sum(map(int, input().split())))\n"
LONG = "total = 0\nfor word in input().split():\n    total += int(word)\nprint(total)\n"


class Teacher:
    """Answers without a server and remembers what it was asked."""

    def __init__(self, answer: Callable[[Request, Asking], dict[str, Any]]) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    def __call__(self, requests: Iterable[Request], *, config: Asking, **_: Any) -> Iterator[Reply]:
        """Answer in order."""
        for request in requests:
            self.asked.append(request)
            fields = {"text": "", "finish_reason": "stop", "error": None} | self.answer(request, config)
            yield Reply(
                request=request,
                request_id=request_id(request, Identity(config.model)),
                model=config.model,
                stop_reason=None,
                usage=Usage(1, 2),
                latency_s=0.1,
                attempts=1,
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                **fields,
            )


def problems(*names: str, dataset: str = "taco") -> list[pa.RecordBatch]:
    """Build problems with a statement each."""
    rows = [
        {"problem_id": name, "dataset": dataset, "statement": f"Statement of {name}.", "io_mode": "stdin"}
        for name in names
    ]
    return pa.Table.from_pylist(rows).append_column("starter_code", pa.nulls(len(rows), pa.string())).to_batches()


def solutions(*rows: tuple[str, str, str, str, bool]) -> list[pa.RecordBatch]:
    """Build solutions: problem, id, language, code, right or wrong."""
    names = ["problem_id", "solution_id", "language", "code", "is_correct"]
    return conform(pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows]), SOLUTIONS).to_batches()


SOME = [
    ("p", "1", "python", LONG, True),
    ("p", "2", "python", SHORT, True),
    ("p", "0", "python", "x", False),
    ("q", "1", "cpp", "int main(){}", True),
]


def make(
    tmp_path: Path, teacher: Teacher, config: PlanConfig | None = None, **more: Any
) -> tuple[StageCounts, pa.Table]:
    """Make plans for ``SOME``; returns the account and the rows."""
    config = config or PlanConfig()
    arguments = {"problems": problems("p", "q"), "solutions": solutions(*SOME)} | more
    with FileWriter(tmp_path / "plans.parquet", PLANS) as writer:
        counts = make_plans(
            arguments.pop("problems"),
            arguments.pop("solutions"),
            config=config,
            asking=Asking(model="teacher"),
            server=None,  # type: ignore[arg-type]
            ledger=tmp_path / "ledger.sqlite",
            writer=writer,
            ask=teacher,
            **arguments,
        )
    return counts, pq.read_table(tmp_path / "plans.parquet")


def good(_: Request, __: Asking) -> dict[str, Any]:
    """Answer with a good plan."""
    return {"text": GOOD}


def test_the_shortest_correct_solution_is_shown(tmp_path: Path) -> None:
    """The prompt holds the shortest correct program word for word, and no statement: the paper's default."""
    teacher = Teacher(good)
    make(tmp_path, teacher)
    [request] = teacher.asked
    text = request.messages[0].content
    assert SHORT.strip() in text
    assert LONG.strip() not in text
    assert "Statement of p." not in text
    assert "solution plan" in text


def test_the_statement_is_an_option(tmp_path: Path) -> None:
    """With the statement, both are shown."""
    teacher = Teacher(good)
    make(tmp_path, teacher, PlanConfig(with_statement=True))
    assert SHORT.strip() in teacher.asked[0].messages[0].content
    assert "Statement of p." in teacher.asked[0].messages[0].content


def test_every_problem_has_a_row(tmp_path: Path) -> None:
    """A problem without a correct solution in the language is not asked about, and its row says why."""
    teacher = Teacher(good)
    counts, rows = make(tmp_path, teacher)
    assert [(row["problem_id"], row["solution_id"], row["verdict"]) for row in rows.to_pylist()] == [
        ("p", "2", "kept"),
        ("q", None, "no_solution"),
    ]
    assert (counts.rows_in, counts.kept, dict(counts.dropped)) == (2, 1, {"no_solution": 1})
    assert len(teacher.asked) == 1


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ({"error": "bad_request: no"}, "teacher_error"),
        ({"text": "<think>\n1. Read.", "finish_reason": "length"}, "unclosed_reasoning"),
        ({"text": GOOD, "finish_reason": "length"}, "truncated"),
        ({"text": "I cannot."}, "not_numbered"),
        ({"text": "<think>\nhm\n</think>\n\n"}, "empty"),
    ],
)
def test_a_bad_reply_is_a_row(tmp_path: Path, reply: dict[str, Any], verdict: str) -> None:
    """Whatever the teacher sends becomes a row with its reason."""
    _, rows = make(tmp_path, Teacher(lambda *_: reply))
    assert rows["verdict"].to_pylist() == [verdict, "no_solution"]


def test_forward_plans_need_no_solution(tmp_path: Path) -> None:
    """Forward planning shows the statement alone, k times with seeds of their own."""
    teacher = Teacher(good)
    counts, rows = make(tmp_path, teacher, PlanConfig(policy=Policy.FORWARD, k=2))
    assert counts.kept == 4
    assert rows["solution_id"].null_count == 4
    assert [request.params["seed"] for request in teacher.asked] == [0, 1, 0, 1]
    assert SHORT.strip() not in teacher.asked[0].messages[0].content
    assert len(set(rows["plan_id"].to_pylist())) == 4


def test_k_diverse_shows_several_solutions(tmp_path: Path) -> None:
    """One plan per chosen solution."""
    _, rows = make(tmp_path, Teacher(good), PlanConfig(policy=Policy.K_DIVERSE, k=3))
    assert [row["solution_id"] for row in rows.to_pylist() if row["problem_id"] == "p"] == ["2", "1"]


def test_the_order_of_the_input_does_not_matter(tmp_path: Path) -> None:
    """Shuffled problems and solutions give the same bytes."""
    make(tmp_path, Teacher(good))
    first = (tmp_path / "plans.parquet").read_bytes()
    make(tmp_path, Teacher(good), problems=problems("q", "p"), solutions=solutions(*reversed(SOME)))
    assert (tmp_path / "plans.parquet").read_bytes() == first


def test_only_the_data_set_is_planned(tmp_path: Path) -> None:
    """With a data set named, problems of others are not this partition's."""
    mixed = [*problems("p"), *problems("q", dataset="apps")]
    counts, rows = make(tmp_path, Teacher(good), problems=mixed, dataset="taco")
    assert (counts.rows_in, rows["problem_id"].to_pylist()) == (1, ["p"])


def judged(word: str) -> Callable[[Request, Asking], dict[str, Any]]:
    """Answer plans with a good one and the judge's question with ``word``."""
    return lambda _, config: {"text": word if config.model == "judge" else GOOD}


@pytest.mark.parametrize(
    ("word", "verdict", "unclear"),
    [
        ("AGREES", "kept", 0),
        ("<think>\nIt disagrees? No.\n</think>\nAgrees.", "kept", 0),
        ("DISAGREES", "judged_disagreeing", 0),
        ("Perhaps.", "kept", 1),
        ("AGREES or DISAGREES", "kept", 1),
    ],
)
def test_a_judge_model_may_speak(tmp_path: Path, word: str, verdict: str, unclear: int) -> None:
    """A clear judgement counts; an unclear one is the judge's failure, not the plan's."""
    config = PlanConfig(opinion_model="judge")
    counts, rows = make(tmp_path, Teacher(judged(word)), config)
    assert rows["verdict"].to_pylist() == [verdict, "no_solution"]
    assert counts.notes["no_opinion"] == unclear


def test_equal_programs_are_chosen_once() -> None:
    """White space and line ends do not make a program another one."""
    rows = [
        ("p", str(index), "python", f"print( {'1' if index < 3 else '2'} )" + " " * index, True) for index in range(6)
    ]
    chosen = choose_solutions(solutions(*rows), language="python", count=5)
    assert [solution.solution_id for solution in chosen["p"]] == ["0", "3"]


def test_choosing_from_many_solutions_keeps_the_shortest() -> None:
    """Memory is bounded without losing the shortest solution, wherever it stands."""
    rows = [("p", f"{index:04}", "python", f"print({'9' * (200 - index)})", True) for index in range(200)]
    assert choose_solutions(solutions(*rows), language="python", count=1)["p"][0].solution_id == "0199"


@pytest.mark.parametrize("change", [{"k": 0}, {"min_steps": 5, "max_steps": 4}])
def test_impossible_options_are_refused(change: dict[str, int]) -> None:
    """Options under which no plan could be kept are an input error."""
    with pytest.raises(InputError):
        PlanConfig().replaced(**change)


def test_the_prompt_is_part_of_the_configuration() -> None:
    """Another prompt is another configuration; another number of requests in flight is not."""
    config = PlanConfig()
    assert Asking().settings == Asking(window=1).settings
    assert config.settings["prompt_sha256"] != config.replaced(with_statement=True).settings["prompt_sha256"]
