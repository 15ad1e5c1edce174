"""Asset checks, generated from the tables: schema, unique keys, and the balance of every account."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import dagster as dg
import pyarrow.compute as pc
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from assets.materialize import partitions_of
from ocr_pipeline import duplicates, evidence
from ocr_pipeline.building import conservation_violations, key_violations, schema_violations
from ocr_pipeline.generating.checking import refused_right_programs
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.steps import StoreRows
from ocr_pipeline.store import Manifest, Store, sha256_of
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    DUPLICATE_PAIRS,
    EXECUTIONS,
    GENERATED_TESTS,
    PROBLEMS,
    SOLUTIONS,
    TABLES,
    TEST_PROGRAMS,
    TEST_TRUST,
    TESTS,
    UNIQUE_PROBLEMS,
    Table,
)
from resources import StoreResource

__all__ = ["ASSET_TABLES", "build_checks"]

Violations = Callable[[Store, Table, Mapping[str, str]], list[str]]

CONSERVED: Final = "rows_are_conserved"
"""Reads no column, and so is checked again where nothing changed."""
CHECKED: Final[Mapping[str, tuple[str, Violations]]] = {
    "schema_matches_contract": ("Columns, types and nulls are those of the contract.", schema_violations),
    "key_is_unique": ("No key stands twice in a partition.", key_violations),
    CONSERVED: (
        "in = kept + Σ dropped, and the rows on disk are those of the manifest.",
        conservation_violations,
    ),
}
MOST_SHOWN: Final = 20
PROBLEMS_ASKED: Final = 5
BY_PARTITION: Final = "by_partition"
EVALUATED: Final = frozenset({AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED})
Found = tuple[str, list[str]]
"""The version of a partition, and what is wrong with it."""
ASSET_TABLES: Final = tuple(table for name, table in TABLES.items() if name not in {"reviews", "findings"})


def build_checks(tables: Iterable[Table]) -> Iterator[dg.AssetChecksDefinition]:
    """Generate the blocking checks of the tables, and the checks that only one table has."""
    for table in tables:
        yield _table_checks(table)
    yield every_dropped_problem_has_a_witness
    yield every_row_is_found_again
    yield few_rows_are_rejected
    yield few_programs_were_not_run
    yield few_tests_are_not_trusted
    yield no_made_test_refuses_a_right_program


def _table_checks(table: Table) -> dg.AssetChecksDefinition:
    checks = {name: check for name, check in CHECKED.items() if table.name != "funnel" or name != CONSERVED}

    @dg.multi_asset_check(
        name=f"{table.name}_checks",
        specs=[
            dg.AssetCheckSpec(name, asset=table.name, description=description, blocking=True)
            for name, (description, _) in checks.items()
        ],
        can_subset=True,
    )
    def evaluate(context: dg.AssetCheckExecutionContext, store: StoreResource) -> Iterator[dg.AssetCheckResult]:
        opened = store.open()
        asked = [{key: keys[key] for key in table.partition_by if key in keys} for keys in partitions_of(context)]
        there = opened.partitions(table)
        if len(asked) == 1 and asked != [{}] and asked[0] not in there:
            there.append(asked[0])  # of a range some were left out with a reason; a single one was to be built
        versions = {_label(keys): _version(opened.manifest(table, **keys), table) for keys in there}
        own = {_label(keys) for keys in asked} if asked != [{}] else set(versions)
        for key in sorted(context.selected_asset_check_keys, key=lambda key: key.name):
            violations = checks[key.name][1]
            before, found = _found_before(context, key), dict[str, Found]()
            for keys, (label, version) in zip(there, versions.items(), strict=True):
                known = before.get(label)
                found[label] = known if known and known[0] == version else (version, violations(opened, table, keys))
            yield _table_result(key, found, own)

    return evaluate


def _label(partition: Mapping[str, str]) -> str:
    return "|".join(partition.values())


def _version(manifest: Manifest | None, table: Table) -> str:
    """Return a hash of what a check of one partition depends on."""
    return sha256_of(f"{manifest.to_json() if manifest else ''} {table.schema.to_string()}")


def _found_before(context: dg.AssetCheckExecutionContext, key: dg.AssetCheckKey) -> Mapping[str, Found]:
    """Return what the check found when it ran last; nothing where somebody asks for the check alone, to look again."""
    built = context.instance.get_latest_materialization_event(key.asset_key)
    if key.name == CONSERVED or built is None or built.run_id != context.run.run_id:
        return {}
    last = context.instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=EVALUATED)
    evaluation = last[0].event.dagster_event.asset_check_evaluation_data if last and last[0].event else None
    found = evaluation.metadata.get(BY_PARTITION) if evaluation else None
    return {label: (version, lines) for label, (version, lines) in found.value.items()} if found else {}


def _table_result(key: dg.AssetCheckKey, found: Mapping[str, Found], own: Collection[str]) -> dg.AssetCheckResult:
    """Tell about every partition; only those of the run can stop what comes after."""
    lines = [
        (label in own, f"{label} {line}".strip()) for label, (_, violations) in found.items() for line in violations
    ]
    shown = [line for _, line in sorted(lines, key=lambda one: not one[0])]
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not lines,
        severity=dg.AssetCheckSeverity.ERROR if any(is_own for is_own, _ in lines) else dg.AssetCheckSeverity.WARN,
        description="; ".join(shown[:3]) or None,
        metadata={
            "violations": len(lines),
            "first": shown[:MOST_SHOWN],
            BY_PARTITION: {label: [version, violations[:MOST_SHOWN]] for label, (version, violations) in found.items()},
        },
    )


def _result(violations: Any) -> dg.AssetCheckResult:  # noqa: ANN401 - any iterable of lines
    found = list(violations)
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(found[:3]) or None,
        metadata={"violations": len(found), "first": found[:MOST_SHOWN]},
    )


@dg.asset_check(asset="unique_problems", additional_deps=["duplicate_pairs"], blocking=True)
def every_dropped_problem_has_a_witness(store: StoreResource) -> dg.AssetCheckResult:
    """A problem is dropped only for one that is kept, and that is itself similar enough."""
    opened = store.open()
    manifest = opened.manifest(DUPLICATE_PAIRS)
    unique = opened.open(UNIQUE_PROBLEMS).to_table(columns=["problem_id", "member_ids"])
    members = pc.list_flatten(unique["member_ids"]).to_pylist()
    threshold = manifest.config["threshold"] if manifest else 0.7
    pairs = opened.batches(DUPLICATE_PAIRS, duplicates.INVARIANT_COLUMNS)
    return _result(duplicates.check_invariants(members, unique["problem_id"].to_pylist(), pairs, threshold))


@dg.asset_check(asset="funnel", blocking=True)
def every_row_is_found_again(context: dg.AssetCheckExecutionContext, store: StoreResource) -> dg.AssetCheckResult:
    """Every problem and every sample that went in is kept, or dropped with a reason and a witness."""
    built = context.instance.get_latest_materialization_event(dg.AssetKey("funnel"))
    if built is not None and built.asset_materialization and built.run_id == context.run.run_id:
        return _result(built.asset_materialization.metadata["unaccounted"].value)  # looked for a moment ago
    return _result(evidence.unaccounted(store.open()))


class RejectedConfig(dg.Config):
    """How many raw rows may be rejected before somebody should look."""

    most_rejected_share: float = 0.2


@dg.asset_check(asset="problems")
def few_rows_are_rejected(config: RejectedConfig, store: StoreResource) -> dg.AssetCheckResult:
    """Warn when more of a data set's rows were rejected than the configured share: its schema may have changed."""
    opened = store.open()
    shares = {"/".join(keys.values()): _rejected_share(opened, keys) for keys in opened.partitions(PROBLEMS)}
    return dg.AssetCheckResult(
        passed=max(shares.values(), default=0.0) <= config.most_rejected_share,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rejected_share": dg.MetadataValue.json(shares)},
    )


def _rejected_share(store: Store, keys: Mapping[str, str]) -> float:
    manifest = store.manifest(PROBLEMS, **keys)
    counts = manifest.stage_counts if manifest else None
    return sum(counts.dropped.values()) / counts.rows_in if counts and counts.rows_in else 0.0


class NotRunConfig(dg.Config):
    """How many programs may stay without a verdict before somebody should look."""

    most_not_run_share: float = 0.01


@dg.asset_check(asset="executions")
def few_programs_were_not_run(config: NotRunConfig, store: StoreResource) -> dg.AssetCheckResult:
    """Warn when the judge itself failed too often: such programs are unscored, not wrong."""
    opened = store.open()
    shares = {"/".join(keys.values()): _not_run_share(opened, keys) for keys in opened.partitions(EXECUTIONS)}
    return dg.AssetCheckResult(
        passed=max(shares.values(), default=0.0) <= config.most_not_run_share,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"not_run_share": dg.MetadataValue.json(shares)},
    )


def _not_run_share(store: Store, keys: Mapping[str, str]) -> float:
    verdicts = store.open(EXECUTIONS, **keys).to_table(columns=["verdict"])["verdict"]
    return pc.sum(pc.equal(verdicts, "not_run")).as_py() / len(verdicts) if len(verdicts) else 0.0


class UntrustedConfig(dg.Config):
    """How many tests correct solutions may fail before somebody should look."""

    most_untrusted_share: float = 0.05


@dg.asset_check(asset="generated_tests", additional_deps=["solutions"])
def no_made_test_refuses_a_right_program(store: StoreResource) -> dg.AssetCheckResult:
    """Right programs pass the tests made with them: those of 5 problems of each data set run again, judged as then."""
    opened = store.open()
    found: list[str] = []
    for keys in opened.partitions(GENERATED_TESTS):
        root = {
            table.name: StoreRows(opened, table, (keys,))
            for table in (TESTS, SOLUTIONS, GENERATED_TESTS, TEST_PROGRAMS)
        }
        problems = StoreRows(opened, CLEAN_PROBLEMS, ({},), keys["dataset"])
        made = opened.manifest(GENERATED_TESTS, **keys)
        found += refused_right_programs(
            problems.batches(),
            root["tests"].of,
            root["generated_tests"].of,
            root["solutions"].of,
            config=JudgeConfig.of({} if made is None else made.config),
            most=PROBLEMS_ASKED,
            programs=root["test_programs"].batches(),
        )
    return _result(found)


@dg.asset_check(asset="test_trust")
def few_tests_are_not_trusted(config: UntrustedConfig, store: StoreResource) -> dg.AssetCheckResult:
    """Warn when correct solutions fail many tests, or all of a problem: the tests or their limits may be misread."""
    opened = store.open()
    shares = {"/".join(keys.values()): _untrusted_shares(opened, keys) for keys in opened.partitions(TEST_TRUST)}
    return dg.AssetCheckResult(
        passed=all(max(both.values()) <= config.most_untrusted_share for both in shares.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"untrusted_shares": dg.MetadataValue.json(shares)},
    )


def _untrusted_shares(store: Store, keys: Mapping[str, str]) -> dict[str, float]:
    """Return the share of flagged tests among all, and of problems that no solution passes among the checked ones."""
    rows = store.open(TEST_TRUST, **keys).to_table(columns=["test_id", "flag"])
    tests = store.manifest(TESTS, **keys)  # none where nobody ingested the data set
    problems = rows.filter(pc.is_null(rows["test_id"]))["flag"]
    checked = pc.sum(pc.not_equal(problems, "unchecked")).as_py() or 0
    useless = pc.sum(pc.equal(problems, "no_solution_passes")).as_py() or 0
    return {
        "tests": (rows.num_rows - len(problems)) / max(tests.rows if tests else 0, 1),
        "problems": useless / max(checked, 1),
    }
