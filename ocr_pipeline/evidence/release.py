"""A release: one version of a table as an immutable folder that every reader opens with its plain defaults.

::

    NAME/data/<dataset>-<language>.parquet     the rows, no folder named like a column
    NAME/README.md                             the data card
    NAME/LICENSES.tsv                          rows by licence
    NAME/SHA256SUMS                            of every file beside it
    latest                                     the name of the newest one

The folder of a data root has the partition keys in its folder names, beside columns of the same names; some readers fail
on that, and one counts rows wrongly. Downstream teams are pointed at releases instead. On object storage a claim, ``.NAME``,
is beside the folder: it is put on condition, so two machines never mix their files under one name.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from ocr_pipeline.errors import InputError, OptionError, OvertakenError
from ocr_pipeline.evidence.card import data_card
from ocr_pipeline.store import (
    FileWriter,
    Objects,
    Store,
    atomic_write,
    below,
    canonical_json,
    open_root,
    sha256_of,
    sha256_of_file,
    whoever,
)
from ocr_pipeline.tables import Table

__all__ = ["release"]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SUMS: Final = "SHA256SUMS"
LATEST: Final = "latest"
READ_ONLY: Final = 0o444
NAME_LENGTH: Final = 12


def release(store: Store, table: Table, name: str | None = None, releases: str = "") -> str:
    """Write a release and point to it as the newest; return where it is.

    Parameters
    ----------
    name
        What it is called; without one its rows name it, so that the same rows are the same release.
    releases
        Folder or URI of all releases; the default is ``releases`` in the data root.

    Raises
    ------
    InputError
        When the name cannot be a folder or is taken by other rows, or the table has none yet. Nothing is left behind then.
    StoreError
        When the storage cannot be written; the same command again goes on.
    """
    if name is not None and (not NAME.fullmatch(name) or name == LATEST):
        message = f"a release is named by letters, digits, `.`, `_` and `-`, such as 2026-11, got `{name}`"
        raise OptionError(message)
    references = store.references(table)
    if not references:
        message = f"`{store.root}` holds no {table.name}; materialize it first"
        raise InputError(message)
    content = sha256_of(canonical_json([reference.content_sha256 for reference in references]))
    named = name or f"{table.name}-{content[:NAME_LENGTH]}"
    local = store.local_root
    place = releases or (below(store.root, "releases") if local is None else str(local / "releases"))
    return _to_storage(store, table, named, place) if "://" in place else _to_folder(store, table, named, Path(place))


def _to_folder(store: Store, table: Table, name: str, releases: Path) -> str:
    folder = releases / name
    releases.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=releases))
    try:
        _fill(made, store, table)
        made.chmod(0o755)
        if not folder.exists():
            made.rename(folder)
        elif (folder / SUMS).read_bytes() != (made / SUMS).read_bytes():
            raise _taken(str(folder))
    finally:
        shutil.rmtree(made, ignore_errors=True)  # where it was not published
    with atomic_write(releases / LATEST) as file:
        file.write(f"{name}\n".encode())
    return str(folder)


def _to_storage(store: Store, table: Table, name: str, releases: str) -> str:
    """Claim the name with the checksums of all files, then upload what the claim names; the checksums come last."""
    _, base = open_root(releases)
    objects, folder = Objects(releases), f"{base}/{name}"
    objects.require_conditional_puts(base)
    with tempfile.TemporaryDirectory(prefix="release-") as made:
        _fill(Path(made), store, table)
        sums = (Path(made) / SUMS).read_bytes()
        try:
            objects.put(f"{base}/.{name}", sums, replaces=None, writer=whoever(store.run))
        except OvertakenError as error:
            raise _taken(below(releases, name)) from error
        if objects.get(f"{folder}/{SUMS}") is None:
            files = [line.split("  ", 1)[1] for line in sums.decode().splitlines()]
            for file in files:
                objects.upload(f"{folder}/{file}", Path(made) / file)
            objects.put_plainly(f"{folder}/{SUMS}", sums)
    objects.put_plainly(f"{base}/{LATEST}", f"{name}\n".encode())
    return below(releases, name)


def _taken(folder: str) -> InputError:
    message = f"`{folder}` holds other rows, and a release never changes; choose another name"
    return InputError(message)


def _fill(made: Path, store: Store, table: Table) -> None:
    licences: Counter[str] = Counter()
    for keys in store.partitions(table):
        with FileWriter(made / "data" / f"{'-'.join(keys.values())}.parquet", table) as writer:
            for batch in store.batches(table, table.schema.names, **keys):
                licences.update(batch["license"].to_pylist())
                writer.write(batch)
    (made / "README.md").write_text(data_card(store, table, "data/*-{language}.parquet"), encoding="utf-8")
    lines = [f"{licence}\t{rows}\n" for licence, rows in sorted(licences.items())]
    (made / "LICENSES.tsv").write_text("licence\trows\n" + "".join(lines), encoding="utf-8")
    files = sorted(path for path in made.rglob("*") if path.is_file())
    sums = [f"{sha256_of_file(path)}  {path.relative_to(made).as_posix()}\n" for path in files]
    (made / SUMS).write_text("".join(sums), encoding="utf-8")
    for path in (*files, made / SUMS):
        path.chmod(READ_ONLY)
