"""An option is declared once: the library, the launchpad and the command line have the same one."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import dagster as dg
import pytest
import typer
from dagster._config.pythonic_config import infer_schema_from_config_class
from typer.testing import CliRunner

from ocr_pipeline.asking import Budget
from ocr_pipeline.cli import NAMES, STEPS, build_app
from ocr_pipeline.definitions import defs
from ocr_pipeline.errors import OptionError
from ocr_pipeline.flow import COMMANDS, FLOW
from ocr_pipeline.options import Options, bounds_text, enumeration, option, shown_default
from ocr_pipeline.parameters import with_options
from ocr_pipeline.steps import Step
from resources import RESOURCES


class Word(StrEnum):
    """An enumeration."""

    ONE = "one"
    TWO_OR_MORE = "two-or-more"


class Example(Options):
    """Options of every kind."""

    share: float = option(0.5, "A share", ge=0, le=1)
    rows: int | None = option(None, "Most rows", unit="rows", ge=0, also="most")
    word: Word = option(Word.ONE, "A word")
    names: tuple[str, ...] = option((), "Names", environment="OCR_PIPELINE_TEST_NAMES", affects_output=False)
    needed: str = option(..., "Needed")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": 1.5}, "share must be between 0 and 1, got 1.5"),
        ({"share": "much"}, "share must be a number, got `much`"),
        ({"share": float("nan")}, "share must be between 0 and 1, got nan"),
        ({"most": -1}, "rows must be at least 0, got -1"),
        ({"rows": 1.5}, "rows must be a whole number, got 1.5"),
        ({"word": "three"}, "word must be one of one, two-or-more, got `three`"),
        ({"needed": ...}, "needed is required"),
        ({"other": 1}, "there is no option `other`"),
    ],
)
def test_a_wrong_value_is_one_line(values: dict[str, Any], message: str) -> None:
    """The line names the option, what it must be, and the value."""
    given = {name: value for name, value in ({"needed": "x"} | values).items() if value is not ...}
    with pytest.raises(OptionError, match=f"^{message}$"):
        Example(**given)


def test_none_is_no_limit_and_zero_is_zero() -> None:
    """Zero stays zero: it is not taken for nothing."""
    assert (Example(needed="x").rows, Example(needed="x", rows=0).rows) == (None, 0)


def test_the_environment_gives_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list is split at spaces; a value that is given wins."""
    monkeypatch.setenv("OCR_PIPELINE_TEST_NAMES", "a b")
    assert (Example(needed="x").names, Example(needed="x", names=("c",)).names) == (("a", "b"), ("c",))


def test_a_number_of_the_environment_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the library and in the launchpad; what is none is one line."""
    field = Budget.model_fields["budget_requests"]
    monkeypatch.setenv("OCR_PIPELINE_BUDGET_REQUESTS", "5")
    assert (Budget().budget_requests, shown_default(field)) == (5, 5)
    monkeypatch.setenv("OCR_PIPELINE_BUDGET_REQUESTS", "many")
    with pytest.raises(OptionError, match="budget_requests must be a whole number, got `many`"):
        Budget()
    with pytest.raises(OptionError, match="OCR_PIPELINE_BUDGET_REQUESTS must be a whole number, got `many`"):
        shown_default(field)


def test_only_what_affects_the_output_is_in_the_settings() -> None:
    """Settings are plain JSON values."""
    assert Example(needed="x").settings == {"share": 0.5, "rows": None, "word": "one", "needed": "x"}


def launchpad(key: str) -> dict[str, dg.Field]:
    """Return the fields that the launchpad shows of a resource, or of a step that is given by its name."""
    if key in RESOURCES:
        fields: dict[str, dg.Field] = infer_schema_from_config_class(RESOURCES[key][0]).config_type.fields
        return fields
    found: Any = defs.resolve_asset_graph().get(dg.AssetKey(key)).assets_def.op.config_schema
    return getattr(found.config_type, "fields", {})


def shown() -> Iterator[tuple[type[Options], str, dict[str, dg.Field]]]:
    """Yield every model of options with where the launchpad shows it."""
    for key, (_, model) in RESOURCES.items():
        yield model, key, launchpad(key)
    held = {name for _, model in RESOURCES.values() for name in model.model_fields}
    for step in FLOW:
        fields = launchpad(step.writes[0].name)
        for model in step.all_options:
            own = {name: fields[name] for name in model.model_fields if name in fields}
            assert own or set(model.model_fields) - {"language"} <= held, f"{model} of {step.name} is not shown"
            if own:
                yield model, step.name, fields


@pytest.mark.parametrize(
    ("model", "where", "fields"), list(shown()), ids=lambda value: getattr(value, "__name__", None)
)
def test_the_launchpad_shows_the_declaration(model: type[Options], where: str, fields: dict[str, dg.Field]) -> None:
    """Same names, defaults, descriptions and enumerations; every field has a description."""
    for name, field in model.model_fields.items():
        found = fields[name]
        assert found.description == field.description, (where, name)
        assert (found.default_value if found.default_provided else None) == shown_default(field), (where, name)
        words = enumeration(field.annotation)
        if words:
            kind = getattr(found.config_type, "inner_type", found.config_type)
            assert [value.config_value for value in kind.enum_values] == words, (where, name)


def parameters(step: Step, name: str) -> dict[str, Any]:
    """Return the options of a command as typer's parser knows them."""
    del step
    group: Any = typer.main.get_command(build_app([name, "funnel"]))
    return {one.name: one for one in group.commands[name].params}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_command_line_has_the_declaration(command: Any) -> None:
    """Same names, defaults and descriptions, and the bounds in words."""
    found = parameters(command.steps[0], command.name)
    for name, field in chain.from_iterable(
        model.model_fields.items() for step in command.steps for model in step.all_options
    ):
        assert f"--{name.replace('_', '-')}" in found[name].opts, (command.name, name)
        assert found[name].help == field.description
        default = shown_default(field)
        given = found[name].default() if callable(found[name].default) else found[name].default
        if not isinstance(default, list | dict):
            assert (str(given) if isinstance(given, Path) else given) == default, (command.name, name)


@pytest.mark.parametrize("model", sorted({m for s in FLOW for m in s.all_options}, key=lambda m: m.__name__))
def test_every_option_says_what_it_must_be(model: type[Options]) -> None:
    """Unit and bounds are part of the description, so that every door shows them; an optional one may be none."""
    for name, field in model.model_fields.items():
        assert field.description, name
        text = bounds_text(field)
        if text.startswith(("at least", "above", "between", "at most")):
            assert text in field.description, name
        if field.default is None and not field.is_required():
            assert type(None) in get_args(field.annotation), name


def test_every_step_of_a_command_has_its_name() -> None:
    """The list of names that spares the import of the flow is that of the flow."""
    assert tuple(command.name for command in COMMANDS) == STEPS
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["plan", "p.parquet", "--solutions", "s.parquet", "--plan-share", "1.5"],
            "plan_share must be between 0 and 1",
        ),
        (["dedup", "p.parquet", "--threshold", "1.5"], "threshold must be between -1 and 1, got 1.5"),
        (
            ["generate", "p.parquet", "--language", "cpp", "--budget-requests", "-1"],
            "budget_requests must be at least 0",
        ),
        (["generate", "p.parquet", "--language", "cpp", "--extra", "[]"], "extra must be a JSON object"),
    ],
)
def test_the_command_line_refuses_before_anything_starts(arguments: list[str], message: str, tmp_path: Path) -> None:
    """One line, and nothing is written."""
    result = CliRunner().invoke(build_app([arguments[0], "funnel"]), [*arguments, "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, OptionError)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("asset", "config", "message"),
    [
        ("duplicate_pairs", {"threshold": 1.5}, "threshold must be between -1 and 1, got 1.5"),
        ("plan_sft_dataset", {"plan_share": 2.0}, "plan_share must be between 0 and 1, got 2.0"),
        ("sft_dataset", {"samples_per_problem_max": 0}, "samples_per_problem_max must be at least 1, got 0"),
    ],
)
def test_the_launchpad_refuses_in_one_line(asset: str, config: dict[str, Any], message: str) -> None:
    """A value out of bounds fails the step with the line of the command line; nothing is read or written."""
    asset_def = defs.resolve_asset_graph().get(dg.AssetKey(asset)).assets_def
    partitions = asset_def.partitions_def
    key = partitions.get_first_partition_key() if partitions else None
    job = defs.resolve_implicit_job_def_def_for_assets([dg.AssetKey(asset)])
    assert job is not None
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            run_config={"ops": {asset: {"config": config}}}, partition_key=key, instance=instance,
            raise_on_error=False, asset_selection=[dg.AssetKey(asset)],
        )  # fmt: skip
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert message in str(failure.step_failure_data.user_failure_data.description)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest", "tacoo", "raw"],
        ["ingest", "own", "raw", "--columns", "nope"],
        ["ingest", "own", "raw", "--columns", "statement=a", "--columns", "statement=b"],
        ["ingest", "taco", "raw", "--split", "a/b"],
        ["ingest", "taco", "hf://somewhere"],
    ],
)
def test_a_value_that_no_option_takes_is_wrong_usage(arguments: list[str], tmp_path: Path) -> None:
    """Not the input's failure: the command exits with 2."""
    result = CliRunner().invoke(build_app([arguments[0], "funnel"]), [*arguments, "--out", str(tmp_path)])
    assert isinstance(result.exception, OptionError)


@pytest.mark.parametrize(("given", "read"), [("none", None), ("7", 7)])
def test_none_can_be_said_where_the_default_is_a_number(given: str, read: int | None) -> None:
    """The help says what none means, so the command line takes the word."""
    found = {}

    class Some(Options):
        """Options of the test."""

        most: int | None = option(20, "How many; none: all")

    @with_options
    def command(some: Some) -> None:
        found.update(some.model_dump())

    app = typer.Typer()
    app.command()(command)
    assert CliRunner().invoke(app, ["--most", given]).exit_code == 0
    assert found == {"most": read}
    assert CliRunner().invoke(app, []).exit_code == 0
    assert found == {"most": 20}
    assert CliRunner().invoke(app, ["--most", "many"]).exit_code == 2
