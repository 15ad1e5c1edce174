"""Whether every row is found again: a check across the tables by id, after the steps have run.

The funnel adds up what the steps say of themselves; this module believes no step. It follows each problem and each
sample from table to table: kept, or dropped with a reason and, where another row is the reason, with that witness.
Only ids and verdicts are read, one partition at a time, and compared a bucket at a time, so any number of rows takes the
same memory. Tables that are not there yet are not missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.counts import KEPT, StageCounts
from ocr_pipeline.errors import PipelineError
from ocr_pipeline.evidence.funnel import FLOW, account_of, manifests
from ocr_pipeline.store import Buckets, Manifest, Store
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
    TABLES,
    TEST_QUALITY,
    TEST_TRUST,
    TESTS,
    UNIQUE_PROBLEMS,
    Table,
)

__all__ = ["unaccounted"]

SHOWN: Final = 5
IDS: Final = pa.schema([pa.field("id", pa.string())])
WITNESSES: Final = pa.schema([DUPLICATE_PAIRS.schema.field("dropped_id"), DUPLICATE_PAIRS.schema.field("kept_id")])


def unaccounted(store: Store) -> list[str]:
    """Return one line per kind of row that cannot be found again; empty when all is well."""
    checks: Sequence[Callable[[_Root], Iterator[str]]] = (
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
    lines = [*_accounts(store), *_raw_rows(store)]
    most_rows = max(sum(manifest.rows for manifest in manifests(store, table)) for table in TABLES.values())
    for check in checks:
        with Buckets(most_rows) as buckets:  # what a check wrote to disk is gone before the next one
            lines += check(_Root(store, buckets))
    return lines


@dataclass(frozen=True, slots=True)
class _Ids:
    """Ids of any number, a bucket at a time."""

    buckets: range
    of: Callable[[int], pa.ChunkedArray]

    def missing_from(self, known: _Ids) -> _Ids:
        """Return those that ``known`` lacks."""
        return self._each(lambda ids, others: ids.filter(pc.invert(pc.is_in(ids, value_set=others))), known)

    def common_with(self, known: _Ids) -> _Ids:
        """Return those that ``known`` has, too."""
        return self._each(lambda ids, others: ids.filter(pc.is_in(ids, value_set=others)), known)

    def repeated(self) -> _Ids:
        """Return those that are there more than once."""

        def several(number: int) -> pa.ChunkedArray:
            counted = pc.value_counts(self.of(number))
            return pa.chunked_array([counted.field("values").filter(pc.greater(counted.field("counts"), 1))])

        return _Ids(self.buckets, several)

    def _each(self, compare: Callable[[pa.ChunkedArray, pa.Array], pa.ChunkedArray], known: _Ids) -> _Ids:
        return _Ids(
            self.buckets, lambda number: compare(self.of(number), known.of(number).drop_null().combine_chunks())
        )

    def __len__(self) -> int:
        """Return how many there are, repeated ones counted."""
        return sum(len(self.of(number)) for number in self.buckets)


@dataclass(frozen=True, slots=True)
class _Root:
    """Ids of the tables of a root; a table or partition that is not there has none."""

    store: Store
    buckets: Buckets

    def ids(self, table: Table, name: str, where: pc.Expression | None = None, **partition: str) -> _Ids:
        """Return the ids of a column, or of the lists in it."""
        batches = _batches(self.store, table, [name], where, **partition)
        return self._spread(_flat(batch.column(name)) for batch in batches)

    def dropped_for(self, kept: _Ids) -> _Ids:
        """Return the problems that a pair drops for a witness that is kept."""
        batches = _batches(self.store, DUPLICATE_PAIRS, WITNESSES.names, pc.field("dropped_id").is_valid())
        pairs = self.buckets.spread(batches, ["kept_id"], WITNESSES)
        return self._spread(
            chunk for number in kept.buckets for chunk in _witnessed(pairs(number), kept.of(number)).chunks
        )

    def _spread(self, ids: Iterator[pa.Array]) -> _Ids:
        batches = (pa.record_batch([some.cast(pa.string())], schema=IDS) for some in ids)
        rows = self.buckets.spread(batches, ["id"], IDS)
        return _Ids(range(self.buckets.count), lambda number: rows(number)["id"])


def _flat(column: pa.Array) -> pa.Array:
    return pc.list_flatten(column) if pa.types.is_list(column.type) else column


def _witnessed(pairs: pa.Table, kept: pa.ChunkedArray) -> pa.ChunkedArray:
    return pairs.filter(pc.is_in(pairs["kept_id"], value_set=kept.combine_chunks()))["dropped_id"]


def _batches(
    store: Store, table: Table, names: Sequence[str], where: pc.Expression | None = None, **partition: str
) -> Iterator[pa.RecordBatch]:
    """Stream a few narrow columns."""
    if any(partition.items() <= keys.items() for keys in store.partitions(table)):
        yield from store.batches(table, names, where=where, **partition)


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
        rejected = Counter[str]()
        for batch in _batches(store, REJECTED, ["reason"], dataset=dataset):
            rejected.update(batch.column("reason").to_pylist())
        for reason in sorted({*rejected, *counts.dropped}):
            counted, found = counts.dropped.get(reason, 0), rejected.get(reason, 0)
            if counted != found:
                yield f"rejected/{dataset}: {counted} raw rows counted as `{reason}`, {found} in the table"


def _tests_and_solutions(root: _Root) -> Iterator[str]:
    for table in (TESTS, SOLUTIONS, TEST_TRUST, TEST_QUALITY):
        for keys in root.store.partitions(table):
            known = root.ids(PROBLEMS, "problem_id", **keys)
            strangers = root.ids(table, "problem_id", **keys).missing_from(known)
            yield from _line(strangers, f"{table.name}/{keys['dataset']}", "belong to no problem")


def _duplicates(root: _Root) -> Iterator[str]:
    """Each problem is unique, or a pair says which unique problem stands for it."""
    if not root.store.partitions(UNIQUE_PROBLEMS):
        return
    problems = _training_problems(root)
    unique = root.ids(UNIQUE_PROBLEMS, "problem_id")
    members = root.ids(UNIQUE_PROBLEMS, "member_ids")
    yield from _line(problems.missing_from(members), "problems", "are not a member of any unique problem")
    yield from _line(members.missing_from(problems), "unique_problems", "name members that are not problems")
    yield from _line(members.repeated(), "unique_problems", "are members of several unique problems")
    unwitnessed = problems.missing_from(unique).missing_from(root.dropped_for(unique))
    yield from _line(unwitnessed, "unique_problems", "are dropped without a kept witness")
    dropped = root.ids(DUPLICATE_PAIRS, "dropped_id", pc.field("dropped_id").is_valid())
    yield from _line(unique.common_with(dropped), "duplicate_pairs", "are dropped by a pair, yet kept")


def _training_problems(root: _Root) -> _Ids:
    """Return the problems that deduplication read: neither benchmarks nor data sets that came after it."""
    references = [reference for manifest in manifests(root.store, UNIQUE_PROBLEMS) for reference in manifest.inputs]
    read = {reference.partition["dataset"] for reference in references if reference.table == PROBLEMS.name}
    present = {keys["dataset"] for keys in root.store.partitions(PROBLEMS)}
    return root.ids(PROBLEMS, "problem_id", pc.field("dataset").isin(sorted(present & read or present)))


def _contaminated(root: _Root) -> Iterator[str]:
    """Each unique problem is clean, or a benchmark problem is its witness."""
    if not root.store.partitions(CLEAN_PROBLEMS):
        return
    unique = root.ids(UNIQUE_PROBLEMS, "problem_id")
    clean = root.ids(CLEAN_PROBLEMS, "problem_id")
    contaminated = root.ids(CONTAMINATION, "problem_id", pc.field("decision") == "contaminated")
    unwitnessed = unique.missing_from(clean).missing_from(contaminated)
    yield from _line(unwitnessed, "clean_problems", "are dropped without a benchmark witness")
    yield from _line(clean.common_with(contaminated), "clean_problems", "are contaminated, yet kept")
    yield from _line(clean.missing_from(unique), "clean_problems", "are not unique problems")


def _responses(root: _Root) -> Iterator[str]:
    clean = root.ids(CLEAN_PROBLEMS, "problem_id")
    for keys in root.store.partitions(RESPONSES):
        asked = root.ids(RESPONSES, "problem_id", **keys)
        yield from _line(asked.missing_from(clean), _place(RESPONSES, keys), "were asked but are not clean problems")


def _samples(root: _Root) -> Iterator[str]:
    """Each response has exactly one sample."""
    for keys in root.store.partitions(SAMPLES):
        samples = root.ids(SAMPLES, "sample_id", **keys)
        responses = root.ids(RESPONSES, "request_id", **keys)
        yield from _line(responses.missing_from(samples), _place(SAMPLES, keys), "are responses without a verdict")
        yield from _line(samples.missing_from(responses), _place(SAMPLES, keys), "are samples without a response")
        yield from _line(samples.repeated(), _place(SAMPLES, keys), "occur more than once")


def _executions(root: _Root) -> Iterator[str]:
    """Each kept sample was judged, were it as ``not_run``."""
    for keys in root.store.partitions(EXECUTIONS):
        judged = root.ids(EXECUTIONS, "sample_id", **keys)
        kept = root.ids(SAMPLES, "sample_id", pc.field("verdict") == KEPT, **keys)
        samples = root.ids(SAMPLES, "sample_id", **keys)
        yield from _line(kept.missing_from(judged), _place(EXECUTIONS, keys), "are kept samples without a judgement")
        yield from _line(judged.missing_from(samples), _place(EXECUTIONS, keys), "are not samples")


def _difficulty(root: _Root) -> Iterator[str]:
    """Each problem that was tried has a difficulty, and no other."""
    for keys in root.store.partitions(PROBLEM_DIFFICULTY):
        tried = root.ids(EXECUTIONS, "problem_id", **keys)
        measured = root.ids(PROBLEM_DIFFICULTY, "problem_id", **keys)
        place = _place(PROBLEM_DIFFICULTY, keys)
        yield from _line(tried.missing_from(measured), place, "were tried but have no difficulty")
        yield from _line(measured.missing_from(tried), place, "have a difficulty but were not tried")


def _selection(root: _Root) -> Iterator[str]:
    """Compare the released rows with the samples, of which the selection counted every other one under a reason."""
    for manifest in manifests(root.store, SFT_DATASET):
        keys = manifest.partition
        counts = _counts(manifest)
        released = root.ids(SFT_DATASET, "sample_id", **keys)
        samples = root.ids(SAMPLES, "sample_id", **keys)
        yield from _line(released.missing_from(samples), _place(SFT_DATASET, keys), "are not samples")
        yield from _line(released.repeated(), _place(SFT_DATASET, keys), "occur more than once")
        if (counts.rows_in, counts.kept) != (len(samples), len(released)):
            yield (
                f"{_place(SFT_DATASET, keys)}: {counts.kept} of {counts.rows_in} samples counted as kept, "
                f"{len(released)} of {len(samples)} in the tables"
            )


def _patterns(root: _Root) -> Iterator[str]:
    for keys in root.store.partitions(REASONING_PATTERNS):
        reasoned = root.ids(SAMPLES, "sample_id", pc.field("reasoning_span").is_valid(), **keys)
        found = root.ids(REASONING_PATTERNS, "sample_id", **keys)
        place = _place(REASONING_PATTERNS, keys)
        yield from _line(reasoned.missing_from(found), place, "have a reasoning but no patterns")
        yield from _line(found.missing_from(reasoned), place, "have patterns but no reasoning")


def _plans(root: _Root) -> Iterator[str]:
    for keys in root.store.partitions(PLANS):
        planned = root.ids(PLANS, "problem_id", **keys)
        known = root.ids(PROBLEMS, "problem_id", **keys)
        yield from _line(planned.missing_from(known), _place(PLANS, keys), "have a plan but are not problems")


def _counts(manifest: Manifest) -> StageCounts:
    return manifest.stage_counts if manifest.counts else StageCounts(rows_in=0, kept=0)


def _line(ids: _Ids, place: str, what: str) -> Iterator[str]:
    """Say how many ids are lost, with the first few."""
    count, first = 0, list[str]()
    for number in ids.buckets:
        distinct = pc.unique(ids.of(number)).to_pylist()
        count += len(distinct)
        first = sorted([*first, *distinct])[:SHOWN]
    if count:
        yield f"{place}: {count} {what}: {', '.join(first)}" + (", …" if count > SHOWN else "")


def _place(table: Table, keys: dict[str, str]) -> str:
    return "/".join([table.name, *keys.values()])
