"""Fetching a data set from the hub: one pinned revision, only the files that are read, no code of theirs.

Nothing here runs a loading script: the Parquet and JSONL files are downloaded as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.catalogue import Source

__all__ = ["fetch", "local_path"]

ADDRESS: Final = re.compile(r"hf://(?:datasets/)?(?P<hub_id>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?/?")


def local_path(source: Source, given: str) -> Path:
    """Return a path as it is, and the folder of a downloaded revision for ``hf://datasets/<id>@<revision>``.

    Raises
    ------
    InputError
        When the address names no revision, or the hub does not answer.
    """
    if not given.startswith("hf:"):
        return Path(given)
    match = ADDRESS.fullmatch(given)
    if match is None:
        message = f"`{given}` is no address of a data set; write hf://datasets/<owner>/<name>@<revision>"
        raise InputError(message)
    return _download(source, match["hub_id"], match["revision"] or source.hub_revision, None)


def fetch(source: Source, revision: str | None, folder: Path) -> list[Path]:
    """Download the raw files of a data set and return the folder to ingest.

    Parameters
    ----------
    source
        A data set that lives on the hub.
    revision
        Commit, tag or branch; the source's own pinned revision when ``None``.
    folder
        Where the files go; files that are there already are not fetched again.

    Raises
    ------
    InputError
        When the data set is not on the hub, no revision is named, or the hub does not answer.
    """
    if source.hub_id is None:
        message = f"{source.name} is not on the hub; give its files by path"
        raise InputError(message)
    return [_download(source, source.hub_id, revision or source.hub_revision, folder / source.name)]


def _download(source: Source, hub_id: str, revision: str | None, folder: Path | None) -> Path:
    """Download into a folder, or into the hub library's own cache."""
    if revision is None:
        message = f"no revision of {hub_id} is pinned; name a commit, so that a rebuild reads the same rows"
        raise InputError(message)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = list(source.hub_patterns)
    try:
        found = snapshot_download(
            repo_id=hub_id, repo_type="dataset", revision=revision, local_dir=folder, allow_patterns=patterns
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).split("\n", 1)[0]
        message = f"{hub_id} at `{revision}` cannot be fetched: {reason}; check the revision, the network and HF_TOKEN"
        raise InputError(message) from error
    return folder or Path(found)
