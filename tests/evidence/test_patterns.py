"""Reasoning patterns: each move has its cue, the entropy is Shannon's, and nothing labelled is not zero."""

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.answers import without_fences
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.errors import InputError
from ocr_pipeline.evidence import Pattern, count_patterns, entropy_bits, find_patterns, patterns
from ocr_pipeline.evidence.patterns import KEPT, LABELLED, SENTENCE_END, WORD, label_sentence
from ocr_pipeline.store import Store
from ocr_pipeline.tables import REASONING_PATTERNS, RESPONSES, SAMPLES
from tests.evidence import root as fixture
from tests.kept import Rows

SENTENCES = {
    Pattern.BACKTRACKING: ["Wait, no, the order matters.", "That can't be right.", "This contradicts the bound."],
    Pattern.VERIFICATION: [
        "Let me check it with the sample.",
        "Does this work for negatives?",
        "I'll verify the count.",
    ],
    Pattern.NEW_APPROACH: ["Alternatively, sort by end.", "Another approach is a heap.", "Maybe we can use a queue."],
    Pattern.WORKED_EXAMPLE: [
        "For example, 3 1 2 gives 6.",
        "In the first example the sum is 4.",
        "Suppose we have 5 7.",
    ],
    Pattern.PROBLEM_REPHRASING: ["The problem asks for a path.", "In other words, a tree.", "We are given a graph."],
    Pattern.SUBGOAL_SETUP: ["First, read the graph.", "Now we need to order the edges.", "Let's define a table."],
    Pattern.SELF_EVALUATION: ["Hmm.", "I'm not sure about ties.", "I think it holds."],
    Pattern.OTHER: [
        "The sum of both is 7.",
        "Edges are sorted.",
        "So 4 plus 5.",
        "For n = 1 it is trivial.",
        "No mate, so no birth.",
        "It cannot be Friday.",
        "The friend opens a box to test it.",
        "I recall that this is known.",
        "I have to use the whole rope.",
    ],
}


@pytest.mark.parametrize(
    ("sentence", "pattern"), [(sentence, pattern) for pattern, group in SENTENCES.items() for sentence in group]
)
def test_each_move_has_its_cue(sentence: str, pattern: Pattern) -> None:
    """A sentence that makes one move is labelled with it."""
    assert label_sentence(sentence) is pattern


@given(
    st.lists(st.one_of(st.sampled_from(list(itertools.chain(*SENTENCES.values()))), st.text(max_size=20)), max_size=5)
)
def test_sentences_together_are_labelled_as_one_by_one(parts: list[str]) -> None:
    """Finding the sentences that hold a cue first changes no label, whatever stands around a cue."""
    text = "".join(parts)
    one_by_one = Counter(
        label_sentence(one) for one in SENTENCE_END.split(without_fences(text).lower()) if WORD.search(one)
    )
    assert count_patterns(text).counts == one_by_one


def test_most_specific_move_wins() -> None:
    """A sentence that doubts, checks and gives up is a backtracking, wherever the cue stands."""
    assert label_sentence("Hmm, let me check, no, that is wrong.") is Pattern.BACKTRACKING


def test_letter_case_and_curly_apostrophes_do_not_matter() -> None:
    """The cue is found in any spelling."""
    assert label_sentence("THAT CAN\N{RIGHT SINGLE QUOTATION MARK}T BE RIGHT") is Pattern.BACKTRACKING


def test_code_blocks_are_no_sentences() -> None:
    """A comment in fenced code is not counted as a thought."""
    counts = count_patterns("First, sort.\n```python\n# wait, no\nprint(1)\n```\nIt ends.").counts
    assert counts == {Pattern.SUBGOAL_SETUP: 1, Pattern.OTHER: 1}


def test_unlabelled_reasoning_has_no_entropy() -> None:
    """Nothing labelled is unknown: no segment, and null instead of 0."""
    found = count_patterns("The sum is 7. Both are odd.")
    assert (found.n_segments, found.entropy_bits, found.entropy_normalized) == (0, None, None)


def test_one_move_only_has_entropy_zero() -> None:
    """A reasoning of a single kind of move is not mixed at all."""
    assert count_patterns("Hmm. I think so.").entropy_bits == 0.0


def test_all_moves_alike_reach_the_largest_entropy() -> None:
    """One sentence of each kind gives log2(7) bits, normalised 1; ``other`` takes no part."""
    found = count_patterns(" ".join(group[0] for group in SENTENCES.values()))
    assert found.n_segments == len(LABELLED) == 7
    assert found.entropy_bits == pytest.approx(math.log2(7))
    assert found.entropy_normalized == pytest.approx(1.0)


@given(st.lists(st.integers(0, 1000), max_size=8))
def test_entropy_lies_between_zero_and_log2_of_the_kinds(counts: list[int]) -> None:
    """And is null exactly when nothing was counted."""
    bits = entropy_bits(counts)
    kinds = sum(1 for count in counts if count)
    assert (bits is None) == (kinds == 0)
    if bits is not None:
        assert 0.0 <= bits <= math.log2(kinds) + 1e-9


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_entropy_does_not_depend_on_order_or_scale(counts: list[int], random: object) -> None:
    """Only the shares count."""
    shuffled = sorted(counts, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert entropy_bits(shuffled) == pytest.approx(entropy_bits(counts))
    assert entropy_bits([count * 3 for count in counts]) == pytest.approx(entropy_bits(counts))


@given(st.text(alphabet=st.sampled_from("ab wait, no. check\n`?!é"), max_size=300))
def test_any_text_is_labelled_without_failing(text: str) -> None:
    """Counts are never negative and the labelled part is never larger than all sentences."""
    found = count_patterns(text)
    assert 0 <= found.n_segments <= sum(found.counts.values())


def find(  # noqa: ANN201
    samples: list[dict[str, object]],
    responses: list[dict[str, object]],
    workers: int = 0,
    earlier: Sequence[pa.RecordBatch] = (),
):
    """Run the step over rows."""
    writer = Rows()
    counts = find_patterns(
        fixture.rows_of(SAMPLES, samples).to_batches(max_chunksize=2),
        fixture.rows_of(RESPONSES, responses).to_batches(max_chunksize=2),
        engine=LocalEngine(workers),
        writer=writer,
        earlier=earlier,
    )
    return counts, writer.rows


def test_spans_are_bytes_of_the_response() -> None:
    """Text before the span in other scripts does not shift what is read."""
    prefix = "日本語é"
    text = f"{prefix}Wait, no. Then more"
    start = len(prefix.encode())
    span = {"start": start, "end": start + len("Wait, no.")}
    _, rows = find(
        [fixture.sample("a", reasoning_span=span)], [{"request_id": "a", "text": text, "problem_id": fixture.SUM}]
    )
    assert rows[0]["counts"] == [("backtracking", 1)]


def test_samples_without_reasoning_or_response_are_counted() -> None:
    """The account closes over all samples."""
    samples = [fixture.sample("a"), fixture.sample("b", reasoning_span=None), fixture.sample("lost")]
    counts, rows = find(samples, [{"request_id": "a", "text": fixture.TEXT}, {"request_id": "b", "text": "x"}])
    assert (counts.rows_in, counts.kept, counts.dropped) == (3, 1, {"no_reasoning": 1, "no_response": 1})
    assert [row["sample_id"] for row in rows] == ["a"]


def test_order_of_the_samples_does_not_matter() -> None:
    """Rows come in the order of the responses."""
    responses = [{"request_id": name, "text": fixture.TEXT} for name in "cab"]
    samples = [fixture.sample(name) for name in "abc"]
    assert find(samples, responses) == find(samples[::-1], responses)
    assert [row["sample_id"] for row in find(samples, responses)[1]] == ["c", "a", "b"]


def test_workers_find_the_same() -> None:
    """Two processes give the rows of one."""
    responses = [{"request_id": name, "text": fixture.TEXT} for name in "abcde"]
    samples = [fixture.sample(name) for name in "abcde"]
    assert find(samples, responses, workers=2) == find(samples, responses)


def test_rows_fit_the_table() -> None:
    """What is written has the table's columns, and unlabelled rows are noted."""
    counts, rows = find(
        [fixture.sample("a", reasoning_span={"start": 0, "end": 4})], [{"request_id": "a", "text": "Odd."}]
    )
    table = pa.Table.from_pylist(rows, schema=REASONING_PATTERNS.schema)
    assert table["entropy_bits"].null_count == 1
    assert counts.notes == {"unlabelled": 1}


def test_a_reasoning_is_not_read_twice() -> None:
    """What an earlier result says of the same text of a sample is taken over; another text is read."""
    known = _remembered("a", "b")
    responses = [
        {"request_id": "a", "text": fixture.TEXT},
        {"request_id": "b", "text": fixture.TEXT.replace("We need to", "We want to")},
    ]
    _, rows = find([fixture.sample("a"), fixture.sample("b")], responses, earlier=known.to_batches())
    assert (rows[0]["counts"], rows[0]["n_segments"], rows[0]["entropy_bits"]) == ([("verification", 7)], 7, 0.0)
    assert ("verification", 7) not in rows[1]["counts"]


def _remembered(*sample_ids: str) -> pa.Table:
    sha256 = hashlib.sha256(fixture.REASONING.encode()).hexdigest()
    earlier = [{"sample_id": name, "reasoning_sha256": sha256, "counts": [("verification", 7)]} for name in sample_ids]
    return fixture.rows_of(REASONING_PATTERNS, earlier).select(KEPT)


def test_an_earlier_result_is_found_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """New samples came in between and others went, while a few are held at a time; one far from its place is read again."""
    monkeypatch.setattr(patterns, "REMEMBERED_ROWS", 4)
    names = [*"abcdefgh"]
    responses = [{"request_id": name, "text": fixture.TEXT} for name in names]
    earlier = _remembered("gone", "a", "lost", "c", "b", *"efgh").to_batches(max_chunksize=2)
    _, rows = find([fixture.sample(name) for name in names], responses, earlier=earlier)
    assert [row["sample_id"] for row in rows if ("verification", 7) in row["counts"]] == [*"abcefgh"]
    backwards = _remembered(*reversed(names)).to_batches(max_chunksize=2)
    _, rows = find([fixture.sample(name) for name in names], responses, earlier=backwards)
    assert len(rows) == len(names)


@pytest.mark.parametrize("workers", [0, 2])
def test_row_groups_give_what_batches_give(tmp_path: Path, workers: int) -> None:
    """Responses that nobody has read, in a data root, with samples that have no reasoning in between."""
    names = [f"{number:03}" for number in range(600)]
    samples = [
        fixture.sample(name, **({} if number % 3 else {"reasoning_span": None})) for number, name in enumerate(names)
    ]
    responses = [{"request_id": name, "text": fixture.TEXT} for name in names]
    store, keys = Store(tmp_path), {"dataset": "taco", "language": "python"}
    with store.writer(RESPONSES, keys, config={}, code_version="1") as target:
        target.write(fixture.rows_of(RESPONSES, responses))
    writer, narrow = Rows(), fixture.rows_of(SAMPLES, samples).to_batches(max_chunksize=70)
    pieces = store.pieces(RESPONSES, ["request_id", "text"], **keys)
    counts = find_patterns(narrow, pieces, engine=LocalEngine(workers), writer=writer)
    assert (counts, writer.rows) == find(samples, responses)


def test_samples_of_another_build_are_refused(tmp_path: Path) -> None:
    """Row groups are taken in step, so ids that differ are an error and not a wrong row."""
    store, keys = Store(tmp_path), {"dataset": "taco", "language": "python"}
    with store.writer(RESPONSES, keys, config={}, code_version="1") as target:
        target.write(fixture.rows_of(RESPONSES, [{"request_id": "b", "text": fixture.TEXT}]))
    with pytest.raises(InputError, match="materialize samples of this partition again"):
        find_patterns(
            fixture.rows_of(SAMPLES, [fixture.sample("a")]).to_batches(),
            store.pieces(RESPONSES, ["request_id", "text"], **keys),
            engine=LocalEngine(),
            writer=Rows(),
        )


def test_rows_are_the_same_with_and_without_an_earlier_result() -> None:
    """Taking over changes nothing but the time."""
    samples = [fixture.sample(name) for name in "abc"]
    responses = [{"request_id": name, "text": fixture.TEXT} for name in "abc"]
    first = find(samples, responses)
    earlier = fixture.rows_of(REASONING_PATTERNS, first[1]).select(KEPT)
    assert find(samples, responses, earlier=earlier.to_batches()) == first
