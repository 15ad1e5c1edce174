"""A prompt file: filled in one pass, known by its hash."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

__all__ = ["Prompt"]

PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file of a package."""

    name: str
    template: str

    @staticmethod
    @cache
    def load(package: str, name: str) -> Prompt:
        """Read ``prompts/<name>.txt`` of ``package``; the newline that ends the file is no part of the prompt."""
        text = resources.files(package).joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")
        return Prompt(name, text.removesuffix("\n"))

    @property
    def sha256(self) -> str:
        """Hash of the template: two prompts with the same hash ask the same."""
        return hashlib.sha256(self.template.encode()).hexdigest()

    def fill(self, **values: str) -> str:
        """Put values in the place of their names; braces inside a value stay as they are."""
        return PLACEHOLDER.sub(lambda match: values[match[1]], self.template)
