"""The command ``storage``: what killed writers left on object storage."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from ocr_pipeline import logs
from ocr_pipeline.errors import OptionError
from ocr_pipeline.store.root import Store

__all__ = ["storage"]

S_PER_HOUR: Final = 3_600
OLDER_THAN_H: Final = 720

storage = typer.Typer(help="Look after a data root on object storage.", no_args_is_help=True)


@storage.callback()
def _storage() -> None:
    """Look after a data root on object storage."""


@storage.command()
def sweep(
    *,
    data: Annotated[str, typer.Option(envvar="OCR_PIPELINE_DATA", help="The data root, a URI.")],
    older_than_h: Annotated[
        float, typer.Option(min=0, help="Only parts older than this, in hours: longer than any run works.")
    ] = OLDER_THAN_H,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them; without it they are only listed.")] = False,
) -> None:
    """List parts that no manifest names, which killed writers left; with --delete remove them."""
    store = Store(data)
    if store.local_root is not None:
        message = (
            f"`{data}` is a folder, where the next writer removes what a killed one left; there is nothing to sweep"
        )
        raise OptionError(message)
    found = list(store.unnamed(older_than_s=older_than_h * S_PER_HOUR))
    if delete:
        store.sweep([path for path, _ in found])
    lines = [f"{path}\t{size}\n" for path, size in found]
    done = "deleted" if delete else "found, nothing deleted"
    sys.stdout.write("".join(lines))
    logs.say(f"{len(found):,} parts with {sum(size for _, size in found):,} bytes {done}")
