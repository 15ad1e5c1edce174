"""Plan sampling, selection, ranking, subtasks and the inputs of other judges."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError, TrainingError
from ocr_pipeline.student.adapters import write_evalplus, write_lcb
from ocr_pipeline.student.assess import AssessConfig, assess, evaluate_candidates
from ocr_pipeline.student.generation import Completion, Sampling, extract_code
from ocr_pipeline.student.pass_at_k import summarize
from ocr_pipeline.student.plan_sampling import ExampleScore, PlanSamplingConfig
from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.student.rows import Task
from ocr_pipeline.student.sampling import Candidate
from ocr_pipeline.student.subtasks import Subtask, problem_score, read_subtasks, score_executions, submission_score
from ocr_pipeline.tables import EXECUTIONS

PROBLEMS = [AskedProblem(f"p{index}", f"Add {index} to x.", "stdin") for index in range(4)]

RIGHT = "<think>Add.</think>right"
LONG_THOUGHT = "<think>Add? Or not? Perhaps it is a product, perhaps a sum.</think>"


class RecordedStudent:
    """Writes right programs only when it is led by a good plan, and finds a good plan once in five times."""

    name = "recorded"

    def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[list[Completion]]:
        """Answer from the prompt alone."""
        del sampling
        for prompt in prompts:
            if task is Task.PLAN:
                texts = [f"1. {'Add' if index % 5 == 3 else 'Guess'} ({index})." for index in range(n)]
            elif "1. Add" in prompt:
                texts = [RIGHT] * n
            else:
                texts = [RIGHT if index % 5 == 0 else f"{LONG_THOUGHT}wrong {index}" for index in range(n)]
                texts = texts if "1. Guess" not in prompt else [f"{LONG_THOUGHT}wrong 0"] * n
            yield [Completion(text, "stop", len(text)) for text in texts]


class ScriptedExaminer:
    """Knows what is right without running anything."""

    def examples(self, candidates: Sequence[Candidate]) -> Mapping[str, ExampleScore]:
        """Pass both examples when right, one when not."""
        return {each.sample_id: ExampleScore(2 if each.code == "right" else 1, 2, each.code) for each in candidates}

    def verdicts(self, candidates: Sequence[Candidate]) -> Mapping[str, str]:
        """Accept what is right."""
        return {each.sample_id: "accepted" if each.code == "right" else "wrong_answer" for each in candidates}


@pytest.fixture(name="rows")
def _rows() -> pa.Table:
    config = AssessConfig("built", n=10, plan_sampling=PlanSamplingConfig(plans=5, codes_per_plan=2, final_codes=10))
    return assess(PROBLEMS, RecordedStudent(), ScriptedExaminer(), config)


def pass_at_1(rows: pa.Table) -> dict[str, float]:
    """Return pass@1 by method, from the stored candidates alone."""
    return {row["method"]: row["pass_at_k"] for row in summarize(evaluate_candidates(rows), [1]).to_pylist()}


def test_plan_sampling_beats_direct_sampling_where_it_must(rows: pa.Table) -> None:
    """When right programs need a good plan, and examples tell good plans, plan sampling finds it."""
    found = pass_at_1(rows)
    assert found["direct"] == pytest.approx(0.2)
    assert found["plan_sampling"] == 1.0


def test_one_run_tells_plan_sampling_of_every_number_of_plans() -> None:
    """The good plan is the fourth: with up to three plans nothing is right, from four on everything; all is stored."""
    planned = PlanSamplingConfig(plans=5, codes_per_plan=2, final_codes=10, curve=True)
    rows = assess(PROBLEMS, RecordedStudent(), ScriptedExaminer(), AssessConfig("built", n=10, plan_sampling=planned))
    found = pass_at_1(rows)
    assert [found[f"plan_sampling_of_{first}"] for first in range(1, 6)] == [0.0, 0.0, 0.0, 1.0, 1.0]
    assert found["plan_sampling"] == 1.0
    finals = [row for row in rows.to_pylist() if row["sampling"] == "plan_sampling"]
    assert {row["plan_index"] for row in finals} == {0, 3}


def test_every_method_has_its_number_from_the_stored_table(rows: pa.Table) -> None:
    """Each selection method's pass@1 follows from the candidates: random is direct, oracle finds what there is."""
    found = pass_at_1(rows)
    assert found["random"] == found["direct"]
    assert found["public_tests"] == found["oracle"] == 1.0
    assert found["majority"] == 1.0  # two equal right outputs among eight different wrong ones
    assert found["shortest"] == 1.0  # the recorded student thinks longer where it is wrong
    assert "ranked" not in found


def test_the_order_of_the_stored_rows_does_not_matter(rows: pa.Table) -> None:
    """Shuffled candidates give the same evaluation."""
    backwards = rows.take(list(range(rows.num_rows))[::-1])
    assert evaluate_candidates(rows).equals(evaluate_candidates(backwards))


def test_trials_are_stored_but_not_evaluated(rows: pa.Table) -> None:
    """Programs that only try a plan are kept with their example results and count in no estimate."""
    trials = [row for row in rows.to_pylist() if row["sampling"] == "plan_trial"]
    assert len(trials) == len(PROBLEMS) * 5 * 2
    assert {row["verdict"] for row in trials} == {"not_run"}
    assert max(row["n"] for row in evaluate_candidates(rows).to_pylist()) == 10


def test_the_same_seed_gives_the_same_ids(rows: pa.Table) -> None:
    """Sample ids are stable between runs and unique."""
    config = AssessConfig("built", n=10, plan_sampling=PlanSamplingConfig(plans=5, codes_per_plan=2, final_codes=10))
    again = assess(PROBLEMS, RecordedStudent(), ScriptedExaminer(), config)
    assert again.equals(rows)
    assert len(set(rows["sample_id"].to_pylist())) == rows.num_rows


@pytest.mark.parametrize("counts", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_plan_sampling_of_nothing_is_refused(counts: tuple[int, int, int]) -> None:
    """Without plans, trials or final programs there is nothing to sample."""
    with pytest.raises(InputError):
        PlanSamplingConfig(*counts)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("print(1)", "print(1)"),
        ("<think>\nhm\n</think>\n```python\nprint(1)\n```\nDone.", "print(1)"),
        ("```\nfirst\n```\n```python\nlast\n```", "last"),
        ("```python\nwhole\n```\n```python\ncut", "whole"),
        ("```python\nprint(6 * 7)\n```\nOutput:\n```\n42\n```", "print(6 * 7)"),
        ("~~~python\nprint(1)\n~~~", "print(1)"),
        ("````markdown\n```python\nprint(1)\n```\n````", "print(1)"),
        ("<think>\n```python\nprint(1)\n```", ""),
    ],
)
def test_the_program_of_an_answer(text: str, code: str) -> None:
    """It is the last whole fence after the reasoning, or everything without a fence; thoughts hold no program."""
    assert extract_code(text) == code


def test_the_ranker_learns_what_fails() -> None:
    """Trained on judged programs, it ranks a new right program above a new failing one."""
    pytest.importorskip("torch", reason="needs the extra `train`")
    from ocr_pipeline.student.ranker import LabelledProgram, train_ranker

    programs = [LabelledProgram("Add.", f"x{i} = int(input())\nprint(x{i} + 1)", "accepted") for i in range(12)] + [
        LabelledProgram("Add.", f"y{i} = input()\nraise SystemExit({i})", "runtime_error") for i in range(12)
    ]
    ranker = train_ranker(programs)
    right, wrong = ranker.scores(
        [("Add.", "z = int(input())\nprint(z + 1)"), ("Add.", "z = input()\nraise SystemExit(9)")]
    )
    assert right > 0.7
    assert wrong < 0.3
    with pytest.raises(TrainingError):
        train_ranker(programs[:12])


SUBTASKS = [Subtask("small", 30, ("1", "2")), Subtask("large", 70, ("2", "3"))]


def test_a_subtask_is_worth_its_worst_test() -> None:
    """A submission earns points times its worst test; a test that was not reached counts nothing."""
    assert submission_score(SUBTASKS, {"1": 1.0, "2": 1.0, "3": 0.5}) == 65.0
    assert submission_score(SUBTASKS, {"1": 1.0}) == 0.0


def test_subtasks_take_the_best_submission_each() -> None:
    """Different submissions may solve different subtasks; without any the score is 0."""
    assert problem_score(SUBTASKS, [{"1": 1, "2": 1}, {"1": 0, "2": 0.5, "3": 1}]) == 65.0
    assert problem_score(SUBTASKS, []) == 0.0


def execution(problem_id: str, verdict: str, **tests: str) -> dict[str, object]:
    """Build a judged submission."""
    results = [{"test_id": name[1:], "verdict": found} for name, found in tests.items()]
    return {"sample_id": verdict, "problem_id": problem_id, "verdict": verdict, "results": results}


def test_judged_submissions_are_scored(tmp_path: Path) -> None:
    """Executions and a file of subtasks give the score of each problem; without a judged submission it is unscored."""
    rows = [
        execution("p", "wrong_answer", t1="accepted", t2="accepted", t3="wrong_answer"),
        execution("p", "time_limit", t1="time_limit", t2="accepted", t3="accepted"),
        execution("q", "not_run"),
    ]
    parts = [("p", "small", 30, ["1", "2"]), ("p", "large", 70, ["2", "3"]), ("q", "all", 100, ["1"])]
    lines = [json.dumps(dict(zip(("problem_id", "name", "points", "test_ids"), part, strict=True))) for part in parts]
    (tmp_path / "subtasks.jsonl").write_text("\n".join(lines), encoding="utf-8")
    first, second = score_executions(
        pa.Table.from_pylist(rows, schema=EXECUTIONS.schema).to_batches(), read_subtasks(tmp_path / "subtasks.jsonl")
    )
    assert (first.score, first.best_single, first.points, first.submissions) == (100.0, 70.0, 100.0, 2)
    assert (second.score, second.not_run) == (None, 1)
    (tmp_path / "subtasks.jsonl").write_text('{"problem_id": "p"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"subtasks\.jsonl:1"):
        read_subtasks(tmp_path / "subtasks.jsonl")


@given(st.lists(st.dictionaries(st.sampled_from("123"), st.floats(0, 1)), min_size=1, max_size=4))
def test_more_submissions_never_lower_a_score(submissions: list[dict[str, float]]) -> None:
    """The score of a problem grows with its submissions and is at least the best single one."""
    assert problem_score(SUBTASKS, submissions) >= problem_score(SUBTASKS, submissions[1:])
    assert problem_score(SUBTASKS, submissions) >= max(submission_score(SUBTASKS, each) for each in submissions) - 1e-9


def test_the_inputs_of_other_judges(tmp_path: Path) -> None:
    """lcb_runner gets the programs of each question in the order of ids, EvalPlus a line per program."""
    codes = {"b": ["print(1)", "print(2)"], "a": ["print(3)", "print(4)"]}
    write_lcb(codes, tmp_path / "lcb.json")
    assert json.loads((tmp_path / "lcb.json").read_text()) == [codes["a"], codes["b"]]
    write_evalplus(codes, tmp_path / "evalplus.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "evalplus.jsonl").read_text().splitlines()]
    assert lines[0] == {"task_id": "a", "solution": "print(3)"}
    assert len(lines) == 4
    write_evalplus({"HumanEval/7": ["x"], "602": ["y"]}, tmp_path / "evalplus.jsonl")
    ids = [json.loads(line)["task_id"] for line in (tmp_path / "evalplus.jsonl").read_text().splitlines()]
    assert ids == ["Mbpp/602", "HumanEval/7"]
    with pytest.raises(InputError, match="same number"):
        write_lcb({"a": ["x"], "b": []}, tmp_path / "lcb.json")
