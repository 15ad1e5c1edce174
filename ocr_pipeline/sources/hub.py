"""Fetching a data set from the hub: one pinned revision, only the files that are read, no code of theirs.

Nothing here runs a loading script: the Parquet and JSONL files are downloaded as they are.
"""

from __future__ import annotations

from pathlib import Path

from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.catalogue import Source

__all__ = ["fetch"]


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
    wanted = revision or source.hub_revision
    if source.hub_id is None:
        message = f"{source.name} is not on the hub; give its files by path"
        raise InputError(message)
    if wanted is None:
        message = f"no revision of {source.hub_id} is pinned; name a commit, so that a rebuild reads the same rows"
        raise InputError(message)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    target = folder / source.name
    try:
        snapshot_download(
            repo_id=source.hub_id,
            repo_type="dataset",
            revision=wanted,
            local_dir=target,
            allow_patterns=list(source.hub_patterns),
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).split("\n", 1)[0]
        message = (
            f"{source.hub_id} at `{wanted}` cannot be fetched: {reason}; check the revision, the network and HF_TOKEN"
        )
        raise InputError(message) from error
    return [target]
