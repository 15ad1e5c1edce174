"""Partitions of Parquet on disk or object storage: streamed in, replaced as a whole, manifest last.

A partition is a folder ``<table>/dataset=<dataset>/language=<language>/`` of part files and one ``_manifest.json``.

* A local partition is staged in a folder of its own and exchanged in one system call, so nobody sees half of one.
* Object storage has no rename: part files get names of their own, and the manifest is put last, on condition that nobody
  else has put one. :func:`open_table` reads what the manifest names; what it replaced stays for a grace period.
* One lock per partition keeps a second writer out, also one that was orphaned when its parent was killed.

Every file of the project that must never be half there goes through :func:`atomic_write`. What a step does to the
rows does not belong here; neither does the ledger of the teacher.
"""

from ocr_pipeline.store.atomic import atomic_write
from ocr_pipeline.store.buckets import Bucketed, Buckets
from ocr_pipeline.store.files import encoding_of, open_csv, open_files
from ocr_pipeline.store.manifest import InputRef, Manifest, canonical_json, fingerprint, sha256_of, sha256_of_file
from ocr_pipeline.store.objects import Objects, below, open_root, whoever
from ocr_pipeline.store.pieces import RowGroup, finely
from ocr_pipeline.store.ranges import among
from ocr_pipeline.store.root import Store, open_table
from ocr_pipeline.store.rows import RowStream, conform, rows_of, rows_of_problems
from ocr_pipeline.store.writing import FileWriter, PartitionWriter, TableWriter, file_writers

__all__ = [
    "Bucketed",
    "Buckets",
    "FileWriter",
    "InputRef",
    "Manifest",
    "Objects",
    "PartitionWriter",
    "RowGroup",
    "RowStream",
    "Store",
    "TableWriter",
    "among",
    "atomic_write",
    "below",
    "canonical_json",
    "conform",
    "encoding_of",
    "file_writers",
    "finely",
    "fingerprint",
    "open_csv",
    "open_files",
    "open_root",
    "open_table",
    "rows_of",
    "rows_of_problems",
    "sha256_of",
    "sha256_of_file",
    "whoever",
]
