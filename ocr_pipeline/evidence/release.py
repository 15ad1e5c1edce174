"""A release: one version of a table as an immutable folder that every reader opens with its plain defaults.

::

    NAME/data/<dataset>-<language>.parquet     the rows, no folder named like a column
    NAME/README.md                             the data card
    NAME/LICENSES.tsv                          rows by licence
    NAME/SHA256SUMS                            of every file beside it
    latest                                     the name of the newest one

The folder of a data root has the partition keys in its folder names, beside columns of the same names; some readers fail
on that, and one counts rows wrongly. Downstream teams are pointed at releases instead.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from ocr_pipeline.errors import InputError
from ocr_pipeline.evidence.card import data_card
from ocr_pipeline.store import FileWriter, Store, atomic_write
from ocr_pipeline.tables import Table

__all__ = ["release"]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SUMS: Final = "SHA256SUMS"
LATEST: Final = "latest"
READ_ONLY: Final = 0o444


def release(store: Store, table: Table, name: str, releases: Path) -> Path:
    """Write a release and point to it as the newest; return its folder.

    Raises
    ------
    InputError
        When the name cannot be a folder or is taken by other rows, or the table has none yet. Nothing is left behind then.
    """
    if not NAME.fullmatch(name) or name == LATEST:
        message = f"a release is named by letters, digits, `.`, `_` and `-`, such as 2026-11, got `{name}`"
        raise InputError(message)
    folder = releases / name
    partitions = store.partitions(table)
    if not partitions:
        message = f"`{store.root}` holds no {table.name}; materialize it first"
        raise InputError(message)
    releases.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=releases))
    try:
        _fill(made, store, table)
        made.chmod(0o755)
        _publish(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)  # where it was not published
    with atomic_write(releases / LATEST) as file:
        file.write(f"{name}\n".encode())
    return folder


def _publish(made: Path, folder: Path) -> None:
    """Give the folder its name; the same rows may have it already."""
    if not folder.exists():
        made.rename(folder)
    elif (folder / SUMS).read_bytes() != (made / SUMS).read_bytes():
        message = f"`{folder}` holds other rows, and a release never changes; choose another name"
        raise InputError(message)


def _fill(made: Path, store: Store, table: Table) -> None:
    licences: Counter[str] = Counter()
    for keys in store.partitions(table):
        with FileWriter(made / "data" / f"{'-'.join(keys.values())}.parquet", table) as writer:
            for batch in store.open(table, **keys).to_batches(columns=table.schema.names):
                licences.update(batch["license"].to_pylist())
                writer.write(batch)
    (made / "README.md").write_text(data_card(store, table, "data/*-{language}.parquet"), encoding="utf-8")
    lines = [f"{licence}\t{rows}\n" for licence, rows in sorted(licences.items())]
    (made / "LICENSES.tsv").write_text("licence\trows\n" + "".join(lines), encoding="utf-8")
    files = sorted(path for path in made.rglob("*") if path.is_file())
    sums = [f"{_sha256(path)}  {path.relative_to(made).as_posix()}\n" for path in files]
    (made / SUMS).write_text("".join(sums), encoding="utf-8")
    for path in (*files, made / SUMS):
        path.chmod(READ_ONLY)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
