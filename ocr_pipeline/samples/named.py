"""Selections that have a name: each is a table of its own beside ``sft_dataset``, with its own defaults.

They are declared in a file of the project, a section for each; what a section does not say is as in ``sft_dataset``::

    [passing]
    description = "Samples that pass every test."
    execution = "passing"
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import create_model

from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.samples.options import SelectionConfig
from ocr_pipeline.tables import Table, selection_table

__all__ = ["NamedSelection", "read_selections"]

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
DESCRIPTION: Final = "description"


@dataclass(frozen=True, slots=True)
class NamedSelection:
    """One section of the file."""

    table: Table
    options: type[SelectionConfig]
    """The options of every selection, with this one's defaults."""


def read_selections(path: Path) -> list[NamedSelection]:
    """Read the file.

    Raises
    ------
    InputError
        When it cannot be read or is not TOML, or a section has a name or an option that cannot be used.
    """
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"selections `{path}` cannot be read: {error.strerror}; give a file such as selections.toml"
        raise InputError(message) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"`{path}` is not TOML: {error}"
        raise InputError(message) from None
    return [_selection(path, name, section) for name, section in sections.items()]


def _selection(path: Path, name: str, section: object) -> NamedSelection:
    if not NAME.fullmatch(name) or not isinstance(section, Mapping):
        message = (
            f"`{path}`: a selection is a section such as [passing], of lower-case letters, digits and _, got `{name}`"
        )
        raise InputError(message)
    changed = {option: value for option, value in section.items() if option != DESCRIPTION}
    try:
        SelectionConfig(**changed)
    except OptionError as error:
        message = f"`{path}`, [{name}]: {error}"
        raise InputError(message) from None
    said = ", ".join(f"{option} {value}" for option, value in changed.items()) or "as sft_dataset"
    return NamedSelection(
        selection_table(name, str(section.get(DESCRIPTION, f"A selection of judged samples: {said}."))),
        _with_defaults(name, changed),
    )


def _with_defaults(name: str, changed: Mapping[str, Any]) -> type[SelectionConfig]:
    fields: dict[str, Any] = {}
    checked = SelectionConfig(**changed)
    for option in changed:
        known = next(one for one, field in SelectionConfig.model_fields.items() if option in {one, field.alias})
        field = copy.copy(SelectionConfig.model_fields[known])
        field.default = getattr(checked, known)
        fields[known] = (field.annotation, field)
    return create_model(
        f"{SelectionConfig.__name__}_{name}", __base__=SelectionConfig, __doc__=SelectionConfig.__doc__, **fields
    )
