"""Test-time selection: critics, rankers and baselines side by side, over direct and over plan-sampled programs."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline import cli
from ocr_pipeline.errors import InputError, ModelError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.student.assess import AssessConfig, assess, evaluate_candidates, try_benchmark, with_ranker_scores
from ocr_pipeline.student.benchmark import read_benchmark
from ocr_pipeline.student.examine import SandboxExaminer
from ocr_pipeline.student.generation import Completion, Sampling
from ocr_pipeline.student.pass_at_k import summarize
from ocr_pipeline.student.plan_sampling import PlanSamplingConfig
from ocr_pipeline.student.ranker import LabelledProgram, RankerConfig, train_ranker
from ocr_pipeline.student.rows import Task
from ocr_pipeline.student.sampling import Candidate
from ocr_pipeline.student.self_critique import joined_critiques, with_critiques
from ocr_pipeline.tables import GENERATED_TESTS, PROBLEMS, STUDENT_CANDIDATES, TESTS
from tests.student.test_inference import PROBLEMS as ASKED
from tests.student.test_inference import RecordedStudent, ScriptedExaminer


def row(sample_id: str, verdict: str, **more: Any) -> dict[str, Any]:
    """Build a candidate of one problem."""
    known = {"student": "s", "benchmark": "b", "problem_id": "p", "sampling": "direct", "language": "python"}
    counts = {"reasoning_tokens": 1, "examples_passed": 0, "examples_total": 0}
    return known | counts | {"sample_id": sample_id, "code": sample_id, "verdict": verdict} | more


def shares(rows: pa.Table) -> dict[str, float]:
    """Return pass@1 by method."""
    return {each["method"]: each["pass_at_k"] for each in summarize(evaluate_candidates(rows), [1]).to_pylist()}


def table(*rows: dict[str, Any]) -> pa.Table:
    """Build student_candidates."""
    return pa.Table.from_pylist(list(rows), schema=STUDENT_CANDIDATES.schema)


def test_critics_choose_what_they_call_right_and_the_shortest_of_it() -> None:
    """Of three called right one is wrong, and the shortest critique is that of a right one; lot knows nothing."""
    rows = table(
        row("a", "accepted", critique="short", judgement="right"),
        row("b", "wrong_answer", critique="a longer one", judgement="right"),
        row("c", "accepted", critique="the longest of all", judgement="right"),
        row("d", "wrong_answer", critique="x", judgement="wrong"),
        row("e", "wrong_answer", critique="", judgement="none"),
    )
    found = shares(rows)
    assert found["random"] == pytest.approx(2 / 5)
    assert found["self_critique"] == pytest.approx(2 / 3)
    assert found["shortest_critique"] == found["oracle"] == 1.0


def test_a_critic_that_calls_nothing_right_tells_nothing_apart() -> None:
    """Then both methods hand in one of all by lot; without critiques they are not in the table."""
    rows = table(*(row(name, verdict) for name, verdict in (("a", "accepted"), ("b", "wrong_answer"))))
    assert "self_critique" not in shares(rows)
    told = joined_critiques(rows, [{"sample_id": name, "critique": "No.", "judgement": "wrong"} for name in "ab"])
    assert shares(told)["critique"] == shares(told)["shortest_critique"] == 0.5


class Critic(RecordedStudent):
    """Knows that `right` is right, and explains before it writes when it is asked to."""

    def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[list[Completion]]:
        """Judge programs, explain, or answer as recorded."""
        for prompt in prompts:
            if "Judgement:" in prompt:
                word = "right" if "<program>\nright\n" in prompt else "wrong"
                yield [Completion(f"<think>{'Hm. ' * len(prompt)}</think>Judgement: {word}", "stop", 9)]
            elif "First explain step by step" in prompt:
                yield [Completion("Add them.\n```python\nright\n```", "stop", 9)] * n
            else:
                yield from super().complete([prompt], task=task, n=n, sampling=sampling)


@pytest.fixture(name="tried")
def _tried() -> pa.Table:
    planned = PlanSamplingConfig(plans=3, codes_per_plan=1, final_codes=10)
    config = AssessConfig(
        "built", n=10, plan_sampling=planned, chain_of_thought=True, self_critique=Sampling(max_tokens=64)
    )
    return assess(ASKED, Critic(), ScriptedExaminer(), config)


def test_a_student_judges_its_own_programs(tried: pa.Table) -> None:
    """Every program that is handed in has a critique, trials have none, and the student's word finds the right ones."""
    told = {
        (each["sampling"] != "plan_trial", each["judgement"] is not None)
        for each in tried.to_pylist()
        if each["code"].strip()
    }
    assert told == {(True, True), (False, False)}
    found = shares(tried)
    assert found["self_critique"] == 1.0
    assert found["random"] == pytest.approx(0.2)


def test_the_baseline_explains_first(tried: pa.Table) -> None:
    """Chain of thought is a sampling of its own, with its own selections."""
    found = shares(tried)
    assert found["chain_of_thought"] == found["chain_of_thought/random"] == 1.0
    assert found["direct"] == pytest.approx(0.2)


def test_a_cut_critique_says_nothing() -> None:
    """A critique that hits its limit has the judgement none, whatever it said until then."""

    class Cut(Critic):
        def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[Any]:
            for each in super().complete(prompts, task=task, n=n, sampling=sampling):
                yield [Completion(one.text, "length", one.tokens) for one in each]

    config = AssessConfig("built", n=5, self_critique=Sampling(max_tokens=64))
    assert set(assess(ASKED, Cut(), ScriptedExaminer(), config)["judgement"].to_pylist()) == {"none"}


@pytest.fixture(name="encoder", scope="module")
def _encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a tiny BERT with random weights and a tokenizer of characters."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "int", "input", "print", "raise", "SystemExit", "(", ")", "=", "+"]
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))  # noqa: S106
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder = tmp_path_factory.mktemp("encoder")
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=raw, model_max_length=64, **special).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "initializer_range": 0.2,
    }
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **shape)).save_pretrained(folder)
    return folder


RIGHT = [LabelledProgram("Add.", f"x{i} = int(input())\nprint(x{i} + 1)", "accepted") for i in range(12)]
FAILING = [LabelledProgram("Add.", f"y{i} = input()\nraise SystemExit({i})", "runtime_error") for i in range(12)]
WRONG = [LabelledProgram("Add.", f"z{i} = int(input())\nprint(z{i})", "wrong_answer") for i in range(12)]


def test_an_encoder_learns_fault_classes(encoder: Path) -> None:
    """Fine-tuned on three classes, it ranks a new right program above a crashing and above a wrong one; twice the same."""
    config = RankerConfig(str(encoder), epochs=20, learning_rate=3e-3, batch_rows=8)
    asked = [
        ("Add.", "n = int(input())\nprint(n + 1)"),
        ("Add.", "raise SystemExit(9)"),
        ("Add.", "n = int(input())\nprint(n)"),
    ]
    right, crashing, wrong = train_ranker([*RIGHT, *FAILING, *WRONG], config).scores(asked)
    assert right > 0.7
    assert max(crashing, wrong) < 0.3
    assert train_ranker([*RIGHT, *FAILING, *WRONG], config).scores(asked) == [right, crashing, wrong]


def test_an_encoder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says which one, before anything is loaded."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    with pytest.raises(ModelError, match=r"ranker `.*nothing` is neither a folder nor a hub id; give one of them"):
        train_ranker([*RIGHT, *FAILING], RankerConfig(str(tmp_path / "nothing")))


def programs() -> pa.Table:
    """Build four problems with a right and a crashing program each, directly and below plans."""
    return table(
        *(
            row(f"{sampling}{number}{each.verdict}", each.verdict, code=each.code, problem_id=f"p{number}")
            | {"sampling": sampling, "plan_index": 0 if sampling == "plan_sampling" else None}
            for sampling in ("direct", "plan_sampling")
            for number in range(4)
            for each in (RIGHT[number], FAILING[number])
        ),
        *(
            row(f"t{number}", "not_run", problem_id=f"p{number}", plan_index=0, sampling="plan_trial")
            for number in range(4)
        ),
    )


@pytest.mark.parametrize("model", ["linear", "encoder"])
def test_rankers_choose_among_direct_and_planned_programs(encoder: Path, model: str) -> None:
    """Both rankers score both kinds of programs for problems that they did not learn from."""
    statements = {f"p{number}": f"Add {number}." for number in range(4)}
    name = str(encoder) if model == "encoder" else model
    found = shares(
        with_ranker_scores(programs(), statements, RankerConfig(name, epochs=40, learning_rate=3e-3, batch_rows=4))
    )
    assert found["ranked"] == found["plan_sampling/ranked"] == 1.0
    assert found["random"] == found["plan_sampling/random"] == 0.5


def test_a_ranker_learns_from_other_programs() -> None:
    """Programs of other problems can be given: then a single right program can be ranked, and nothing is split."""
    rows = table(row("a", "accepted", code=RIGHT[0].code), row("b", "accepted", code=FAILING[0].code))
    assert with_ranker_scores(rows, {"p": "Add."}, RankerConfig())["ranker_score"].null_count == 2
    ranked = with_ranker_scores(rows, {"p": "Add one."}, RankerConfig(), learn_from=[*RIGHT[1:], *FAILING[1:]])
    better, worse = ranked["ranker_score"].to_pylist()
    assert better > worse


def with_verdicts_by_lot(ids: Sequence[str], *, statement: str) -> tuple[pa.Table, dict[str, str]]:
    """Build twelve tasks with several ids each: all of a task have the same programs and verdicts, which are a coin's."""
    draw = random.Random(1)  # noqa: S311 - a coin
    rows, statements = [], {}
    for number in range(12):
        drawn = [(f"{draw.random()}{number} = {draw.random()}", draw.random() < 0.5) for _ in range(4)]
        for sibling in ids:
            problem_id = sibling.format(number)
            statements[problem_id] = statement.format(number, problem_id)
            rows += [
                row(f"{problem_id}/{index}", "accepted" if right else "wrong_answer", code=code, problem_id=problem_id)
                for index, (code, right) in enumerate(drawn)
            ]
    return table(*rows), statements


STORY = (
    "The owl of tower {0} counts {0} birds that fly in {0} circles above the old town, and writes {0} letters "
    "to the owl of the next tower, which is {0} miles away and reads at most {0} of them a day. "
)


@pytest.mark.parametrize(
    ("ids", "statement"),
    [
        (("ioi/test/2024/t{:02}/01", "ioi/test/2024/t{:02}/02"), "Task {0}, subtask {1}."),
        (("s/{:02}/a", "s/{:02}/b"), "Task {0}."),
        (("s/{:02}/a", "s/{:02}/b"), STORY + "Here: {1}."),
        (("s/{:02}/a", "s/{:02}/b"), "{1}"),
    ],
    ids=["subtasks", "equal statements", "nearly equal statements", "equal programs"],
)
def test_a_ranker_does_not_see_the_answers_of_siblings(ids: Sequence[str], statement: str) -> None:
    """On verdicts by lot, twins of a problem help it to nothing: each program is ranked as if there were no twin."""
    rows, statements = with_verdicts_by_lot(ids, statement=statement)
    found = shares(with_ranker_scores(rows, statements, RankerConfig()))
    ranked = found.get("ranked", found["random"])  # where every program has a twin in the other half, nothing is left
    assert ranked < found["random"] + 0.1
    assert found["oracle"] > found["random"] + 0.3


@pytest.mark.parametrize(
    "learned",
    [
        [LabelledProgram("Add.", f"x{i}", verdict) for i, verdict in enumerate(("accepted", "wrong_answer"))],
        [LabelledProgram("Other.", f"x{i}", verdict, "p") for i, verdict in enumerate(("accepted", "wrong_answer"))],
        [LabelledProgram("Other.", code, verdict) for code, verdict in (("a\n", "accepted"), ("b ", "wrong_answer"))],
        [],
    ],
    ids=["same statement", "same problem", "same programs", "nothing"],
)
def test_a_ranker_with_nothing_left_to_learn_from_is_refused(learned: list[LabelledProgram]) -> None:
    """It does not turn to the verdicts of the benchmark."""
    rows = table(*programs_of("p"), *programs_of("q"))
    with pytest.raises(InputError, match=f"of {len(learned)} programs to learn from, 0 are new and for other problems"):
        with_ranker_scores(rows, {"p": "Add.", "q": "Add two."}, RankerConfig(), learn_from=learned)


def programs_of(problem_id: str) -> list[dict[str, Any]]:
    """Build a right and a wrong program of a problem."""
    verdicts = (("a", "accepted"), ("b", "wrong_answer"))
    return [row(f"{problem_id}{code}", verdict, code=code, problem_id=problem_id) for code, verdict in verdicts]


def test_scores_of_an_earlier_ranker_do_not_stay() -> None:
    """Where this ranker has nothing to learn from, nothing is ranked."""
    rows = table(row("a", "accepted", ranker_score=0.1), row("b", "wrong_answer", ranker_score=0.9))
    found = with_ranker_scores(rows, {"p": "Add."}, RankerConfig())
    assert found["ranker_score"].null_count == 2
    assert "ranked" not in shares(found)


def select(folder: Path, rows: pa.Table, *given: str, fails: bool = False) -> dict[str, float]:
    """Run `student select` on rows of the problems p and q; return pass@1 by method."""
    problems = [{"problem_id": name, "statement": f"Add {name}.", "io_mode": "stdin"} for name in "pq"]
    (folder / "problems.jsonl").write_text("".join(json.dumps(each) + "\n" for each in problems), encoding="utf-8")
    pq.write_table(rows, folder / "candidates.parquet")
    files = [str(folder / "candidates.parquet"), "--problems", str(folder / "problems.jsonl")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ocr-pipeline", "student", "select", *files, *given, "--out", str(folder / "out")])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert bool(ended.value.code) == fails
    if fails:
        return {}
    summary = pq.read_table(folder / "out/evaluation_summary.parquet").to_pylist()
    return {each["method"]: each["pass_at_k"] for each in summary}


def test_nothing_left_to_learn_from_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that is given the benchmark itself to learn from refuses it."""
    rows = table(*programs_of("p"), *programs_of("q"))
    own = ["--learn-from", str(tmp_path / "candidates.parquet"), "--learn-problems", str(tmp_path / "problems.jsonl")]
    select(tmp_path, rows, *own, fails=True)
    assert "of 4 programs to learn from, 0 are new" in capsys.readouterr().err


def written(folder: Path, *critiques: dict[str, Any]) -> list[str]:
    """Write critiques and name them."""
    (folder / "critiques.jsonl").write_text("".join(json.dumps(each) + "\n" for each in critiques), encoding="utf-8")
    return ["--critiques", str(folder / "critiques.jsonl")]


@pytest.mark.parametrize(
    ("critique", "message"),
    [
        ({"sample_id": "pa", "critique": "So.", "judgement": "Right!"}, "judgement `Right!` of the critique of `pa`"),
        ({"sample_id": "zz", "critique": "So.", "judgement": "right"}, "none of 1 critiques has the sample_id"),
        ({"sample_id": "trial", "critique": "So.", "judgement": "right"}, "none of 1 critiques has the sample_id"),
    ],
)
def test_critiques_that_say_nothing_of_the_programs_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], critique: dict[str, Any], message: str
) -> None:
    """A word that is not a judgement, an unknown program, and one that only tried a plan are one line each."""
    rows = table(*programs_of("p"), row("trial", "not_run", sampling="plan_trial", plan_index=0))
    select(tmp_path, rows, *written(tmp_path, critique), fails=True)
    assert message in capsys.readouterr().err


def test_critiques_of_other_programs_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says how many were not joined."""
    said = [{"sample_id": name, "critique": "So.", "judgement": "right"} for name in ("pa", "x", "y")]
    select(tmp_path, table(*programs_of("p")), *written(tmp_path, *said))
    assert "2 of 3 critiques are of other programs" in capsys.readouterr().err


def test_a_missing_ranker_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    """Not after the student's answers were paid for."""

    class Unasked(RecordedStudent):
        def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[Any]:
            raise AssertionError((prompts, task, n, sampling))

    config = AssessConfig("b", ranker=RankerConfig(str(tmp_path / "nothing")))
    asked = pa.Table.from_pylist([{"problem_id": "p", "statement": "Add.", "io_mode": "stdin"}], schema=PROBLEMS.schema)
    tests = pa.Table.from_pylist(
        [{"problem_id": "p", "test_id": "0", "kind": "example", "input": "2", "expected": "4"}], schema=TESTS.schema
    )
    with pytest.raises(ModelError, match="is neither a folder nor a hub id"):
        try_benchmark(read_benchmark("b", asked.to_batches(), tests.to_batches()), Unasked(), config, JudgeConfig())


def test_trials_of_plans_get_no_critique() -> None:
    """They are not handed in, so nobody chooses among them."""
    rows = table(*programs_of("p"), row("trial", "not_run", sampling="plan_trial", plan_index=0))
    said = [{"sample_id": name, "critique": "So.", "judgement": "right"} for name in ("pa", "trial")]
    assert joined_critiques(rows, said)["judgement"].to_pylist() == ["right", None, None]


@pytest.mark.parametrize(("model", "method"), [("s", "self_critique"), ("other", "critique"), (None, "critique")])
def test_a_critic_is_called_itself_only_where_it_is(tmp_path: Path, model: str | None, method: str) -> None:
    """Critiques of another model, or of nobody knows whom, are not the student's own."""
    said = {"sample_id": "pa", "critique": "So.", "judgement": "right"} | ({"model": model} if model else {})
    found = select(tmp_path, table(*programs_of("p")), *written(tmp_path, said))
    assert {name for name in found if name.endswith("critique")} == {method, "shortest_critique"}
    assert found[method] == 1.0


@pytest.mark.parametrize(("name", "method"), [("s", "self_critique"), ("other", "critique")])
def test_a_critic_that_is_asked_is_named(name: str, method: str) -> None:
    """The rows keep who it was."""
    critic = Critic()
    critic.name = name  # type: ignore[misc]
    rows = with_critiques(table(*programs_of("p")), {"p": "Add."}, critic, Sampling(max_tokens=64))
    assert set(rows["critic"].to_pylist()) == {name}
    assert method in shares(rows)


def test_programs_of_other_languages_are_not_criticized() -> None:
    """One line names the language, and nobody is asked."""
    rows = table(row("a", "accepted", language="java"))
    with pytest.raises(InputError, match="not asked about programs of language `java`, only python, cpp"):
        with_critiques(rows, {"p": "Add."}, Critic(), Sampling(max_tokens=64))


def test_programs_agree_on_made_inputs() -> None:
    """Two programs that print the same on the example differ on a made input, so the majority can tell them apart."""
    problem = {"problem_id": "p", "statement": "Print the square.", "io_mode": "stdin"}
    tests = [{"problem_id": "p", "test_id": "0", "kind": "example", "input": "2", "expected": "4"}]
    made = [
        {"problem_id": "p", "test_id": "1", "kind": "generated", "input": "3", "expected": "9", "made_by": "extreme"}
    ]
    codes = ["print(int(input()) ** 2)", "print(int(input()) * 2)"]

    def keys(examiner: SandboxExaminer) -> set[str | None]:
        candidates = [Candidate(str(number), "p", code, 0) for number, code in enumerate(codes)]
        return {each.outputs_key for each in examiner.examples(candidates).values()}

    read = [
        pa.Table.from_pylist(rows, schema=of.schema).to_batches()
        for of, rows in ((PROBLEMS, [problem]), (TESTS, tests), (GENERATED_TESTS, made))
    ]
    assert len(keys(read_benchmark("b", read[0], read[1]).examiner(JudgeConfig()))) == 1
    assert len(keys(read_benchmark("b", read[0], read[1], made=read[2]).examiner(JudgeConfig()))) == 2


def test_the_command_puts_all_methods_side_by_side(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Critiques are joined, an encoder ranks, and one table has every method with its standard error."""
    rows = programs()
    pq.write_table(rows, tmp_path / "candidates.parquet")
    said = [
        {
            "sample_id": one["sample_id"],
            "critique": "So.",
            "judgement": "right" if "accepted" in one["verdict"] else "wrong",
        }
        for one in rows.to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(said), tmp_path / "critiques.parquet")
    problems = [{"problem_id": f"p{number}", "statement": f"Add {number}.", "io_mode": "stdin"} for number in range(4)]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(each) + "\n" for each in problems), encoding="utf-8")
    given = ["student", "select", "candidates.parquet", "--problems", "problems.jsonl", "--critiques"]
    more = ["critiques.parquet", "--ranker", str(encoder), "--ranker-epochs", "2", "--out", "out"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ocr-pipeline", *given, *more])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in {0, None}
    summary = {each["method"]: each for each in pq.read_table("out/evaluation_summary.parquet").to_pylist()}
    methods = {
        "random",
        "majority",
        "shortest",
        "public_tests",
        "critique",
        "shortest_critique",
        "ranked",
        "oracle",
    }
    assert summary.keys() == methods | {f"plan_sampling/{method}" for method in methods} | {"direct", "plan_sampling"}
    assert summary["critique"]["pass_at_k"] == 1.0
    assert summary["random"]["standard_error"] == 0.0
    assert "plan_sampling/shortest_critique" in capsys.readouterr().out
