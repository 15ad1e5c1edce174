"""Test-time selection: critics, rankers and baselines side by side, over direct and over plan-sampled programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline import cli
from ocr_pipeline.errors import ModelError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.student.assess import AssessConfig, assess, evaluate_candidates, with_ranker_scores
from ocr_pipeline.student.benchmark import read_benchmark
from ocr_pipeline.student.examine import SandboxExaminer
from ocr_pipeline.student.generation import Completion, Sampling
from ocr_pipeline.student.pass_at_k import summarize
from ocr_pipeline.student.plan_sampling import PlanSamplingConfig
from ocr_pipeline.student.ranker import LabelledProgram, RankerConfig, train_ranker
from ocr_pipeline.student.rows import Task
from ocr_pipeline.student.sampling import Candidate
from ocr_pipeline.student.self_critique import joined_critiques
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
    assert shares(told)["self_critique"] == shares(told)["shortest_critique"] == 0.5


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
    """The message says which one, and what else can be given."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    with pytest.raises(ModelError, match=r"cannot be loaded.*give linear, a folder"):
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
    statements = dict.fromkeys((f"p{number}" for number in range(4)), "Add.")
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
    ranked = with_ranker_scores(rows, {"p": "Add."}, RankerConfig(), learn_from=[*RIGHT[1:], *FAILING[1:]])
    better, worse = ranked["ranker_score"].to_pylist()
    assert better > worse


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
    problems = [{"problem_id": f"p{number}", "statement": "Add.", "io_mode": "stdin"} for number in range(4)]
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
        "self_critique",
        "shortest_critique",
        "ranked",
        "oracle",
    }
    assert summary.keys() == methods | {f"plan_sampling/{method}" for method in methods} | {"direct", "plan_sampling"}
    assert summary["self_critique"]["pass_at_k"] == 1.0
    assert summary["random"]["standard_error"] == 0.0
    assert "plan_sampling/shortest_critique" in capsys.readouterr().out
