"""CONTRIBUTING works: a data set and a step that are added by its lines are there in every door."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("ocr_pipeline", "assets", "resources")

MAIN = "from ocr_pipeline.cli import main; main()"
DATA_SET = """Source(
        name="riddles",
        description="Riddles: short problems with one test.",
        role=Role.TRAIN,
        license="cc-by-4.0",
        may_redistribute=True,
    ),
    Source(
        name="own","""
READER = '''"""Riddles: question, asked, answered."""

from typing import Final

from ocr_pipeline.sources.blocks import solution_block, test_block
from ocr_pipeline.sources.model import Layout, RawProblem, TestCase
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.tables import IoMode


def _read(row: Reading) -> RawProblem:
    statement = row.text("question")
    require_statement(statement)
    return RawProblem(
        native_id=row.native_id("number"),
        identity=(statement,),
        statement=statement,
        io_mode=IoMode.STDIN,
        tests=test_block([TestCase(row.text("asked"), row.text("answered"))], row),
        solutions=solution_block([], row),
    )


LAYOUTS: Final = (Layout("columns", frozenset({"number", "question", "asked", "answered"}), "number", read=_read),)
'''
TABLE = """LENGTHS: Final = _table(
    "lengths",
    "How long each statement is.",
    ("problem_id",),
    _column("problem_id", NAME, "The problem."),
    _column("characters", pa.int64(), "Length of the statement.", unit="characters"),
)

TABLES: Final[dict"""
STEP = '''"""The step of this room: how long statements are."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.options import Options, option
from ocr_pipeline.steps import Job, Read, Step
from ocr_pipeline.tables import CLEAN_PROBLEMS, LENGTHS


class LengthOptions(Options):
    """Which statements count."""

    shortest: int = option(0, "Shortest statement that counts", unit="characters", ge=0)


def _measure(job: Job) -> StageCounts:
    rows_in = kept = 0
    for batch in job.read(CLEAN_PROBLEMS).batches(["problem_id", "statement"]):
        lengths = pc.cast(pc.utf8_length(batch["statement"]), pa.int64())
        rows = pa.table({"problem_id": batch["problem_id"], "characters": lengths})
        counted = rows.filter(pc.greater_equal(rows["characters"], job.options(LengthOptions).shortest))
        job.writer(LENGTHS).write(counted)
        rows_in, kept = rows_in + rows.num_rows, kept + counted.num_rows
    return StageCounts(rows_in, kept, {"too_short": rows_in - kept} if rows_in > kept else {})


MEASURE: Final = Step(
    name="lengths",
    group="9_report",
    version="1",
    reads=(Read(CLEAN_PROBLEMS, ("problem_id", "statement")),),
    writes=(LENGTHS,),
    options=(LengthOptions,),
    run=_measure,
)
'''


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project in which a data set and a step were added as CONTRIBUTING says."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in CODE:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    added = {
        "ocr_pipeline/sources/riddles.py": READER,
        "ocr_pipeline/lengths/__init__.py": '"""Lengths of statements."""\n',
        "ocr_pipeline/lengths/steps.py": STEP,
    }
    for path, text in added.items():
        (tree / path).parent.mkdir(exist_ok=True)
        (tree / path).write_text(text)
    changed = {
        "ocr_pipeline/sources/catalogue.py": [('Source(\n        name="own",', DATA_SET)],
        "ocr_pipeline/tables.py": [("TABLES: Final[dict", TABLE), ("        FUNNEL,\n", "        LENGTHS,\n        FUNNEL,\n")],
        "ocr_pipeline/flow.py": [
            ("FLOW: Final = (\n", "from ocr_pipeline.lengths.steps import MEASURE\n\nFLOW: Final = (\n    MEASURE,\n"),
            ("COMMANDS: Final = (\n", 'COMMANDS: Final = (\n    Command("lengths", "Measure statements.", (MEASURE,), MEASURE.reads[0].table),\n'),
        ],
        "ocr_pipeline/cli.py": [('    "ingest",\n', '    "lengths",\n    "ingest",\n')],
    }  # fmt: skip
    for path, edits in changed.items():
        text = (tree / path).read_text()
        for old, new in edits:
            assert text.count(old) == 1, (path, old)
            text = text.replace(old, new)
        (tree / path).write_text(text)
    return tree


def run(tree: Path, *arguments: object) -> str:
    """Run Python in the copy; return what it prints."""
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def problems_in(folder: Path) -> Path:
    """Write two problems."""
    path = folder / "problems.jsonl"
    path.write_text('{"problem_id": "a", "statement": "Add."}\n{"problem_id": "b", "statement": "Add them."}\n')
    return path


def test_a_new_data_set_is_ingested(tree: Path, tmp_path: Path) -> None:
    """By its name on the command line; good rows are problems with their test, bad ones have a reason."""
    raw = tmp_path / "riddles.jsonl"
    rows = [
        {"number": 1, "question": "Add the two numbers.", "asked": "1 2", "answered": "3"},
        {"number": 2, "question": "", "asked": "1", "answered": "1"},
    ]
    raw.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = run(tree, "-c", MAIN, "ingest", "riddles", raw, "--out", tmp_path / "out", "--json")
    counts = json.loads(out)
    assert (counts["kept"], sum(counts["dropped"].values())) == (1, 1)


def test_a_new_step_is_a_command(tree: Path, tmp_path: Path) -> None:
    """With its option, bounds and meaning in the help, and its table as a file."""
    assert "Shortest statement that counts (characters; at least 0)." in " ".join(
        run(tree, "-c", MAIN, "lengths", "--help").replace("│", " ").split()
    )
    out = run(tree, "-c", MAIN, "lengths", problems_in(tmp_path), "--shortest", 5, "--out", tmp_path / "out", "--json")
    assert json.loads(out)["dropped"] == {"too_short": 1}
    assert (tmp_path / "out" / "lengths.parquet").exists()


SHOWN = """
import json, sys
from pathlib import Path
import dagster as dg
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.store import Store, open_files
from ocr_pipeline.tables import CLEAN_PROBLEMS
from resources import StoreResource

root = Path(sys.argv[1])
defs = build_defs(store=StoreResource(root=str(root)))
graph = defs.resolve_asset_graph()
node = graph.get(dg.AssetKey("lengths"))
field = node.assets_def.op.config_schema.config_type.fields["shortest"]
with Store(root).writer(CLEAN_PROBLEMS, config={}, code_version="1") as writer:
    for batch in open_files([Path(sys.argv[2])], CLEAN_PROBLEMS, required=("problem_id", "statement")):
        writer.write(batch)
    writer.counts = StageCounts(2, 2)

def materialize(shortest):
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.resolve_implicit_job_def_def_for_assets([dg.AssetKey("lengths")])
        done = job.execute_in_process(
            instance=instance, run_config={"ops": {"lengths": {"config": {"shortest": shortest}}}},
            asset_selection=[dg.AssetKey("lengths")],
        )
        made = instance.fetch_materializations(dg.AssetKey("lengths"), limit=1).records[0].asset_materialization
        checks = [event.event_specific_data.passed for event in done.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION"]
        return {"unchanged": made.metadata["unchanged"].value, "rows": made.metadata["dagster/row_count"].value, "checks": checks}

print(json.dumps({
    "deps": [key.to_user_string() for key in node.parent_keys],
    "description": node.description,
    "columns": [column.name for column in node.metadata["dagster/column_schema"].columns],
    "field": [field.description, field.default_value],
    "runs": [materialize(0), materialize(0), materialize(5)],
}))
"""


def test_a_new_step_is_an_asset(tree: Path, tmp_path: Path) -> None:
    """Lineage, description, columns, launchpad, checks and fingerprint come from the declaration."""
    script = tmp_path / "shown.py"
    script.write_text(SHOWN)
    seen: dict[str, Any] = json.loads(run(tree, script, tmp_path / "data", problems_in(tmp_path)).splitlines()[-1])
    assert seen["deps"] == ["clean_problems"]
    assert seen["description"] == "How long each statement is."
    assert seen["columns"] == ["problem_id", "characters"]
    assert seen["field"] == ["Shortest statement that counts (characters; at least 0).", 0]
    assert [(run["unchanged"], run["rows"]) for run in seen["runs"]] == [(False, 2), (True, 2), (False, 1)]
    assert all(run["checks"] == [True, True, True] for run in seen["runs"])
