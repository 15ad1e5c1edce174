"""The data card: what a data root holds, where it comes from and how to build it again, as Markdown.

Written from the manifests, and from two narrow columns of the released rows; nobody keeps it by hand. The YAML header
is what the ``datasets`` library reads, so the card can be the README.md beside the tables. It measures nothing anew.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pyarrow.compute as pc

from ocr_pipeline.evidence.funnel import FLOW, build_funnel, manifests, stage_totals
from ocr_pipeline.evidence.undecided import undecided_pairs
from ocr_pipeline.markdown import markdown_table
from ocr_pipeline.store import Manifest, Store, canonical_json
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    CONTAMINATION,
    CRITIQUES,
    DUPLICATE_PAIRS,
    EXECUTIONS,
    PLAN_SFT_DATASET,
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
    table_named,
)

__all__ = ["data_card", "rebuild_commands"]

BUILT_TOGETHER: Final = (
    (PROBLEMS, TESTS, SOLUTIONS, REJECTED),
    (DUPLICATE_PAIRS, UNIQUE_PROBLEMS, CONTAMINATION, CLEAN_PROBLEMS),
    (TEST_TRUST, TEST_QUALITY),
    (RESPONSES, SAMPLES, EXECUTIONS, REASONING_PATTERNS, PROBLEM_DIFFICULTY, CRITIQUES, SFT_DATASET),
    (PLANS, PLAN_SFT_DATASET),
)
"""Tables that have the same partitions and are built by one command, in the order of the flow."""
MATERIALIZE: Final = "dagster asset materialize -m ocr_pipeline.definitions"
PROVENANCE: Final = (
    *FLOW,
    TESTS,
    SOLUTIONS,
    REJECTED,
    DUPLICATE_PAIRS,
    CONTAMINATION,
    TEST_TRUST,
    TEST_QUALITY,
    REASONING_PATTERNS,
    PROBLEM_DIFFICULTY,
)
FILES: Final = f"{SFT_DATASET.name}/*/language={{language}}/*.parquet"
HASH_CHARACTERS: Final = 12
LIMITS: Final = (
    "Answers are a model's: a kept sample parses and is separated; it is right only where `pass_rate` says so.",
    "`pass_rate` is null where a sample was not run. Public tests are incomplete: passing them proves nothing.",
    "Duplicates and contamination are found by embeddings, evidence and people; what none of them sees stays in.",
    "`input` is `-` where the licence forbids copying the statement: ingest the source's own files and join `problems` by `problem_id`.",
    "Statements that refer to an image are marked in `problems.has_image`; the text alone may not suffice.",
    "Reasoning patterns are labelled by rules on English cues: use them to compare groups, not single samples.",
)


def data_card(store: Store, table: Table = SFT_DATASET, files: str = FILES) -> str:
    """Write the card of a data root.

    Parameters
    ----------
    table
        What is handed on: ``sft_dataset``, or a selection with a name.
    files
        Where its files of one language are, beside the card.

    Raises
    ------
    ConservationError, StoreError
        When an account in a manifest does not add up or is absent.
    """
    released = list(manifests(store, table))
    sections = (
        _header(released, files),
        _contents(released),
        _funnel(store),
        _licences(store, released),
        _teachers(store),
        _rebuild(store),
        ["## Known limits", "", *(f"- {limit}" for limit in LIMITS)],
    )
    return "\n".join("\n".join(section) + "\n" for section in sections)


def _header(released: Sequence[Manifest], files: str) -> list[str]:
    languages = sorted({manifest.partition["language"] for manifest in released})
    rows = sum(manifest.rows for manifest in released)
    summary = (
        f"Programming problems with a teacher's reasoning and solution: {rows:,} rows in {len(released)} partitions, "
        "built by `ocr_pipeline`. This card is written from the manifests of the data root."
    )
    return [
        "---",
        "pretty_name: Code reasoning data set",
        "task_categories: [text-generation]",
        f"tags: {json.dumps(['code', 'reasoning', *languages])}",
        "configs:",
        *(line for language in languages for line in _configuration(language, files)),
        "---",
        "",
        "# Data card",
        "",
        summary,
    ]


def _configuration(language: str, files: str) -> Iterator[str]:
    yield f"- config_name: {language}"
    yield f"  data_files: {files.format(language=language)}"


def _contents(released: Sequence[Manifest]) -> list[str]:
    rows = [
        [one.partition["dataset"], one.partition["language"], one.rows, round(one.bytes / 2**20, 1)] for one in released
    ]
    table = markdown_table(["data set", "language", "rows", "MiB"], rows)
    columns = [f"- `{column.name}`: {column.metadata[b'description'].decode()}" for column in SFT_DATASET.schema]
    return ["## What it holds", "", table, "", "Columns:", "", *columns]


def _funnel(store: Store) -> list[str]:
    rows = [
        [stage, counts.rows_in, counts.kept, _reasons(counts.dropped)]
        for stage, counts in stage_totals(build_funnel(store)).items()
    ]
    table = markdown_table(["stage", "in", "kept", "dropped"], rows)
    undecided = [f"- {line}" for line in undecided_pairs(store)]
    return ["## Where the rows went", "", table, *(["", *undecided] if undecided else [])]


def _reasons(dropped: Mapping[str, int]) -> str:
    by_frequency = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{rows:,} {reason}" for reason, rows in by_frequency if rows) or "none"


def _licences(store: Store, released: Sequence[Manifest]) -> list[str]:
    """Count the released rows by licence, and those whose statement the licence keeps out."""
    rows: Counter[str] = Counter()
    withheld = 0
    for manifest in released:
        opened = store.open(table_named(manifest.table), **manifest.partition)
        for batch in opened.to_batches(columns=["license"]):
            rows.update(batch.column("license").to_pylist())
        withheld += opened.count_rows(filter=pc.field("input") == "-")
    table = markdown_table(["licence of the problem", "rows"], sorted(rows.items()))
    return ["## Licences", "", table, "", f"Statements left out because of their licence: {withheld:,} rows."]


def _teachers(store: Store) -> list[str]:
    made = list(manifests(store, RESPONSES))
    rows = sorted(
        {(one.partition["language"], one.model or "not recorded", canonical_json(one.config)) for one in made}
    )
    judged = "yes" if store.partitions(EXECUTIONS) else "no"
    return [
        "## Teacher",
        "",
        *(f"- {language}: `{model}`, with `{config}`" for language, model, config in rows),
        "",
        "SHA-256 of the prompt files:",
        "",
        *(f"- `{name}`: `{sha256}`" for name, sha256 in _prompts(store)),
        "",
        "`responses.prompt_sha256` holds the hash of each filled prompt.",
        "",
        f"Samples were run against tests: {judged}.",
    ]


def _prompts(store: Store) -> Iterator[tuple[str, str]]:
    """Yield the prompts that the teacher was asked with, by table; several hashes when partitions differ."""
    for table, recorded_as in ((RESPONSES, "prompts"), (PLANS, "prompt_sha256")):
        hashes = {
            (f"{table.name}/{name}", str(sha256))
            for one in manifests(store, table)
            for name, sha256 in dict(one.config.get(recorded_as, {})).items()
        }
        yield from sorted(hashes)


def rebuild_commands(store: Store) -> Iterator[str]:
    """Yield the commands that build what a data root holds, in the order of the flow."""
    for together in BUILT_TOGETHER:
        partitions: dict[str, list[Table]] = {}
        for table in together:
            for keys in store.partitions(table):
                partitions.setdefault("|".join(keys.values()), []).append(table)
        for partition, tables in partitions.items():
            select = shlex.quote(" or ".join(f"key:{table.name}" for table in tables))
            place = f" --partition {shlex.quote(partition)}" if partition else ""
            yield f"{MATERIALIZE} --select {select}{place}"


def _rebuild(store: Store) -> list[str]:
    rows = [
        [
            "/".join([one.table, *one.partition.values()]),
            one.rows,
            one.code_version,
            one.fingerprint[:HASH_CHARACTERS],
            one.content_sha256[:HASH_CHARACTERS],
        ]
        for table in PROVENANCE
        for one in manifests(store, table)
    ]
    return [
        "## How to build it again",
        "",
        "Materialize the assets with the configuration below; equal content hashes mean equal bytes. The full hashes,",
        "configurations and inputs are in the `_manifest.json` of each partition.",
        "",
        "```sh",
        *rebuild_commands(store),
        "```",
        "",
        markdown_table(["partition", "rows", "code version", "built from", "content"], rows),
        "",
        "Configuration:",
        "",
        *_configurations(store),
    ]


def _configurations(store: Store) -> list[str]:
    """Name each distinct configuration of a table once."""
    lines = []
    for table in PROVENANCE:
        distinct = sorted({canonical_json(one.config) for one in manifests(store, table)} - {"{}"})
        lines += [f"- {table.name}: `{config}`" for config in distinct]
    return lines
