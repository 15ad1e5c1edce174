"""Benchmarks against problems: suspects, evidence and what stays."""

import json
import tracemalloc
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline.contamination import (
    Benchmark,
    ContaminationConfig,
    Undecided,
    check,
    checking,
    read_benchmark,
    select_clean,
)
from ocr_pipeline.contamination.checking import count_decisions
from ocr_pipeline.contamination.spans import Span, find_spans, rare_places
from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import Reviews, pair_key, read_reviews
from ocr_pipeline.similarity.prose import read_views
from tests.similarity.stub import WordEncoder, problems

STORY = "a miller sells flour to every village along the old river and wants the cheapest tour back home before winter"
OTHER = "bees visit blossoms while counting petals"


class Rows:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[pa.RecordBatch | pa.Table] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows as a table's writer does."""
        self.written.append(rows)


class Asked(WordEncoder):
    """Keeps how many texts it was asked for at once."""

    def __init__(self) -> None:
        super().__init__()
        self.most: list[int] = []

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Encode and count."""
        self.most.append(len(texts))
        return super().encode(texts)


def benchmark(*rows: tuple[str, str], name: str = "own") -> Benchmark:
    """Return a benchmark of (id, statement)."""
    return Benchmark(name, "v1", pa.Table.from_batches(problems(*rows)))


def checked(batches: list[pa.RecordBatch], *benchmarks: Benchmark, **more: Any) -> list[dict[str, Any]]:
    """Check with defaults."""
    given = {"config": ContaminationConfig(), "encoder": WordEncoder(), "reviews": Reviews()} | more
    return [row for batch in check(batches, benchmarks, **given) for row in batch.to_pylist()]


def spans_of(statements: list[str], *texts: str) -> dict[tuple[int, int], Span]:
    """Return the spans that statements share with the texts of a benchmark."""
    return find_spans(statements, *rare_places(statements, [texts]))


def varied(count: int) -> list[tuple[str, str]]:
    """Return problems that have hardly a word in common, the last with the statement of the first."""
    texts = [" ".join(f"word{number}x{place}" for place in range(200)) for number in range(count - 1)]
    return [(f"p{number:04}", text) for number, text in enumerate([*texts, texts[0]])]


def test_parts_change_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Problems are compared some at a time; a statement that two parts have is compared with all that is known of it."""
    rows, benchmarks = varied(7), (benchmark(("b", STORY), ("c", OTHER)), benchmark(("d", STORY), name="second"))
    encoder = Asked()
    whole = checked(problems(*rows), *benchmarks, encoder=encoder)
    monkeypatch.setattr(checking, "PROBLEMS_AT_ONCE", 2)
    parts = Asked()
    assert checked(problems(*rows), *benchmarks, encoder=parts) == whole
    assert (max(encoder.most), max(parts.most)) == (6, 2)


def test_memory_grows_by_the_statements_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is derived from a statement takes ten times its length, most of it its words, and is let go."""
    monkeypatch.setattr(checking, "PROBLEMS_AT_ONCE", 10)
    few, many = (_peak_bytes(varied(count)) for count in (30, 110))
    statement = len(varied(2)[0][1])
    assert (many - few) / 80 < 5 * statement


def _peak_bytes(rows: list[tuple[str, str]]) -> int:
    batches, own = problems(*rows), benchmark(("b", STORY))
    tracemalloc.start()
    for _ in check(batches, [own], config=ContaminationConfig(), encoder=WordEncoder(), reviews=Reviews()):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_every_problem_has_its_nearest_row_per_benchmark() -> None:
    """A clean problem too shows what it was compared with."""
    rows = checked(problems(("p", OTHER)), benchmark(("b", STORY)), benchmark(("c", "petals"), name="second"))
    assert [(row["benchmark"], row["benchmark_id"], row["decision"]) for row in rows] == [
        ("own", "b", "clean"),
        ("second", "c", "clean"),
    ]


def test_a_copied_statement_is_contaminated() -> None:
    """One normal form is proof; the version of the benchmark is stored."""
    (row,) = checked(problems(("p", STORY.upper())), benchmark(("b", STORY)))
    assert (row["decision"], row["decided_by"], row["benchmark_version"]) == ("contaminated", "exact", "v1")


def test_a_copied_passage_is_contaminated_below_the_threshold() -> None:
    """A long rare passage inside much other text is found by its words and stored as the span."""
    copied = "grey miller dusty flour seven villages winding river cheapest tour before winter brings heavy snow upon narrow bridges where trolls demand silver coins whenever merchants cross after dusk alone"
    padding = " ".join(f"unrelated{number}" for number in range(300))
    (row,) = checked(problems(("p", f"{padding} {copied}")), benchmark(("b", copied)))
    assert (row["decision"], row["decided_by"], row["span"]) == ("contaminated", "rule", copied)
    assert row["cosine"] < 0.7


def test_boilerplate_is_no_evidence() -> None:
    """Sentences of input formats are no span, however long."""
    boilerplate = "the first line of the input contains a single integer t the number of test cases each test case contains two integers n and k on one line print one integer for each test case"
    assert spans_of([f"{boilerplate} about bees"], f"{boilerplate} about rivers") == {}


def test_what_many_statements_share_is_no_evidence() -> None:
    """A sequence that stands in dozens of problems is boilerplate even without the words of formats."""
    shared = "amber birds carry delicate envelopes following golden highways into jolly kingdoms"
    many = [f"{shared} number{number}" for number in range(40)]
    assert spans_of(many, f"{shared} elsewhere") == {}
    assert list(spans_of(many[:3], f"{shared} elsewhere")) == [(0, 0), (1, 0), (2, 0)]


def test_another_answer_to_the_same_input_is_clean() -> None:
    """A look-alike that asks something else is not the benchmark's problem."""
    text = STORY + "\n\nExample 1:\n\nInput: n = 5, k = 2\nOutput: {}\n"
    (row,) = checked(problems(("p", text.format(3))), benchmark(("b", text.format(4))))
    assert (row["decision"], row["decided_by"]) == ("clean", "rule")


def test_reviews_override() -> None:
    """People settle a pair by its content key, also below the threshold."""
    said = read_reviews(pa.Table.from_pylist([{"pair_key": pair_key(STORY, OTHER), "decision": "duplicate"}]))
    (row,) = checked(problems(("p", OTHER)), benchmark(("b", STORY)), reviews=said)
    assert (row["decision"], row["decided_by"]) == ("contaminated", "review")


def test_clean_problems_are_counted_by_benchmark() -> None:
    """What a benchmark holds is dropped under its name; the rest is written."""
    batches = problems(("p", STORY), ("q", OTHER))
    table = check(
        batches, [benchmark(("b", STORY))], config=ContaminationConfig(), encoder=WordEncoder(), reviews=Reviews()
    )
    sink = Rows()
    counts = select_clean(batches, table, sink)
    assert (counts.rows_in, counts.kept, dict(counts.dropped)) == (2, 1, {"in:own": 1})
    assert sink.written[0].column("problem_id").to_pylist() == ["q"]


RETOLD = " ".join(reversed(STORY.split()))
ASKS = "\n\nExample\n\nInput\n{}\n\nOutput\n{}\n"


@pytest.mark.parametrize(
    ("statement", "decision", "rule"),
    [
        (f"{STORY} by boat{ASKS.format('5 6 7', '18')}", "contaminated", None),
        (f"{RETOLD}{ASKS.format('5 6 7', '18')}", "clean", "other_examples"),
        (f"{RETOLD}{ASKS.format('1 2 3', '600')}", "contaminated", "same_examples"),
    ],
    ids=["a version with other examples gives the solution away", "another text and other examples", "another text with the same examples"],
)  # fmt: skip
def test_examples_speak_for_a_benchmark_where_the_text_does_not(
    statement: str, decision: str, rule: str | None
) -> None:
    """What is nearly the benchmark's text is never cleared by other examples."""
    (row,) = checked(problems(("p", statement)), benchmark(("b", STORY + ASKS.format("1 2 3", "600"))))
    assert (row["decision"], row["rule"]) == (decision, rule)


def test_what_only_the_policy_drops_is_counted_apart() -> None:
    """A suspect that no evidence decides is dropped, for a benchmark is protected, or kept, and its reason says so."""
    near = f"{STORY} by boat"
    batches, suspects = problems(("p", near)), [benchmark(("b", STORY))]
    for policy, counts in ((Undecided.DROP, (0, {"undecided:own": 1})), (Undecided.KEEP, (1, {}))):
        (rows,) = check(
            batches, suspects, config=ContaminationConfig(undecided=policy), encoder=WordEncoder(), reviews=Reviews()
        )
        found = select_clean(batches, [rows], Rows())
        assert (found.kept, dict(found.dropped)) == counts
    assert count_decisions(rows) == {"suspects_undecided": 1}


def test_a_benchmark_added_later_encodes_only_itself() -> None:
    """With a cache of vectors, a further benchmark costs its own texts."""
    first, second = benchmark(("b", STORY)), benchmark(("c", "petals"), name="second")
    encoder = WordEncoder()
    alone = checked(problems(("p", OTHER)), first, encoder=encoder)
    both = checked(problems(("p", OTHER)), second, first, encoder=encoder)
    assert [row for row in both if row["benchmark"] == "own"] == alone


def test_raw_benchmarks_are_read_by_their_columns(tmp_path: Path) -> None:
    """A prompt column and an id column are enough, and an id may be evidence; lines that most rows share are left out."""
    wrapper = "You are given a question and answer in Python.\n"
    rows = [{"task_id": f"T/{number}", "prompt": f"{wrapper}story number{number} of many"} for number in range(30)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "raw.parquet")
    (tmp_path / "raw.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    found = read_benchmark("raw", tmp_path / "raw.parquet")
    first = {"problem_id": "T/0", "native_id": "T/0", "statement": "story number0 of many"}
    assert found.problems.to_pylist()[0] == first
    assert read_benchmark("raw", tmp_path / "raw.jsonl") == found


def test_a_file_without_statements_is_named(tmp_path: Path) -> None:
    """The message shows the columns that are there."""
    pq.write_table(pa.table({"a": [1]}), tmp_path / "no.parquet")
    with pytest.raises(InputError, match="has no statement: its columns are a"):
        read_benchmark("x", tmp_path / "no.parquet")


def test_the_prose_of_a_program_is_a_view_of_its_own() -> None:
    """Docstrings, comments and the function's name are read out of Python, C and JavaScript; a statement has one view."""
    python = 'def sumOfSquares(xs):\n    """Return the total of all squared numbers given.\n    >>> f([1])\n    """\n    return 0\n'
    assert "sum Of Squares" in read_views(python)[1]
    assert ">>>" not in read_views(python)[1]
    assert (
        "total of all squares" in read_views("int sum_sq(int* xs) {\n  // returns the total of all squares here\n}")[1]
    )
    assert read_views(STORY) == (STORY,)


@pytest.mark.parametrize(
    ("problem", "row", "decision", "rule"),
    [
        ({"url": "https://codeforces.com/contest/7/problem/C"}, {"native_id": "7_C. Mill"}, "contaminated", "same_origin"),
        ({"native_id": "7_C. Mill"}, {"native_id": "8_A. Mill"}, "clean", "other_origin"),
        ({"site": "kattis"}, {"site": "codechef"}, "clean", "other_site"),
        ({"contest_date": date(2021, 5, 1)}, {"contest_date": date(2024, 5, 1)}, "clean", "other_date"),
        ({"contest_date": date(2024, 5, 1)}, {"contest_date": date(2024, 5, 9)}, "contaminated", None),
        ({"contest_date": date(2024, 1, 1)}, {"contest_date": date(2024, 9, 9)}, "contaminated", None),
    ],
)  # fmt: skip
def test_origins_and_days_are_asked_first(
    problem: dict[str, Any], row: dict[str, Any], decision: str, rule: str | None
) -> None:
    """Another judge or another day clears a retold text; days a week apart, or a year's first day, tell nothing."""
    own = problems(("p", RETOLD), **{name: [value] for name, value in problem.items()})
    held = pa.Table.from_batches(problems(("b", STORY), **{name: [value] for name, value in row.items()}))
    (found,) = checked(own, Benchmark("own", "v1", held))
    assert (found["decision"], found["rule"]) == (decision, rule)
