"""From the library's options to what Dagster's launchpad shows: same names, defaults, bounds and descriptions.

Dagster checks types and enumerations; the library checks the rest when the options are read, and says it in one line.
"""

from collections.abc import Container, Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import dagster as dg
from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from ocr_pipeline.options import Options, enumeration, plain_type, shown_default

__all__ = ["fields_of", "launchpad"]

AS_TEXT = (Path, date)


def launchpad(model: type[Options], base: type[Any]) -> Any:  # noqa: ANN401 - a class that is made here
    """Return a class of Dagster configuration with the options of a model."""
    return create_model(model.__name__, __base__=base, __doc__=model.__doc__, **fields_of(model))


def fields_of(*models: type[Options], without: Container[str] = ()) -> dict[str, Any]:
    """Return the fields of several models; options of one name are one option."""
    return {
        name: (_type(field), Field(default=shown_default(field), description=field.description))
        for model in models
        for name, field in model.model_fields.items()
        if name not in without
    }


def _type(field: FieldInfo) -> Any:  # noqa: ANN401 - a type
    kind, words = plain_type(field.annotation), enumeration(field.annotation)
    may_be_none = type(None) in get_args(field.annotation)
    if words:  # Dagster knows no optional literal, but an optional enumeration, whose names it shows
        kind = StrEnum(kind.__name__, {word: word for word in words}) if may_be_none else Literal[tuple(words)]
    elif get_origin(kind) is tuple:
        kind = list[get_args(kind)[0]]  # type: ignore[misc] # of whatever the tuple holds
    elif get_origin(kind) is Mapping:
        kind = dict[get_args(kind)]  # type: ignore[misc]
    elif kind in AS_TEXT:
        kind = str
    return kind | None if may_be_none else kind


class OptionsResource(dg.ConfigurableResource[Any]):
    """Base of resources that are options: they are read as whatever part of them somebody needs."""

    def options(self, model: type[Options], **more: Any) -> Any:  # noqa: ANN401 - of the model's type
        """Return some of the options, checked."""
        return model.of({name: getattr(self, name) for name in type(self).model_fields}, **more)
