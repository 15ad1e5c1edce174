"""Packages that only some steps need: which extra installs each, and the one line that says so where it is missing."""

from importlib.util import find_spec
from typing import Final

from ocr_pipeline.errors import InputError

__all__ = ["EXTRAS", "require"]

EXTRAS: Final = {
    "accelerate": "train",
    "gguf": "train",
    "peft": "train",
    "psycopg": "postgres",
    "ray": "ray",
}
"""Each package and the extra of pyproject.toml that brings it."""


def require(package: str) -> None:
    """Stop where a package is not installed, and say what installs it.

    Raises
    ------
    InputError
        When the package is missing.
    """
    if find_spec(package) is None:
        extra = EXTRAS[package]
        message = (
            f"`{package}` is not installed; run `make install-{extra}` in a checkout, "
            f"elsewhere `pip install 'ocr_pipeline[{extra}]'`"
        )
        raise InputError(message)
