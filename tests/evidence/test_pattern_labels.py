"""A model labels sentences twice; the rules are held against what both labellings say."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from typer.testing import CliRunner

from ocr_pipeline.asking import Asking
from ocr_pipeline.cli import build_app
from ocr_pipeline.counts import StageCounts, cohen_kappa
from ocr_pipeline.evidence.pattern_labels import (
    MEANINGS,
    LabelConfig,
    agreement_of,
    label_patterns,
    read_labels,
)
from ocr_pipeline.evidence.patterns import Pattern
from ocr_pipeline.store import FileWriter
from ocr_pipeline.tables import PATTERN_LABELS
from ocr_pipeline.teacher.request import Request
from tests.plans.test_make import Teacher

REASONING = "We are given a list. Let me check it. The sum is 7.\n"
TEXT = f"<think>\n{REASONING}</think>\n\nDone."
MOVES = ["problem_rephrasing", "verification", "other"]
NAMES = [pattern.value for pattern in MEANINGS]


def tables(*names: str) -> tuple[pa.Table, pa.Table]:
    """Build samples and responses of the same reasoning."""
    span = {"start": TEXT.index("We"), "end": TEXT.index("</think>")}
    samples = [{"sample_id": name, "reasoning_span": span} for name in names]
    return pa.Table.from_pylist(samples), pa.Table.from_pylist([{"request_id": name, "text": TEXT} for name in names])


def answer(moves: list[str], **more: Any) -> dict[str, Any]:
    """Build what a teacher says of sentences in their order."""
    return {"text": "\n".join(f"{number}: {move}" for number, move in enumerate(moves, 1)), **more}


def label(tmp_path: Path, teacher: Teacher, *names: str, **options: Any) -> tuple[StageCounts, list[dict[str, Any]]]:
    """Label the same reasoning under some names; return the account and the rows."""
    samples, responses = tables(*names)
    out = tmp_path / "labels.parquet"
    with FileWriter(out, PATTERN_LABELS) as writer:
        counts = label_patterns(
            samples.to_batches(),
            responses.to_batches(),
            config=LabelConfig(**options),
            asking=Asking(model="m"),
            server=None,  # type: ignore[arg-type]
            ledger=tmp_path / "ledger.sqlite",
            writer=writer,
            ask=teacher,
        )
    return counts, pq.read_table(out).to_pylist()


def test_sentences_on_which_both_agree_are_kept(tmp_path: Path) -> None:
    """Each sentence has a row with the rule's move and both labels."""
    counts, rows = label(tmp_path, Teacher(lambda *_: answer(MOVES)), "a")
    assert [(row["segment"], row["rule"], row["first"], row["second"], row["verdict"]) for row in rows] == [
        (number, move, move, move, "kept") for number, move in enumerate(MOVES)
    ]
    assert (counts.rows_in, counts.kept, counts.notes["traces"], counts.notes["requests"]) == (3, 3, 1, 2)


def test_second_labelling_names_the_moves_in_reverse_order(tmp_path: Path) -> None:
    """A model that takes whatever stands first is found out."""

    def takes_the_first(request: Request, _: Asking) -> dict[str, Any]:
        first = re.findall(r"^(\w+): ", request.messages[0].content, re.MULTILINE)[0]
        return answer([first] * 3)

    counts, rows = label(tmp_path, Teacher(takes_the_first), "a")
    assert {(row["first"], row["second"]) for row in rows} == {(NAMES[0], NAMES[-1])}
    assert counts.dropped == {"differs": 3}


def test_same_model_under_its_name_gets_the_reverse_order(tmp_path: Path) -> None:
    """Otherwise the two requests would be one, and one answer would agree with itself."""
    teacher = Teacher(lambda *_: answer(MOVES))
    label(tmp_path, teacher, "a", second_model="m")
    assert teacher.asked[0].messages != teacher.asked[1].messages


def test_second_model_is_asked_in_the_same_words(tmp_path: Path) -> None:
    """Two models differ by themselves, so the order stays."""
    teacher = Teacher(lambda _, asking: answer(["other" if asking.model == "n" else "verification"] * 3))
    _, rows = label(tmp_path, teacher, "a", second_model="n")
    assert {(row["first"], row["second"]) for row in rows} == {("verification", "other")}
    assert teacher.asked[0].messages == teacher.asked[1].messages


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ({"text": "", "error": "refused"}, "teacher_error"),
        (answer(MOVES, finish_reason="length"), "truncated"),
        ({"text": "I cannot."}, "no_label"),
        ({"text": "1: musing\n2: musing\n3: musing"}, "no_label"),
        ({"text": "<think>\n1: other\n2: other\n3: other"}, "no_label"),
    ],
)
def test_what_cannot_be_read_is_a_reason(said: dict[str, Any], verdict: str, tmp_path: Path) -> None:
    """Every chosen sentence keeps its row."""
    counts, rows = label(tmp_path, Teacher(lambda *_: said), "a")
    assert [row["verdict"] for row in rows] == [verdict] * 3
    assert counts.dropped == {verdict: 3}


def test_more_reasonings_keep_the_first(tmp_path: Path) -> None:
    """The choice is by the hash of the id, so what was paid for is asked again under the same key."""
    names = [f"sample-{number}" for number in range(20)]
    few, many = (
        {row["sample_id"] for row in label(tmp_path, Teacher(lambda *_: answer(MOVES)), *names, traces=traces)[1]}
        for traces in (3, 9)
    )
    assert (len(few), len(many)) == (3, 9)
    assert few < many


def test_long_reasonings_are_asked_in_parts(tmp_path: Path) -> None:
    """Numbers start anew in each request, and the rows go on counting."""
    teacher = Teacher(lambda *_: answer(["other", "other"]))
    _, rows = label(tmp_path, teacher, "a", sentences_per_request=2)
    assert [row["segment"] for row in rows] == [0, 1, 2]
    assert len(teacher.asked) == 4
    assert len(label(tmp_path, teacher, "a", sentences=1)[1]) == 1


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("1: verification", {1: "verification"}),
        ("**2.** Self-Evaluation", {2: "self_evaluation"}),
        ("3 - new approach.", {3: "new_approach"}),
        ("[4]: `other`", {4: "other"}),
        ("1: other\n1: verification\n2: other", {2: "other"}),
        ("Sentence one is a verification.", {}),
        ("1" * 5_000 + ": other", {}),
        ("\n" * 200_000 + "1: other", {1: "other"}),
    ],
)
def test_lines_are_read_as_models_write_them(said: str, read: dict[int, str]) -> None:
    """With the marks and the letter case that models put around a number and a name; two moves are none."""
    assert read_labels(said) == {number: Pattern(name) for number, name in read.items()}


@given(st.text())
def test_any_answer_can_be_read(said: str) -> None:
    """Only moves come out."""
    assert set(read_labels(said).values()) <= set(Pattern)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    """None where scikit-learn has no number."""
    left, right = zip(*pairs, strict=True)
    if len({*left, *right}) == 1:
        assert cohen_kappa(pairs) is None
    else:
        assert cohen_kappa(pairs) == pytest.approx(cohen_kappa_score(left, right))


def test_rules_are_measured_where_both_labellings_agree() -> None:
    """Precision and recall of each move, and two kappas."""
    rows = [
        {"rule": rule, "first": first, "second": second, "verdict": "kept" if first == second else "differs"}
        for rule, first, second in [
            ("verification", "verification", "verification"),
            ("verification", "other", "other"),
            ("other", "verification", "verification"),
            ("verification", "other", "verification"),
        ]
    ]
    table = {row["label"]: row for row in agreement_of(rows).to_pylist()}
    found = table["verification"]
    assert (found["sentences"], found["by_rule"], found["by_both"]) == (2, 2, 1)
    assert (found["precision"], found["recall"]) == (0.5, 0.5)
    assert table["backtracking"]["precision"] is None
    assert table["both labellings"]["kappa"] == pytest.approx(0.5)
    assert table["rules and labels"]["sentences"] == 3


class Labeller(BaseHTTPRequestHandler):
    """An OpenAI-compatible server whose model calls every second sentence a verification."""

    asked = 0

    def do_GET(self) -> None:
        """Name the model."""
        self._send({"object": "list", "data": [{"id": "m"}]})

    def do_POST(self) -> None:
        """Label what is asked."""
        Labeller.asked += 1
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][0]["content"]
        numbers = re.findall(r"^(\d+): ", asked.split("The sentences:")[1], re.MULTILINE)
        text = "\n".join(f"{number}: {('verification', 'other')[int(number) % 2]}" for number in numbers)
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._send(
            {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        )

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _send(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(name="url")
def labelling_server() -> Iterator[str]:
    """Serve on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Labeller)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_command_labels_through_a_server(tmp_path: Path, url: str) -> None:
    """Labels, agreement, and a second run that asks nothing."""
    samples, responses = tables("a", "b")
    columns = {"problem_id": "p", "language": "python", "verdict": "kept"}
    for name, value in columns.items():
        samples = samples.append_column(name, pa.array([value] * 2))
    pq.write_table(samples, tmp_path / "samples.parquet")
    pq.write_table(responses, tmp_path / "responses.parquet")
    arguments = [
        "label-patterns",
        str(tmp_path / "samples.parquet"),
        "--responses",
        str(tmp_path / "responses.parquet"),
    ]
    arguments += ["--url", url, "--model", "m", "--out", str(tmp_path / "out"), "--show"]
    app = build_app(["label-patterns", "patterns"])  # a single command would have no name
    assert CliRunner().invoke(app, arguments).exit_code == 0
    asked = Labeller.asked
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert Labeller.asked == asked == 2  # both reasonings are the same text, which is paid once
    rows = pq.read_table(tmp_path / "out/pattern_labels.parquet").to_pylist()
    assert [row["first"] for row in rows] == ["other", "verification", "other"] * 2
    agreement = pq.read_table(tmp_path / "out/agreement.parquet").to_pylist()
    assert {row["label"]: row["kappa"] for row in agreement}["both labellings"] == 1.0
