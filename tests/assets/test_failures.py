"""A failed run says in one line what to do, in the words of the page."""

from pathlib import Path

import dagster as dg
import pytest

from assets.flow import step_asset
from assets.materialize import fails_in_one_line, for_the_page
from ocr_pipeline.duplicates.steps import COMPARE, KEEP_ONE
from ocr_pipeline.errors import InputError
from ocr_pipeline.store import Store
from ocr_pipeline.tables import CLEAN_PROBLEMS, PROBLEMS, UNIQUE_PROBLEMS
from ocr_pipeline.teacher.steps import GENERATE
from resources import RESOURCES, StoreResource
from tests.evidence import root as fixture


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("check --url and --model", "check `urls` and `model`"),
        ("leave out --api-key-env for it", "leave out `api_key_env` for it"),
        ("pip install --no-deps x", "pip install --no-deps x"),
        ("`a--b` is -- not an option", "`a--b` is -- not an option"),
        ("give --generated-tests", "give `generated_tests`"),
        ("run `ocr-pipeline train --out x` or set --url", "run `ocr-pipeline train --out x` or set `urls`"),
    ],
)
def test_options_are_named_as_in_the_launchpad(said: str, shown: str) -> None:
    """Flags of the command line are not on the page."""
    assert for_the_page(said) == shown
    with pytest.raises(dg.Failure) as failure, fails_in_one_line():
        raise InputError(said)
    assert failure.value.description == shown


def test_a_teacher_that_cannot_be_reached_is_told_without_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the page of the failed run shows, from the step itself."""
    monkeypatch.setattr("assets.materialize.RETRY_AFTER_S", 0)
    fixture.put(Store(tmp_path), CLEAN_PROBLEMS, [fixture.unique(fixture.SUM)])
    resources = {name: resource() for name, (resource, _) in RESOURCES.items()}
    resources |= {
        "store": StoreResource(root=str(tmp_path)),
        "teacher": RESOURCES["teacher"][0](urls=["http://127.0.0.1:9/v1"], model="m"),
    }
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.Failure) as failed:
        dg.materialize(
            [step_asset(GENERATE)],
            instance=instance,
            resources=resources,
            partition_key="taco|python",
        )
    assert str(failed.value.description).endswith("start the server, or check `urls`")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "the machine refused: [Errno 28] No space left on device"),
        (
            OSError("CRC checksum verification failed"),
            "a file cannot be read: CRC checksum verification failed; if it is",
        ),
    ],
)
def test_a_full_disk_is_no_damaged_file(error: OSError, said: str) -> None:
    """Only what cannot be read has to be made again."""
    with pytest.raises(dg.Failure) as failure, fails_in_one_line():
        raise error
    assert str(failure.value.description).startswith(said)


def test_a_failed_step_is_recorded_as_its_line(tmp_path: Path) -> None:
    """No stack of Dagster's own frames stands around the line on a console or the page."""
    resources = {name: resource() for name, (resource, _) in RESOURCES.items()}
    resources |= {"store": StoreResource(root=str(tmp_path))}
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize(
            [step_asset(GENERATE)],
            instance=instance,
            resources=resources,
            partition_key="taco|python",
            raise_on_error=False,
        )
    (failed,) = run.get_step_failure_events()
    error = failed.step_failure_data.error
    assert error is not None
    assert error.to_string().startswith("no partition clean_problems")
    assert len(error.to_string().splitlines()) == 1


def test_a_root_in_which_no_two_problems_are_alike_is_no_failure(tmp_path: Path) -> None:
    """The first run on a few problems of one's own finds no pair at all."""
    fixture.put(Store(tmp_path), PROBLEMS, [fixture.problem(fixture.SUM)], {"dataset": "taco"})
    resources = {name: resource() for name, (resource, _) in RESOURCES.items()}
    resources |= {"store": StoreResource(root=str(tmp_path))}
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([step_asset(COMPARE)], instance=instance, resources=resources).success


def test_nothing_is_compared_in_an_empty_root(tmp_path: Path) -> None:
    """The page shows empty tables, as it does of a root in which every problem was rejected."""
    resources = {name: resource() for name, (resource, _) in RESOURCES.items()}
    resources |= {"store": StoreResource(root=str(tmp_path))}
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([step_asset(COMPARE), step_asset(KEEP_ONE)], instance=instance, resources=resources)
    assert Store(tmp_path).open(UNIQUE_PROBLEMS).count_rows() == 0
