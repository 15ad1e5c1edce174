"""Our own problems in each source's raw format, and recorded responses: what the demo and many tests run on.

``problems/*.toml`` is the source of truth, :mod:`ocr_pipeline.sample.build` writes everything else from it. Nothing
here comes from a judge: stories, code, reasonings and names are our own, and addresses hold ``ocr-pipeline-sample``.
"""

from pathlib import Path
from typing import Final

__all__ = ["path"]

FOLDER: Final = Path(__file__).parent


def path(*parts: str) -> Path:
    """Return a file or folder of the sample, such as ``path("raw", "taco")``."""
    return FOLDER.joinpath(*parts)
