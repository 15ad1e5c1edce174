"""Thinking budgets, and what becomes of answers that reached their limit."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline import cli
from ocr_pipeline.asking import Asking
from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.student.assess import AssessConfig, assess
from ocr_pipeline.student.generation import Completion, LocalStudent, Sampling, ServedStudent, WhenCut
from ocr_pipeline.student.options import EvaluationRecipe
from ocr_pipeline.student.patience import Budgets, cut_text, observed_budgets
from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.student.rows import Task, TrainingRow
from ocr_pipeline.student.training import train
from ocr_pipeline.tables import STUDENT_CANDIDATES
from ocr_pipeline.tasks import CODEPLAN
from ocr_pipeline.teacher.servers import Replay
from tests.student.test_inference import ScriptedExaminer

PROBLEMS = [AskedProblem(f"p{number}", f"Add {number}.", "stdin", difficulty="hard") for number in range(3)]


CANDIDATE = {
    "student": "s",
    "benchmark": "b",
    "problem_id": "p",
    "sampling": "direct",
    "sample_id": "a",
    "code": "right",
    "reasoning_tokens": 0,
    "examples_passed": 0,
    "examples_total": 0,
}


class Thinker:
    """Needs seven words for the right program; with another seed it needs two."""

    name = "thinker"

    def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[list[Completion]]:
        """Think until the limit."""
        del task
        words = ["right"] if sampling.seed else ["<think>", *["hm"] * 5, "</think>\nright"]
        some = words[: sampling.max_tokens]
        for _ in prompts:
            yield [Completion(" ".join(some), "stop" if some == words else "length", len(some))] * n

    def resume(self, begun: Sequence[tuple[str, str]], *, sampling: Sampling) -> Iterator[Completion]:
        """Go on where the text ended."""
        for _, text in begun:
            rest = ["<think>", *["hm"] * 5, "</think>\nright"][len(text.split()) :][: sampling.max_tokens]
            yield Completion(f" {' '.join(rest)}", "stop", len(rest))


def tried(when: WhenCut, *, extra: int = 9, budgets: Budgets | None = None) -> list[dict[str, Any]]:
    """Return the candidates of a student that may write four tokens."""
    sampling = Sampling(max_tokens=4, when_cut=when, extra_tokens=extra)
    config = AssessConfig("b", 1, sampling, budgets=budgets)
    rows: list[dict[str, Any]] = assess(PROBLEMS, Thinker(), ScriptedExaminer(), config).to_pylist()
    return rows


@pytest.mark.parametrize(
    ("when", "verdict", "tokens", "extra"),
    [
        (WhenCut.KEEP, "wrong_answer", 4, 0),
        (WhenCut.CONTINUE, "accepted", 7, 3),
        (WhenCut.RESTART, "accepted", 5, 1),
    ],
)
def test_what_a_cut_answer_costs_and_gives(when: WhenCut, verdict: str, tokens: int, extra: int) -> None:
    """Kept it is wrong; continued or begun anew it is right, and all tokens are counted, a dropped answer's too."""
    for row in tried(when):
        assert (row["verdict"], row["tokens"], row["extra_tokens"], row["budget"]) == (verdict, tokens, extra, 4)


def test_a_budget_takes_the_place_of_the_limit() -> None:
    """With seven tokens for hard problems nothing is cut."""
    rows = tried(WhenCut.CONTINUE, budgets=Budgets.read("hard=7,else=2"))
    assert {(row["verdict"], row["extra_tokens"], row["finish_reason"]) for row in rows} == {("accepted", 0, "stop")}


def test_who_cannot_go_on_says_so() -> None:
    """A student without a way to continue is refused by name."""

    class Plain:
        name = "plain"
        complete = Thinker.complete

    with pytest.raises(OptionError, match="`plain` cannot go on"):
        assess(
            PROBLEMS,
            Plain(),
            ScriptedExaminer(),
            AssessConfig("b", 1, Sampling(max_tokens=4, when_cut=WhenCut.CONTINUE, extra_tokens=4)),
        )


def judged(difficulty: str | None, problem: int, tokens: int, verdict: str = "accepted") -> dict[str, Any]:
    """Build a judged candidate."""
    return {"difficulty": difficulty, "problem_id": f"{difficulty}{problem}", "tokens": tokens, "verdict": verdict}


def test_budgets_come_from_right_answers_of_a_difficulty() -> None:
    """Wrong answers set nothing; what is saved and lost is told by the other half of the problems."""
    easy = [judged("easy", number, tokens) for number, tokens in enumerate((10, 20, 30, 40))]
    wrong = [
        judged("easy", 1, 500, "wrong_answer"),
        judged("hard", 0, 900, "wrong_answer"),
        judged("hard", 0, 5, "not_run"),
    ]
    found, table = observed_budgets([*easy, *wrong], 0.95)
    assert (str(found), found.of("easy"), found.of("hard"), found.of(None)) == ("easy=40,else=40", 40, 40, 40)
    easy_row, hard_row = table.to_pylist()
    # problems 0 and 2 set 30, 1 and 3 set 40: 40 is over 30 by 10, 500 by 470; one right answer is lost
    assert (easy_row["tokens_saved"], easy_row["right_lost"], easy_row["right"]) == (480, 1, 4)
    assert (hard_row["budget"], hard_row["tokens_saved"]) == (None, 0)


def test_nothing_right_sets_no_budget() -> None:
    """Then no length is known that suffices."""
    with pytest.raises(InputError, match="no judged answer of known length is right"):
        observed_budgets([judged("easy", 0, 5, "wrong_answer")], 0.95)


@given(
    st.dictionaries(st.text(min_size=1).filter(lambda name: name != "else"), st.integers(1, 10**6)),
    st.integers(1, 99),
)
def test_budgets_are_read_as_they_are_written(known: dict[str, int], otherwise: int) -> None:
    """What the command prints is what the option takes."""
    assert Budgets.read(str(Budgets(known, otherwise))) == Budgets(known, otherwise)


def test_budgets_that_name_a_difficulty_twice_are_refused() -> None:
    """Which of the two counts nobody knows."""
    with pytest.raises(OptionError, match="budgets name `easy` twice in `easy=1, easy=2`"):
        Budgets.read("easy=1, easy=2")


def test_what_is_printed_is_one_word_of_a_shell_and_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Difficulties with commas and spaces, and lengths that a server did not tell, give budgets that the option takes."""
    rows = [
        judged("easy, mostly", 0, 30),
        judged("easy, mostly", 1, 0),
        judged("hard", 0, 0),
        judged("hard", 1, 0, "wrong_answer"),
    ]
    (tmp_path / "candidates.jsonl").write_text("".join(json.dumps(CANDIDATE | each) + "\n" for each in rows))
    monkeypatch.setattr("sys.argv", ["ocr-pipeline", "student", "budgets", str(tmp_path / "candidates.jsonl")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in {0, None}
    option, budgets = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert option == "--budgets"
    assert EvaluationRecipe(budgets=budgets).assess("b").budgets == Budgets({"easy, mostly": 30}, 30)


def test_a_share_is_taken_as_it_is_written() -> None:
    """Seven hundredths of a hundred right answers are seven, though the product of the numbers is a bit more."""
    answers = [judged("easy", number, number + 1) for number in range(100)]
    assert [observed_budgets(answers, share)[0].of("easy") for share in (0.07, 0.29, 0.95, 1.0)] == [7, 29, 95, 100]


@pytest.mark.parametrize(("when", "length"), [(WhenCut.KEEP, None), (WhenCut.CONTINUE, 7), (WhenCut.RESTART, 1)])
def test_a_budget_is_the_length_of_the_right_answer(when: WhenCut, length: int | None) -> None:
    """An answer that replaced a cut one needs no room for the cut one; a continued one does."""
    rows = tried(when)
    if length is None:
        with pytest.raises(InputError):
            observed_budgets(rows, 0.95)
    else:
        assert observed_budgets(rows, 0.95)[0].of("hard") == length


@pytest.mark.parametrize("when", [WhenCut.CONTINUE, WhenCut.RESTART])
def test_who_cannot_be_asked_again_is_unscored(when: WhenCut) -> None:
    """A server that fails after an answer was cut says nothing of what the student would have written."""

    class Failing(Thinker):
        def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[Any]:
            if sampling.seed:
                yield from ([Completion("", None, 0, failed=True)] for _ in prompts)
            else:
                yield from super().complete(prompts, task=task, n=n, sampling=sampling)

        def resume(self, begun: Sequence[tuple[str, str]], *, sampling: Sampling) -> Iterator[Completion]:
            del sampling
            yield from (Completion("", None, 0, failed=True) for _ in begun)

    sampling = Sampling(max_tokens=4, when_cut=when, extra_tokens=9)
    rows = assess(PROBLEMS, Failing(), ScriptedExaminer(), AssessConfig("b", 1, sampling)).to_pylist()
    assert {(row["verdict"], row["code"], row["tokens"], row["dropped_tokens"]) for row in rows} == {
        ("not_run", "", 4, 4)
    }


def test_a_server_that_does_not_count_leaves_lengths_unknown() -> None:
    """A text of no tokens has an unknown length, not the length 0."""

    class Uncounted(Thinker):
        def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[Any]:
            for found in super().complete(prompts, task=task, n=n, sampling=sampling):
                yield [Completion(one.text, one.finish_reason, 0) for one in found]

    rows = assess(PROBLEMS, Uncounted(), ScriptedExaminer(), AssessConfig("b", 1, Sampling(max_tokens=9)))
    assert set(rows["tokens"].to_pylist()) == {None}


def test_what_went_on_is_counted_among_programs_that_are_handed_in() -> None:
    """Trials of plans are not right or wrong; what they cost is told apart."""
    rows = [
        CANDIDATE | {"sampling": sampling, "verdict": verdict, "extra_tokens": 5, "finish_reason": "stop"}
        for sampling, verdict, count in (
            ("direct", "accepted", 3),
            ("direct", "wrong_answer", 1),
            ("plan_trial", "not_run", 6),
        )
        for _ in range(count)
    ]
    told = cut_text(pa.Table.from_pylist(rows, schema=STUDENT_CANDIDATES.schema))
    assert told == (
        "0 of 4 answers end at their limit; 4 went on for 20 tokens, 3 of them are right; "
        "6 trials of plans went on for 30 tokens"
    )


@pytest.mark.parametrize("text", ["", "easy", "easy=", "easy=0", "=5", "easy=5,,hard=6", "easy=-1"])
def test_budgets_of_another_form_are_refused(text: str) -> None:
    """One line says the form."""
    with pytest.raises(OptionError, match="budgets must be such as"):
        Budgets.read(text)


def test_a_server_continues_the_final_message(tmp_path: Path) -> None:
    """The begun answer is sent as the last message; a thought that the server opens again is one thought."""
    lines = [
        {"match": [word], "sample_index": 0, "message": {"role": "assistant", "content": text}, "stop_reason": None}
        | {"finish_reason": finish, "created": 1, "processing_ms": 1}
        | {"usage": {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}}
        for word, text, finish, tokens in (
            ("Add 1.<think>It is", "<think> one.</think>\nprint(1)", "stop", 5),
            ("Add 1.", "<think>It is", "length", 3),
        )
    ]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
    with Replay(tmp_path / "answers.jsonl", strict=True, model="served") as server:
        student = ServedStudent("served", server, tmp_path / "ledger.sqlite", Asking(model="served"))
        [rest] = student.resume([("Add 1.", "<think>It is")], sampling=Sampling(max_tokens=9))
    assert (rest.text, rest.tokens, rest.finish_reason) == (" one.</think>\nprint(1)", 5, "stop")


def test_a_local_student_goes_on_as_if_it_had_not_been_cut(tmp_path: Path) -> None:
    """A greedy answer of four tokens, continued by four, is the greedy answer of eight."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    from ocr_pipeline.student.config import preset

    rows = [TrainingRow(str(n), Task.CODE, f"Add {n}.", f"print(int(input()) + {n})", str(n)) for n in range(4)]
    train(
        rows, preset("tiny").replaced(max_steps=40, batch_rows=4), tmp_path / "student"
    )  # so that it writes whole letters
    student = LocalStudent(tmp_path / "student", wording=CODEPLAN)
    greedy = Sampling(0.0, 1.0, 8)
    [[whole]] = student.complete(["Add 1."], task=Task.CODE, n=1, sampling=greedy)
    [[begun]] = student.complete(["Add 1."], task=Task.CODE, n=1, sampling=Sampling(0.0, 1.0, 4))
    [rest] = student.resume([("Add 1.", begun.text)], sampling=Sampling(0.0, 1.0, 4))
    assert begun.text + rest.text == whole.text
