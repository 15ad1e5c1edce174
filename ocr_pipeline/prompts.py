"""A prompt: a text file of a package, filled in one pass, known by its hash.

Every model that is asked anything (teacher, student, the model that compares pairs) is asked with one of these files.
What is put in, and how the answer is read, belongs to the room that owns the file. Nothing is trimmed: the newline that
ends a file is sent, and hashed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from ocr_pipeline.errors import InputError

__all__ = ["Prompt", "prompt_names"]

# Both spellings mean the same. They stay because the hash of a template is in the fingerprints of what it was used for:
# respelling a file would make paid work look stale.
PLACEHOLDER: Final = re.compile(r"\{\{([a-z_]+)\}\}|\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file; ``{name}`` or ``{{name}}`` in it is the place of a value."""

    name: str
    template: str

    @staticmethod
    @cache
    def load(package: str, name: str) -> Prompt:
        """Read ``prompts/<name>.txt`` of ``package``.

        Raises
        ------
        InputError
            When there is no such file; the message names those that are there.
        """
        file = resources.files(package).joinpath("prompts", f"{name}.txt")
        if not file.is_file():
            raise InputError(f"there is no prompt `{name}`; there are {', '.join(prompt_names(package))}")
        return Prompt(name, file.read_text(encoding="utf-8"))

    @property
    def sha256(self) -> str:
        """Hash of the template: two prompts with the same hash ask the same."""
        return hashlib.sha256(self.template.encode()).hexdigest()

    @property
    def places(self) -> frozenset[str]:
        """The names of the values that it needs."""
        return frozenset(match[1] or match[2] for match in PLACEHOLDER.finditer(self.template))

    def fill(self, **values: str) -> str:
        """Put each value in its place, in one pass: braces inside a value stay as they are.

        Raises
        ------
        InputError
            When a value is missing.
        """
        try:
            return PLACEHOLDER.sub(lambda match: values[match[1] or match[2]], self.template)
        except KeyError:
            missing = ", ".join(sorted(self.places - values.keys()))
            message = f"prompt `{self.name}` needs {missing}, which is not given; given: {', '.join(sorted(values))}"
            raise InputError(message) from None


def prompt_names(package: str) -> list[str]:
    """Return the names of a package's prompts, sorted."""
    files = resources.files(package).joinpath("prompts").iterdir()
    return sorted(file.name.removesuffix(".txt") for file in files if file.name.endswith(".txt"))
