"""How an option is declared: once, with its default, bounds, unit and meaning, on a frozen model of the room it belongs to.

The launchpad, the command line, the library, the fingerprint of what is built and the reference all read the same
declaration. ``None`` means no limit and 0 means zero. A wrong value is one line, the same through every door, before
anything starts. The models themselves are not here: each is in the room of the step that it configures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping
from datetime import date
from enum import Enum
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Self, TypeVar, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined, to_jsonable_python

from ocr_pipeline.errors import OptionError

__all__ = ["Options", "bounds_text", "enumeration", "option", "optional", "plain_type", "shown_default"]

AFFECTS_OUTPUT: Final = "affects_output"
OUT_OF_BOUNDS: Final = ("greater_than", "less_than", "enum")
KINDS: Final = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    date: "a day such as 2024-08-01",
    tuple: "a list",
    Mapping: "a mapping",
}
BOUNDS: Final = ((Ge, "ge"), (Gt, "gt"), (Le, "le"))

T = TypeVar("T", bound="Options")


def option(  # noqa: PLR0913 - one parameter per property of an option
    default: Any,  # noqa: ANN401 - of any type; an ellipsis makes the option required
    meaning: str,
    *,
    unit: str | None = None,
    affects_output: bool = True,
    environment: str | None = None,
    also: str | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
) -> Any:  # noqa: ANN401 - stands where a field's default does
    """Declare one option of an :class:`Options` model.

    Parameters
    ----------
    default
        Its value where nobody gives one; a list or mapping is copied.
    meaning
        One sentence for a person; unit and bounds are added to it.
    unit
        What a number counts, such as ``seconds``.
    affects_output
        Whether another value can give other rows: only such options are part of a fingerprint.
    environment
        Variable that holds the default where it is set; a list is split at spaces.
    also
        A second name, for the command line.
    ge, gt, le
        Bounds of a number.
    """
    inside = "; ".join(part for part in (unit, _between(ge, gt, le)) if part)
    return Field(
        **(
            {"default_factory": partial(_from_environment, environment, default)}
            if environment
            else {"default": default}
        ),
        alias=also,
        description=f"{meaning.removesuffix('.')}{f' ({inside})' if inside else ''}.",
        json_schema_extra={AFFECTS_OUTPUT: affects_output},
        ge=ge,
        gt=gt,
        le=le,
    )


class Options(BaseModel):
    """Base of every group of options; a wrong value raises :class:`~ocr_pipeline.errors.OptionError`, one line."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=(), validate_default=True
    )

    def __init__(self, /, **values: Any) -> None:
        """Check every value."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise OptionError(_one_line(error, type(self))) from None

    @property
    def settings(self) -> dict[str, Any]:
        """The options that affect the output, as plain JSON values: for manifests and fingerprints."""
        return {name: value for name, value in self.plain().items() if _extra(type(self), name, AFFECTS_OUTPUT)}

    def plain(self) -> dict[str, Any]:
        """Return every option as a plain JSON value."""
        plain: dict[str, Any] = to_jsonable_python({name: getattr(self, name) for name in type(self).model_fields})
        return plain

    def replaced(self, **changes: Any) -> Self:
        """Return the same options with some changed, checked again."""
        return type(self)(**(dict(self) | changes))

    @classmethod
    def of(cls, other: Mapping[str, Any] | BaseModel, **more: Any) -> Self:
        """Read these options out of a wider group of them, such as a resource."""
        values = other if isinstance(other, Mapping) else dict(other)
        return cls(**({name: values[name] for name in cls.model_fields if name in values} | more))


def _from_environment(name: str, default: Any) -> Any:  # noqa: ANN401 - a default of any type
    text = os.environ.get(name)
    return default if not text else tuple(text.split()) if isinstance(default, tuple) else text


def optional(model: type[Options], *, without: Container[str] = ()) -> type[Options]:
    """Return the same options, each absent unless it is given: what a person changes of a recipe."""
    fields: dict[str, Any] = {
        name: (
            cast("Any", field.annotation) | None,
            option(None, f"{(field.description or '').removesuffix('.')}; none: the recipe's"),
        )
        for name, field in model.model_fields.items()
        if name not in without
    }
    return create_model(f"{model.__name__}Changes", __base__=Options, **fields)


def shown_default(field: FieldInfo) -> Any:  # noqa: ANN401 - a default of any type
    """Return the default as a plain value, or ``None`` where the option is required."""
    default = field.get_default(call_default_factory=True)
    if isinstance(default, str) and plain_type(field.annotation) in {int, float}:  # out of the environment
        try:
            default = plain_type(field.annotation)(default)
        except ValueError:
            variable = cast("Any", field.default_factory).args[0]
            message = f"{variable} must be {_kind(field)}, got `{default}`"
            raise OptionError(message) from None
    return None if default is PydanticUndefined else to_jsonable_python(default)


def plain_type(annotation: Any) -> Any:  # noqa: ANN401 - a type
    """Return the type of an option without its ``| None`` and its annotations."""
    if get_origin(annotation) is Annotated:
        return plain_type(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return next(plain_type(part) for part in get_args(annotation) if part is not type(None))
    return annotation


def enumeration(annotation: Any) -> list[str] | None:  # noqa: ANN401 - a type
    """Return the words that an option takes, or ``None`` where it takes others."""
    kind = plain_type(annotation)
    return [str(member.value) for member in kind] if isinstance(kind, type) and issubclass(kind, Enum) else None


def bounds_text(field: FieldInfo) -> str:
    """Say what a value must be: ``between 0 and 1``, ``one of a, b``, ``a whole number``."""
    words = enumeration(field.annotation)
    if words:
        return f"one of {', '.join(words)}"
    limits = {name: getattr(one, name) for kind, name in BOUNDS for one in field.metadata if isinstance(one, kind)}
    return (
        _between(limits.get("ge"), limits.get("gt"), limits.get("le"))
        or _kind(field)
        or f"a {getattr(plain_type(field.annotation), '__name__', 'value')}"
    )


def _kind(field: FieldInfo) -> str | None:
    kind = plain_type(field.annotation)
    return KINDS.get(get_origin(kind) or kind)


def _between(ge: float | None, gt: float | None, le: float | None) -> str:
    if ge is not None and le is not None:
        return f"between {ge:g} and {le:g}"
    limits = (("at least", ge), ("above", gt), ("at most", le))
    return " and ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)


def _extra(model: type[Options], name: str, key: str) -> Any:  # noqa: ANN401 - whatever was declared
    extra = model.model_fields[name].json_schema_extra
    return extra.get(key) if isinstance(extra, dict) else None


def what_is_wrong(error: ValidationError) -> str:
    """Say in one line what is wrong with a value that is not of options: a row of a file, the body of a request."""
    found = error.errors(include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in found[:3])


def _one_line(error: ValidationError, model: type[Options]) -> str:
    return "; ".join(_said(found, model) for found in error.errors())


_SAID: Final[Mapping[str, Callable[[str], str]]] = {
    "missing": lambda name: f"{name} is required",
    "extra_forbidden": lambda name: f"there is no option `{name}`",
}


def _said(found: ErrorDetails, model: type[Options]) -> str:
    """Say what is wrong with one option, with its bounds and the value that was given."""
    if found["type"] == "value_error":  # of a validator of several options together, which says all itself
        return str(found["ctx"]["error"])
    names = {field.alias: name for name, field in model.model_fields.items() if field.alias}
    given = str(found["loc"][0]) if found["loc"] else model.__name__
    name = names.get(given, given)
    if found["type"] in _SAID:
        return _SAID[found["type"]](name)
    field = model.model_fields.get(name)
    kind = _kind(field) if field else found["msg"]
    wanted = bounds_text(field) if field and (not kind or found["type"].startswith(OUT_OF_BOUNDS)) else kind
    return f"{name} must be {wanted}, got {_shown(found['input'])}"


def _shown(value: object) -> str:
    return f"`{value}`" if isinstance(value, str) else repr(value)
