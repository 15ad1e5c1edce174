"""What ``test_quality`` says of a whole data set, by policy: over all programs (micro), and over problems (macro)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.quality.rates import Rate
from ocr_pipeline.store import rows_of

__all__ = ["summary_lines", "summary_of"]

COUNTS: Final = ("right_run", "right_passed", "wrong_run", "wrong_failed", "samples_wrong", "samples_failed")
COLUMNS: Final = ("policy", "tests", "bytes", "tpr", "tnr", "mutation_score", *COUNTS)
SUMMARY: Final = pa.schema(
    [
        ("policy", pa.string()),
        ("problems", pa.int64()),
        ("tests_per_problem", pa.float64()),
        ("bytes_per_problem", pa.float64()),
        *((f"{name}_{what}", pa.float64()) for name in ("tpr", "tnr") for what in ("micro", "low", "high", "macro")),
        ("mutation_score_macro", pa.float64()),
        *((name, pa.int64()) for name in COUNTS),
    ]
)


def summary_of(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """Return a row per policy; problems without a rate are in no mean of it."""
    rows = list(rows_of(batches, COLUMNS))
    policies = dict.fromkeys(row["policy"] for row in rows)
    return pa.Table.from_pylist(
        [_summary(policy, [row for row in rows if row["policy"] == policy]) for policy in policies], schema=SUMMARY
    )


def _summary(policy: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {name: sum(row[name] or 0 for row in rows) for name in COUNTS}  # rows of before say nothing of samples
    summary = {
        "policy": policy,
        "problems": len(rows),
        "tests_per_problem": sum(row["tests"] for row in rows) / len(rows),
        "bytes_per_problem": sum(row["bytes"] for row in rows) / len(rows),
        "mutation_score_macro": _mean(row["mutation_score"] for row in rows),
        **sums,
    }
    for name, hits, tries in (("tpr", "right_passed", "right_run"), ("tnr", "wrong_failed", "wrong_run")):
        rate = Rate(sums[hits], sums[tries])
        low, high = rate.interval
        summary |= {f"{name}_micro": rate.value, f"{name}_low": low, f"{name}_high": high}
        summary[f"{name}_macro"] = _mean(row[name] for row in rows)
    return summary


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def summary_lines(batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    """Yield a line per policy for a person."""
    for row in summary_of(batches).to_pylist():
        right, wrong = Rate(row["right_passed"], row["right_run"]), Rate(row["wrong_failed"], row["wrong_run"])
        yield (
            f"{row['policy']}: right programs that pass (TPR) {right}, macro {_percent(row['tpr_macro'])}; "
            f"wrong programs that fail (TNR) {wrong}, macro {_percent(row['tnr_macro'])}; "
            f"{row['tests_per_problem']:.1f} tests per problem"
        )
        if row["samples_wrong"]:
            sampled = Rate(row["samples_failed"], row["samples_wrong"])
            yield f"{row['policy']}: samples that fail other tests and fail these, too: {sampled}"


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{100 * value:.1f} %"
