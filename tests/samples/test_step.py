"""The step from responses to samples: one row each, one verdict each, the same bytes every time."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.answers import FencePolicy
from ocr_pipeline.cli import build_app
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.errors import InputError
from ocr_pipeline.samples import SampleConfig, separate
from ocr_pipeline.store import FileWriter
from ocr_pipeline.tables import SAMPLES
from tests.samples.rows import ALL_SHAPES, responses, separated

VERDICTS = [
    "kept",
    "kept",
    "no_think",
    "unclosed_think",
    "empty_reasoning",
    "kept",
    "no_code",
    "python2",
    "wrong_language",
    "syntax_error",
    "empty_response",
    "kept",
    "unclosed_think",
]


def test_every_response_has_one_verdict(tmp_path: Path) -> None:
    """Each shape gets its verdict, the account balances, and no row is lost."""
    counts, samples = separated(tmp_path / "samples.parquet", [responses(ALL_SHAPES)])
    assert [sample["verdict"] for sample in samples] == VERDICTS
    assert [sample["reasons"][:1] for sample in samples] == [[] if word == "kept" else [word] for word in VERDICTS]
    assert (counts.rows_in, counts.kept, counts.dropped["unclosed_think"]) == (len(ALL_SHAPES), 4, 2)


def test_attributes_beside_do_not_decide(tmp_path: Path) -> None:
    """Code in the reasoning, a duplicate and a loop are stored and counted, and no reasons."""
    counts, samples = separated(tmp_path / "samples.parquet", [responses(ALL_SHAPES)])
    assert [sample["reasoning_has_code"] for sample in samples].index(True) == 5
    assert samples[5]["verdict"] == "kept"
    assert [sample["duplicate_of"] for sample in samples if sample["duplicate_of"]] == ["r000"]
    assert samples[1]["duplicate_of"] == "r000"
    assert samples[-1]["loop_period"] == 5
    assert samples[-1]["repeated_share"] > 0.9
    assert {name: counts.notes[name] for name in ("duplicate", "loop", "reasoning_has_code", "only_closing_tag")} == {
        "duplicate": 1,
        "loop": 1,
        "reasoning_has_code": 1,
        "only_closing_tag": 1,
    }


def test_spans_slice_the_text(tmp_path: Path) -> None:
    """Offsets are bytes of the response's UTF-8, for every shape."""
    _, samples = separated(tmp_path / "samples.parquet", [responses(ALL_SHAPES)])
    text = ALL_SHAPES[11].encode()
    reasoning, answer, fence = samples[11]["reasoning_span"], samples[11]["answer_span"], samples[11]["fence_spans"][0]
    assert text[reasoning["start"] : reasoning["end"]].decode() == "é 世界"
    assert text[answer["start"] : answer["end"]].decode() == "\n~~~python\nprint('é')\n~~~\n"
    assert text[fence["start"] : fence["end"]].decode() == samples[11]["code"] == "print('é')"
    assert samples[3]["answer_span"] is None
    assert samples[2]["reasoning_span"] is None


def test_failed_requests_are_rows(tmp_path: Path) -> None:
    """A request that failed for good is a sample without parts."""
    batch = responses(["", ALL_SHAPES[0]], error=["400: too long", None])
    counts, samples = separated(tmp_path / "samples.parquet", [batch])
    assert [sample["verdict"] for sample in samples] == ["request_failed", "kept"]
    assert (samples[0]["separation"], samples[0]["code"]) == ("request_failed", None)
    assert counts.dropped == {"request_failed": 1}


def test_length_stop(tmp_path: Path) -> None:
    """A length stop is truncated, with every other reason behind it."""
    batch = responses(["<think>Hm", ALL_SHAPES[0]], finish_reason=["length", "length"])
    _, samples = separated(tmp_path / "samples.parquet", [batch])
    assert [sample["reasons"] for sample in samples] == [["truncated", "unclosed_think"], ["truncated"]]
    assert samples[1]["code"] is not None


def test_reasoning_tokens_are_shared_out(tmp_path: Path) -> None:
    """The completion's tokens are shared out by bytes; unknown stays unknown."""
    text = "<think>" + "a" * 85 + "</think>" + "b" * 100
    batch = responses([text, text], completion_tokens=[400, None])
    _, samples = separated(tmp_path / "samples.parquet", [batch])
    assert [sample["reasoning_tokens"] for sample in samples] == [170, None]


def test_fence_policy(tmp_path: Path) -> None:
    """The policy of the configuration chooses among several programs."""
    text = "<think>Two.</think>\n```python\na = 1\n```\nor\n```python\nb = 2\n```\n"
    for policy, code in ((FencePolicy.LAST, "b = 2"), (FencePolicy.FIRST, "a = 1")):
        _, samples = separated(tmp_path / "samples.parquet", [responses([text])], SampleConfig(fence_policy=policy))
        assert (samples[0]["code"], samples[0]["n_fences"]) == (code, 2)


def test_duplicates_do_not_depend_on_order_or_batches(tmp_path: Path) -> None:
    """Shuffled rows in other batches point at the same first sample: the lowest sample index of the problem."""
    texts = [f"<think>{number}</think>\n```python\nx = {number % 7}  # {number}\n```" for number in range(50)]
    batch = responses(texts, sample_index=[49 - number for number in range(50)])
    found = []
    for seed in range(3):
        order = random.Random(seed).sample(range(50), 50)  # noqa: S311 - a test
        shuffled = batch.take(pa.array(order))
        pieces = [shuffled.slice(start, 1 + seed * 9) for start in range(0, 50, 1 + seed * 9)]
        _, samples = separated(tmp_path / "samples.parquet", pieces)
        found.append({sample["sample_id"]: sample["duplicate_of"] for sample in samples})
    assert found[0] == found[1] == found[2]
    assert sum(original is None for original in found[0].values()) == 7
    assert found[0]["r000"] == "r049"


def test_same_bytes_however_it_runs(tmp_path: Path) -> None:
    """One process, two processes and other batches write the same file."""
    batch = responses(ALL_SHAPES * 3)
    separated(tmp_path / "a.parquet", [batch])
    separated(tmp_path / "b.parquet", [batch.slice(0, 5), batch.slice(5)])
    separated(tmp_path / "c.parquet", [batch.slice(0, 9), batch.slice(9, 9), batch.slice(18)], engine=LocalEngine(2))
    files = {(tmp_path / f"{name}.parquet").read_bytes() for name in "abc"}
    assert len(files) == 1


def test_empty_input(tmp_path: Path) -> None:
    """No responses give an empty table, not an error."""
    counts, samples = separated(tmp_path / "samples.parquet", [])
    assert (counts.rows_in, samples) == (0, [])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Sixteen times as many rows need hardly more memory."""
    text = "<think>" + "so it is " * 3_000 + "</think>\n```python\nx = 1\n```"

    def allocated(count: int) -> int:
        batches = itertools.repeat(responses([text] * 64), count)
        highest = 0

        class Watch:
            def write(self, rows: pa.RecordBatch | pa.Table) -> None:
                nonlocal highest
                highest = max(highest, pa.total_allocated_bytes())
                del rows

        separate(batches, config=SampleConfig(ask_compilers=False), engine=LocalEngine(), writer=Watch())
        return highest

    assert allocated(64) < allocated(4) + (8 << 20)
    del tmp_path


class TestCommand:
    """The command ``ocr-pipeline separate``."""

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the command and return its exit code and output."""
        result = CliRunner().invoke(build_app(["separate"]), ["separate", *arguments])
        if isinstance(result.exception, InputError):
            return 1, str(result.exception)
        return result.exit_code, result.stdout

    def test_writes_samples_and_prints_counts(self, tmp_path: Path) -> None:
        """Four columns are enough; the counts come as JSON; a row per response is written."""
        pq.write_table(pa.table(responses(ALL_SHAPES)), tmp_path / "responses.parquet")
        code, output = self.run(str(tmp_path / "responses.parquet"), "--out", str(tmp_path / "out"), "--json")
        written = pq.read_table(tmp_path / "out" / "samples.parquet")
        assert (code, json.loads(output)["rows_in"], written.num_rows) == (0, len(ALL_SHAPES), len(ALL_SHAPES))
        assert written.schema.names == SAMPLES.schema.names

    def test_first_fence(self, tmp_path: Path) -> None:
        """``--fence first`` reaches the step."""
        text = "<think>Two.</think>\n```python\na = 1\n```\n```python\nb = 2\n```\n"
        (tmp_path / "r.jsonl").write_text(
            json.dumps({"request_id": "r", "problem_id": "p", "language": "python", "text": text}), encoding="utf-8"
        )
        assert self.run(str(tmp_path / "r.jsonl"), "--out", str(tmp_path), "--fence", "first")[0] == 0
        assert pq.read_table(tmp_path / "samples.parquet")["code"].to_pylist() == ["a = 1"]

    def test_missing_column(self, tmp_path: Path) -> None:
        """A file without a needed column is one clear line, and nothing is written."""
        pq.write_table(pa.table({"request_id": ["r"]}), tmp_path / "r.parquet")
        code, message = self.run(str(tmp_path / "r.parquet"), "--out", str(tmp_path / "out"))
        assert (code, "`text`" in message) == (1, True)
        assert not (tmp_path / "out" / "samples.parquet").exists()

    def test_wrong_usage(self, tmp_path: Path) -> None:
        """An unknown policy is wrong usage."""
        assert self.run("r.parquet", "--out", str(tmp_path), "--fence", "middle")[0] == 2


def test_languages_we_do_not_know_are_rows(tmp_path: Path) -> None:
    """A response in a language without a grammar is named, not a crash."""
    _, samples = separated(tmp_path / "samples.parquet", [responses([ALL_SHAPES[0]], language=["rust"])])
    assert samples[0]["verdict"] == "unsupported_language"


def test_the_file_is_whole_or_absent(tmp_path: Path) -> None:
    """When the input breaks in the middle no file appears."""

    def breaking() -> object:
        yield responses(ALL_SHAPES)
        raise InputError("the file ends here")

    with pytest.raises(InputError), FileWriter(tmp_path / "samples.parquet", SAMPLES) as writer:
        separate(breaking(), config=SampleConfig(), engine=LocalEngine(), writer=writer)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_utf8_are_replaced(tmp_path: Path) -> None:
    """A file of others with half a character in its code gives a row, not a failure."""
    text = b"<think>Hm.</think>\n```python\nx = '\xed\xa0\x80'\n```\n"
    batch = responses(["", "<think>Hm.</think>\n```python\nx = 1\n```\n"])
    broken = pa.array([text, batch["text"][1].as_py().encode()], pa.large_binary()).view(pa.large_string())
    _, samples = separated(tmp_path / "s.parquet", [batch.set_column(3, batch.schema.field("text"), broken)])
    assert [row["code"] for row in samples] == ["x = '\ufffd\ufffd\ufffd'", "x = 1"]
