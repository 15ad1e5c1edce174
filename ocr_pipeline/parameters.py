"""Options of a model as parameters of the command line: same names, defaults, bounds and meanings as everywhere."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from enum import Enum
from functools import wraps
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from pydantic.fields import FieldInfo

from ocr_pipeline.errors import OptionError
from ocr_pipeline.options import Options, plain_type

__all__ = ["annotated", "keyword", "option_parameters", "options_given", "with_options"]


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command one parameter per option for each of its parameters that is a model of options."""
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    models = {one.name: hints[one.name] for one in parameters if _is_model(hints[one.name])}
    plain = [one.replace(annotation=hints[one.name]) for one in parameters if one.name not in models]
    flat = [*plain, *option_parameters(*models.values())]

    @wraps(function)
    def run(**given: Any) -> None:
        read = {name: options_given(model, given) for name, model in models.items()}
        function(**{one.name: given[one.name] for one in plain}, **read)

    run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in flat}
    return run


def _is_model(hint: Any) -> bool:  # noqa: ANN401 - a type
    return isinstance(hint, type) and issubclass(hint, Options)


def option_parameters(*models: type[Options]) -> Iterator[inspect.Parameter]:
    """Yield a parameter of the command line for each option; options of one name are one option."""
    fields = {name: (model, field) for model in models for name, field in model.model_fields.items()}
    for name, (model, field) in fields.items():
        panel = _panel(model, name)
        names = [f"--{one.replace('_', '-')}" for one in (name, field.alias) if one]
        if plain_type(field.annotation) is bool:
            names = [f"{one}/--no-{one.removeprefix('--')}" for one in names]
        help_text = field.description
        default = ... if field.is_required() else _default(field)
        said = typer.Option(*names, help=help_text, rich_help_panel=panel, **_none(field))
        yield keyword(name, annotated(_type(field), said), default)


def options_given(model: type[Options], given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of the model's type
    """Read a model of options out of what the command line was given."""
    return model(
        **{name: _value(name, field, given[name]) for name, field in model.model_fields.items() if name in given}
    )


def _panel(model: type[Options], name: str) -> str:
    """Group options by the model that declares them."""
    owner = next((base for base in reversed(model.__mro__) if name in vars(base).get("__annotations__", {})), model)
    return (owner.__doc__ or owner.__name__).split("\n")[0].split(";")[0].rstrip(".")


def annotated(kind: Any, said: Any) -> Any:  # noqa: ANN401 - types
    """Return a type with what typer is told about it."""
    return Annotated[kind, said]


def keyword(name: str, kind: Any, default: Any) -> inspect.Parameter:  # noqa: ANN401 - a type and its value
    """Return a parameter that is given by name; an ellipsis makes it required."""
    given = inspect.Parameter.empty if default is ... else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=given)


def _default(field: FieldInfo) -> Any:  # noqa: ANN401 - a default of any type
    default = field.get_default(call_default_factory=True)
    if isinstance(default, tuple):
        return list(default) or None
    if isinstance(default, Mapping):
        return json.dumps(dict(default))
    return default.value if isinstance(default, Enum) else default


def _type(field: FieldInfo) -> Any:  # noqa: ANN401 - a type
    """Return what the command line takes for an option: lists, JSON and days are text there."""
    kind = plain_type(field.annotation)
    if get_origin(kind) is tuple and Ellipsis in get_args(kind):
        return list[get_args(kind)[0]] | None  # type: ignore[misc] # of whatever the tuple holds
    if get_origin(kind) is Mapping or kind is date:
        kind = str
    return kind | None if type(None) in get_args(field.annotation) else kind


def _none(field: FieldInfo) -> dict[str, Any]:
    """Return how ``none`` is read where an option has a number by default and may have none."""
    kind = plain_type(field.annotation)
    may_be_none = type(None) in get_args(field.annotation)
    if kind not in {int, float} or not may_be_none or field.is_required() or _default(field) is None:
        return {}

    def read(text: str) -> Any:  # noqa: ANN401 - a number of the option's kind
        try:
            return None if text == "none" else kind(text)
        except ValueError:
            raise typer.BadParameter(f"`{text}` must be a number or none") from None

    return {"parser": read, "metavar": f"<{kind.__name__}|none>"}


def _value(name: str, field: FieldInfo, given: Any) -> Any:  # noqa: ANN401 - a value of any type
    kind = get_origin(plain_type(field.annotation))
    if kind is tuple:
        return tuple(given) if given else field.get_default() if type(None) in get_args(field.annotation) else ()
    if kind is not Mapping:
        return given
    try:
        found = json.loads(given)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        message = f"{name} must be a JSON object, got `{given}`"
        raise OptionError(message)
    return found
