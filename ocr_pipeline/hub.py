"""Whether a model that is named can be there at all, before a loader retries for a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from ocr_pipeline.errors import ModelError

__all__ = ["require_reachable"]

HUB_TIMEOUT_S: Final = 20.0


def require_reachable(name: str, *, what: str = "model", file: str = "config.json") -> None:
    """Fail at once on what loaders would retry for minutes: a missing folder, a hub that cannot be reached.

    Parameters
    ----------
    name
        A folder or a hub id.
    what
        What it is, for the message.
    file
        What every repository of its kind holds; if the hub's cache has it, the hub is not asked.

    Raises
    ------
    ModelError
        When it is neither a folder nor a hub id, or a hub id and the hub cannot be reached.
    """
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    if Path(name).is_dir():
        return
    try:
        if not isinstance(huggingface_hub.try_to_load_from_cache(name, file), str):
            urlopen(huggingface_hub.constants.ENDPOINT, timeout=HUB_TIMEOUT_S).close()  # noqa: S310 - the hub's own address
    except HTTPError:
        return  # it answers; whether it has the model is the loader's question
    except HFValidationError as error:
        message = f"{what} `{name}` is neither a folder nor a hub id; give one of them"
        raise ModelError(message) from error
    except URLError as error:
        message = f"{what} `{name}` is not a folder, and the hub cannot be reached ({error.reason}); give a folder with the {what}"
        raise ModelError(message) from error
