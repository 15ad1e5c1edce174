"""Counters for Prometheus, off unless ``OCR_PIPELINE_METRICS`` names a file.

Every partition that is built adds to the file, whatever process builds it: rows in and kept, rows dropped by reason (for the teacher the
kinds of failures, for the judge the verdicts), what a step noted (requests paid and reused, tokens), bytes and seconds. It is
the text form that a node exporter's textfile collector reads; a run lives too briefly to be asked over HTTP. A counter that
cannot be written is no reason to lose a run: it is said once in the log of warnings.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import filelock

from ocr_pipeline.store import Manifest, atomic_write

__all__ = ["count_build"]

VARIABLE: Final = "OCR_PIPELINE_METRICS"
LOCK_TIMEOUT_S: Final = 10.0
NAMES: Final = {
    "rows_in": "Rows that went into a step.",
    "rows_kept": "Rows that came out of it.",
    "rows_dropped": "Rows that did not, by reason.",
    "noted": "What a step counted beside rows, such as requests that were paid.",
    "bytes_written": "Bytes of part files.",
    "build_seconds": "Time spent building.",
    "builds": "Partitions built.",
}
Counted = dict[tuple[str, str], float]
LINE: Final = re.compile(r"ocr_pipeline_(\w+)_total(\{.*\}) (\S+)")


def count_build(manifest: Manifest, seconds: float) -> None:
    """Add one partition that was built to the counters, where somebody wants them."""
    place = os.environ.get(VARIABLE)
    if not place:
        return
    path = Path(place)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_TIMEOUT_S):
            counted = _read(path)
            for key, value in _of(manifest, seconds).items():
                counted[key] = counted.get(key, 0) + value
            with atomic_write(path) as file:
                file.write(_text(counted).encode())
    except (OSError, filelock.Timeout) as error:
        warnings.warn(f"{VARIABLE}: `{path}` cannot be written: {error}", RuntimeWarning, stacklevel=2)


def _of(manifest: Manifest, seconds: float) -> Counted:
    labels = {"table": manifest.table, **manifest.partition}
    counts = manifest.stage_counts
    plain = {
        "rows_in": counts.rows_in,
        "rows_kept": counts.kept,
        "bytes_written": manifest.bytes,
        "build_seconds": seconds,
        "builds": 1,
    }
    found: Counted = {(name, _labels(labels)): value for name, value in plain.items()}
    for name, label, values in (("rows_dropped", "reason", counts.dropped), ("noted", "what", counts.notes)):
        found |= {(name, _labels(labels | {label: key})): value for key, value in values.items()}
    return found


def _labels(values: Mapping[str, str]) -> str:
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in values.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in sorted(escaped.items())) + "}"


def _read(path: Path) -> Counted:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else ()
    matches = filter(None, map(LINE.fullmatch, lines))
    return {(matched[1], matched[2]): float(matched[3]) for matched in matches}


def _text(counted: Counted) -> str:
    lines = []
    for name, meaning in NAMES.items():
        lines += [f"# HELP ocr_pipeline_{name}_total {meaning}", f"# TYPE ocr_pipeline_{name}_total counter"]
        lines += [
            f"ocr_pipeline_{name}_total{labels} {value:.15g}"
            for (counter, labels), value in sorted(counted.items())
            if counter == name
        ]
    return "\n".join([*lines, ""])
