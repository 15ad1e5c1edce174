"""No option is without effect: each is read somewhere, by its name, outside the model that declares it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_pipeline.flow import FLOW
from ocr_pipeline.options import Options
from ocr_pipeline.student.config import TrainConfig
from ocr_pipeline.student.options import AblationOptions, EvaluateOptions, EvaluationOptions, TryOptions

ROOT = Path(__file__).parents[2]


def every_model() -> Iterator[type[Options]]:
    """Yield the models of all steps and of the students."""
    yield from dict.fromkeys(model for step in FLOW for model in step.all_options)
    yield from (TrainConfig, EvaluationOptions, TryOptions, EvaluateOptions, AblationOptions)


def read_names() -> set[str]:
    """Return every attribute that the library reads; a declaration is no attribute."""
    names: set[str] = set()
    for folder in ("ocr_pipeline", "assets", "resources"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return names


READ = read_names()


@pytest.mark.parametrize("model", sorted(set(every_model()), key=lambda model: model.__name__))
def test_every_option_is_read(model: type[Options]) -> None:
    """An option that nobody reads promises what does not happen."""
    assert [name for name in model.model_fields if name not in READ] == []
