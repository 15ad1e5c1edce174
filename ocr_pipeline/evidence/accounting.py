"""Whether every row is found again: a check across the tables by id, after the steps have run.

The funnel adds up what the steps say of themselves; this module believes no step. It follows each problem and each
sample from table to table: kept, or dropped with a reason and, where another row is the reason, with that witness.
Only ids and verdicts are read, one partition at a time. Tables that are not there yet are not missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.counts import KEPT, StageCounts
from ocr_pipeline.errors import PipelineError
from ocr_pipeline.evidence.funnel import FLOW, account_of, manifests
from ocr_pipeline.store import Manifest, Store
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    CONTAMINATION,
    DUPLICATE_PAIRS,
    EXECUTIONS,
    PLANS,
    PROBLEM_DIFFICULTY,
    PROBLEMS,
    REASONING_PATTERNS,
    REJECTED,
    RESPONSES,
    SAMPLES,
    SFT_DATASET,
    SOLUTIONS,
    TEST_QUALITY,
    TEST_TRUST,
    TESTS,
    UNIQUE_PROBLEMS,
    Table,
)

__all__ = ["unaccounted"]

SHOWN: Final = 5


def unaccounted(store: Store) -> list[str]:
    """Return one line per kind of row that cannot be found again; empty when all is well."""
    checks: Sequence[Callable[[Store], Iterator[str]]] = (
        _accounts,
        _raw_rows,
        _tests_and_solutions,
        _duplicates,
        _contaminated,
        _responses,
        _samples,
        _executions,
        _difficulty,
        _selection,
        _patterns,
        _plans,
    )
    return [line for check in checks for line in check(store)]


def _accounts(store: Store) -> Iterator[str]:
    """Each partition of the flow has an account that adds up."""
    for table in FLOW:
        for manifest in manifests(store, table):
            try:
                account_of(manifest)
            except PipelineError as error:
                yield str(error)


def _raw_rows(store: Store) -> Iterator[str]:
    """Each raw row is a problem, or a row of ``rejected`` under the reason that was counted."""
    for manifest in manifests(store, PROBLEMS):
        dataset = manifest.partition["dataset"]
        counts = _counts(manifest)
        if manifest.rows != counts.kept:
            yield f"problems/{dataset}: {counts.kept} rows counted as kept, {manifest.rows} in the table"
        rejected = _frequencies(_column(store, REJECTED, "reason", dataset=dataset))
        for reason in sorted({*rejected, *counts.dropped}):
            counted, found = counts.dropped.get(reason, 0), rejected.get(reason, 0)
            if counted != found:
                yield f"rejected/{dataset}: {counted} raw rows counted as `{reason}`, {found} in the table"


def _tests_and_solutions(store: Store) -> Iterator[str]:
    for table in (TESTS, SOLUTIONS, TEST_TRUST, TEST_QUALITY):
        for keys in store.partitions(table):
            known = _column(store, PROBLEMS, "problem_id", **keys)
            strangers = _missing(_column(store, table, "problem_id", **keys), known)
            yield from _line(strangers, f"{table.name}/{keys['dataset']}", "belong to no problem")


def _duplicates(store: Store) -> Iterator[str]:
    """Each problem is unique, or a pair says which unique problem stands for it."""
    if not store.partitions(UNIQUE_PROBLEMS):
        return
    problems = _training_problems(store)
    unique = _column(store, UNIQUE_PROBLEMS, "problem_id")
    members = pc.list_flatten(_column(store, UNIQUE_PROBLEMS, "member_ids"))
    yield from _line(_missing(problems, members), "problems", "are not a member of any unique problem")
    yield from _line(_missing(members, problems), "unique_problems", "name members that are not problems")
    yield from _line(_repeated(members), "unique_problems", "are members of several unique problems")
    pairs = _columns(store, DUPLICATE_PAIRS, ["dropped_id", "kept_id"])
    witnessed = pairs.filter(pc.is_in(pairs["kept_id"], unique))["dropped_id"]
    yield from _line(
        _missing(_missing(problems, unique), witnessed), "unique_problems", "are dropped without a kept witness"
    )
    yield from _line(_common(unique, pairs["dropped_id"]), "duplicate_pairs", "are dropped by a pair, yet kept")


def _training_problems(store: Store) -> pa.ChunkedArray:
    """Return the problems that deduplication read: neither benchmarks nor data sets that came after it."""
    present = [keys["dataset"] for keys in store.partitions(PROBLEMS)]
    read = _read_by(store, UNIQUE_PROBLEMS)
    datasets = [dataset for dataset in present if dataset in read] or present
    parts = [_column(store, PROBLEMS, "problem_id", dataset=dataset) for dataset in datasets]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())


def _read_by(store: Store, table: Table) -> set[str]:
    """Return the data sets whose problems a table was built from."""
    references = [reference for manifest in manifests(store, table) for reference in manifest.inputs]
    return {reference.partition["dataset"] for reference in references if reference.table == PROBLEMS.name}


def _contaminated(store: Store) -> Iterator[str]:
    """Each unique problem is clean, or a benchmark problem is its witness."""
    if not store.partitions(CLEAN_PROBLEMS):
        return
    unique = _column(store, UNIQUE_PROBLEMS, "problem_id")
    clean = _column(store, CLEAN_PROBLEMS, "problem_id")
    evidence = _columns(store, CONTAMINATION, ["problem_id", "decision"])
    contaminated = evidence.filter(pc.equal(evidence["decision"], "contaminated"))["problem_id"]
    yield from _line(
        _missing(_missing(unique, clean), contaminated), "clean_problems", "are dropped without a benchmark witness"
    )
    yield from _line(_common(clean, contaminated), "clean_problems", "are contaminated, yet kept")
    yield from _line(_missing(clean, unique), "clean_problems", "are not unique problems")


def _responses(store: Store) -> Iterator[str]:
    clean = _column(store, CLEAN_PROBLEMS, "problem_id")
    for keys in store.partitions(RESPONSES):
        asked = _column(store, RESPONSES, "problem_id", **keys)
        yield from _line(_missing(asked, clean), _place(RESPONSES, keys), "were asked but are not clean problems")


def _samples(store: Store) -> Iterator[str]:
    """Each response has exactly one sample."""
    for keys in store.partitions(SAMPLES):
        samples = _column(store, SAMPLES, "sample_id", **keys)
        responses = _column(store, RESPONSES, "request_id", **keys)
        yield from _line(_missing(responses, samples), _place(SAMPLES, keys), "are responses without a verdict")
        yield from _line(_missing(samples, responses), _place(SAMPLES, keys), "are samples without a response")
        yield from _line(_repeated(samples), _place(SAMPLES, keys), "occur more than once")


def _executions(store: Store) -> Iterator[str]:
    """Each kept sample was judged, were it as ``not_run``."""
    for keys in store.partitions(EXECUTIONS):
        judged = _column(store, EXECUTIONS, "sample_id", **keys)
        samples = _columns(store, SAMPLES, ["sample_id", "verdict"], **keys)
        kept = samples.filter(pc.equal(samples["verdict"], KEPT))["sample_id"]
        yield from _line(_missing(kept, judged), _place(EXECUTIONS, keys), "are kept samples without a judgement")
        yield from _line(_missing(judged, samples["sample_id"]), _place(EXECUTIONS, keys), "are not samples")


def _difficulty(store: Store) -> Iterator[str]:
    """Each problem that was tried has a difficulty, and no other."""
    for keys in store.partitions(PROBLEM_DIFFICULTY):
        tried = _column(store, EXECUTIONS, "problem_id", **keys)
        measured = _column(store, PROBLEM_DIFFICULTY, "problem_id", **keys)
        place = _place(PROBLEM_DIFFICULTY, keys)
        yield from _line(_missing(tried, measured), place, "were tried but have no difficulty")
        yield from _line(_missing(measured, tried), place, "have a difficulty but were not tried")


def _selection(store: Store) -> Iterator[str]:
    """Compare the released rows with the samples, of which the selection counted every other one under a reason."""
    for manifest in manifests(store, SFT_DATASET):
        keys = manifest.partition
        counts = _counts(manifest)
        released = _column(store, SFT_DATASET, "sample_id", **keys)
        samples = _column(store, SAMPLES, "sample_id", **keys)
        yield from _line(_missing(released, samples), _place(SFT_DATASET, keys), "are not samples")
        yield from _line(_repeated(released), _place(SFT_DATASET, keys), "occur more than once")
        if (counts.rows_in, counts.kept) != (len(samples), len(released)):
            yield (
                f"{_place(SFT_DATASET, keys)}: {counts.kept} of {counts.rows_in} samples counted as kept, "
                f"{len(released)} of {len(samples)} in the tables"
            )


def _patterns(store: Store) -> Iterator[str]:
    for keys in store.partitions(REASONING_PATTERNS):
        samples = _columns(store, SAMPLES, ["sample_id", "reasoning_span"], **keys)
        reasoned = samples.filter(pc.is_valid(samples["reasoning_span"]))["sample_id"]
        found = _column(store, REASONING_PATTERNS, "sample_id", **keys)
        yield from _line(
            _missing(reasoned, found), _place(REASONING_PATTERNS, keys), "have a reasoning but no patterns"
        )
        yield from _line(_missing(found, reasoned), _place(REASONING_PATTERNS, keys), "have patterns but no reasoning")


def _plans(store: Store) -> Iterator[str]:
    for keys in store.partitions(PLANS):
        planned = _column(store, PLANS, "problem_id", **keys)
        known = _column(store, PROBLEMS, "problem_id", **keys)
        yield from _line(_missing(planned, known), _place(PLANS, keys), "have a plan but are not problems")


def _counts(manifest: Manifest) -> StageCounts:
    return manifest.stage_counts if manifest.counts else StageCounts(rows_in=0, kept=0)


def _columns(store: Store, table: Table, names: Sequence[str], **partition: str) -> pa.Table:
    """Read a few narrow columns; a table or partition that is not there is empty."""
    present = [keys for keys in store.partitions(table) if partition.items() <= keys.items()]
    if not present:
        return pa.table({name: pa.array([], table.schema.field(name).type) for name in names})
    return store.open(table, **partition).to_table(columns=list(names))


def _column(store: Store, table: Table, name: str, **partition: str) -> pa.ChunkedArray:
    return _columns(store, table, [name], **partition)[name]


def _missing(wanted: pa.ChunkedArray, known: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values of ``wanted`` that ``known`` lacks."""
    return wanted.filter(pc.invert(pc.is_in(wanted, value_set=known.combine_chunks())))


def _common(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    return left.filter(pc.is_in(left, value_set=right.drop_null().combine_chunks()))


def _repeated(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([[value for value, rows in _frequencies(values).items() if rows > 1]], values.type)


def _frequencies(values: pa.ChunkedArray) -> dict[str, int]:
    return {pair["values"]: pair["counts"] for pair in pc.value_counts(values).to_pylist()}


def _line(ids: pa.ChunkedArray, place: str, what: str) -> Iterable[str]:
    """Say how many ids are lost, with the first few."""
    distinct = sorted(set(ids.to_pylist()))
    if not distinct:
        return []
    shown = ", ".join(distinct[:SHOWN]) + (", …" if len(distinct) > SHOWN else "")
    return [f"{place}: {len(distinct)} {what}: {shown}"]


def _place(table: Table, keys: dict[str, str]) -> str:
    return "/".join([table.name, *keys.values()])
