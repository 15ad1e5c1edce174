"""Selections over one judged table: every sample is kept or dropped by a named reason."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.samples import SelectionConfig, select
from ocr_pipeline.samples.selection import _draw
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, SAMPLES
from tests.samples.rows import ALL_SHAPES, responses, rows, separated

STATEMENT = "Add all numbers."


@dataclass
class World:
    """One judged partition in memory."""

    samples: pa.RecordBatch
    responses: pa.RecordBatch
    problems: pa.RecordBatch
    executions: pa.RecordBatch | None = None
    written: list[dict[str, Any]] = field(default_factory=list)

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Take rows of the data set."""
        self.written += batch.to_pylist()

    def select(self, redistributable: frozenset[str] = frozenset({"taco"}), **config: Any) -> StageCounts:
        """Select into ``written``."""
        self.written.clear()
        executions = self.executions
        return select(
            lambda: [self.samples],
            lambda: [self.responses.slice(0, 3), self.responses.slice(3)],
            lambda: [self.problems],
            (lambda: [executions]) if executions is not None else None,
            config=SelectionConfig(**config),
            redistributable=redistributable,
            writer=self,
        )

    def ids(self, **config: Any) -> list[str]:
        """Return the ids of the selected samples."""
        self.select(**config)
        return [row["sample_id"] for row in self.written]


def problem(**values: Any) -> dict[str, Any]:
    """Return one clean problem."""
    plain = {
        "problem_id": "p/train/1",
        "dataset": "taco",
        "split": "train",
        "native_id": "17",
        "site": "codeforces",
        "statement": STATEMENT,
        "difficulty": "EASY",
        "datasets": ["apps", "taco"],
        "licenses": ["Apache-2.0", "MIT"],
    }
    return plain | values


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Separate every shape of response; four samples are well-formed: 0, 1 (its duplicate), 5 (with code), 11."""
    batch = responses(ALL_SHAPES, model=["r1"] * len(ALL_SHAPES))
    _, samples = separated(tmp_path / "samples.parquet", [batch])
    return World(pa.RecordBatch.from_pylist(samples, schema=SAMPLES.schema), batch, rows(CLEAN_PROBLEMS, [problem()]))


def judged(world: World, *outcomes: tuple[str, str, float | None]) -> World:
    """Add executions: sample, verdict, pass rate."""
    values = [{"sample_id": name, "verdict": verdict, "pass_rate": rate} for name, verdict, rate in outcomes]
    return dataclasses.replace(world, executions=rows(EXECUTIONS, values))


def test_default_is_the_papers(world: World) -> None:
    """No execution filter; code in the reasoning is dropped; duplicates stay; every drop is named."""
    counts = world.select()
    assert [row["sample_id"] for row in world.written] == ["r000", "r001", "r011"]
    assert (counts.rows_in, counts.kept, counts.dropped["reasoning_has_code"]) == (len(ALL_SHAPES), 3, 1)
    assert counts.dropped["unclosed_think"] == 2


def test_columns_mean_what_the_released_ones_mean(world: World) -> None:
    """The row carries the problem's provenance, the whole answer and the code."""
    world.select()
    row = world.written[0]
    assert row == {
        "id": hashlib.sha256(STATEMENT.encode()).hexdigest()[:32],
        "input": STATEMENT,
        "output": ALL_SHAPES[0],
        "source": "codeforces",
        "license": "Apache-2.0, MIT",
        "dataset": "apps, taco",
        "split": "train",
        "difficulty": "EASY",
        "solution": "print(sum(map(int, input().split())))",
        "index": "17",
        "language": "python",
        "problem_id": "p/train/1",
        "sample_id": "r000",
        "pass_rate": None,
        "model": "r1",
        "reasoning_tokens": None,
    }
    assert {row["id"] for row in world.written} == {row["id"]}


def test_output_always_has_the_opening_tag(world: World) -> None:
    """Where the template had written the tag the output gets it back."""
    world.select()
    assert world.written[1]["output"] == "<think>" + ALL_SHAPES[1]


def test_statements_that_may_not_be_copied(world: World) -> None:
    """They are replaced by a placeholder, unless the selection is for use inside the house."""
    world.select(redistributable=frozenset())
    assert {row["input"] for row in world.written} == {"-"}
    world.select(redistributable=frozenset(), text_policy="full")
    assert {row["input"] for row in world.written} == {STATEMENT}


def test_rating_stands_for_a_missing_difficulty(world: World) -> None:
    """The difficulty is the word of the source, else its rating, else empty."""
    for values, expected in (({"rating": 1900}, "1900"), ({}, "")):
        world.problems = rows(CLEAN_PROBLEMS, [problem(difficulty=None, **values)])
        world.select()
        assert world.written[0]["difficulty"] == expected


def test_switches(world: World) -> None:
    """Each switch changes the selection and nothing else."""
    assert world.ids(drop_reasoning_with_code=False) == ["r000", "r001", "r005", "r011"]
    assert world.ids(drop_duplicates=True) == ["r000", "r011"]
    assert len(world.ids(samples_per_problem_max=2)) == 2
    assert world.ids(samples_per_problem_max=2) == world.ids(samples_per_problem_max=2)


def test_a_duplicate_stays_when_its_original_does_not(world: World) -> None:
    """One sample per program is kept: when the first is dropped for another reason, the next stands for it."""
    passed = judged(world, ("r000", "wrong_answer", 0.5), ("r001", "accepted", 1.0))
    assert passed.ids(drop_duplicates=True, execution="passing") == ["r001"]


def test_loops(world: World) -> None:
    """Loops and repetition are dropped by name when the selection says so."""
    values = world.samples.to_pylist()
    values[0] |= {"loop_period": 8}
    values[1] |= {"repeated_share": 0.7}
    world.samples = pa.RecordBatch.from_pylist(values, schema=SAMPLES.schema)
    assert world.ids() == ["r001", "r011"]
    assert world.ids(drop_loops=False) == ["r000", "r001", "r011"]
    assert world.select(repeated_share_max=0.5).dropped["repetition"] == 1


def test_programs_that_do_not_compile(world: World) -> None:
    """What its compiler rejects is dropped by name unless the selection keeps it; what nobody asked about stays."""
    values = world.samples.to_pylist()
    values[0] |= {"compiles": False}
    values[1] |= {"compiles": None}
    world.samples = pa.RecordBatch.from_pylist(values, schema=SAMPLES.schema)
    assert world.select().dropped["does_not_compile"] == 1
    assert [row["sample_id"] for row in world.written] == ["r001", "r011"]
    assert world.ids(drop_not_compiling=False) == ["r000", "r001", "r011"]


def test_output_has_the_tags_of_the_data_set(tmp_path: Path) -> None:
    """Whatever tags the teacher wrote, readers find the usual ones."""
    text = "[THINK]Hm.[/THINK]\n```python\nprint(1)\n```\n"
    batch = responses([text], model=["r1"])
    _, samples = separated(tmp_path / "samples.parquet", [batch])
    world = World(pa.RecordBatch.from_pylist(samples, schema=SAMPLES.schema), batch, rows(CLEAN_PROBLEMS, [problem()]))
    world.select()
    assert world.written[0]["output"] == "<think>Hm.</think>\n```python\nprint(1)\n```\n"


class TestExecution:
    """The ablation sets of the paper and bands of the pass rate."""

    @pytest.fixture
    def tested(self, world: World) -> World:
        """Return a world with one sample that passed, one that failed, and one that was not run."""
        return judged(world, ("r000", "accepted", 1.0), ("r001", "wrong_answer", 0.25), ("r011", "not_run", None))

    def test_all(self, tested: World) -> None:
        """All samples stay, and carry what is known of them."""
        tested.select()
        assert [row["pass_rate"] for row in tested.written] == [1.0, 0.25, None]

    def test_passing(self, tested: World) -> None:
        """Passing keeps the accepted; not run is its own reason."""
        counts = tested.select(execution="passing")
        assert [row["sample_id"] for row in tested.written] == ["r000"]
        assert (counts.dropped["failed_tests"], counts.dropped["not_run"]) == (1, 1)

    def test_failing(self, tested: World) -> None:
        """Failing keeps the rejected, never the unknown."""
        counts = tested.select(execution="failing")
        assert [row["sample_id"] for row in tested.written] == ["r001"]
        assert (counts.dropped["passed_tests"], counts.dropped["not_run"]) == (1, 1)

    def test_failing_for_want_of_a_checker(self, world: World) -> None:
        """A lower bound is not a failure."""
        values = {"sample_id": "r000", "verdict": "wrong_answer", "pass_rate": 0.5, "needs_checker": True}
        world.executions = rows(EXECUTIONS, [values])
        assert world.select(execution="failing").dropped["needs_checker"] == 1

    @pytest.mark.parametrize(
        ("low", "high", "kept"), [(0.2, 0.9, ["r001"]), (0.25, None, ["r000", "r001"]), (None, 0.1, [])]
    )
    def test_band(self, tested: World, low: float | None, high: float | None, kept: list[str]) -> None:
        """Bands include their ends."""
        assert tested.ids(pass_rate_min=low, pass_rate_max=high) == kept

    def test_needs_executions(self, world: World) -> None:
        """A selection by tests without executions says what to do."""
        with pytest.raises(InputError, match="materialize executions, or give --executions"):
            world.select(execution="passing")


class TestTrust:
    """Selections by how good the tests are."""

    @pytest.fixture
    def graded(self, world: World) -> World:
        """Judge three samples, each by other tests; the fourth was not run."""
        strong = {"tests_tpr": 1.0, "tests_tnr": 0.95, "tests_band": "strong"}
        weak = {"tests_tpr": 0.5, "tests_tnr": 0.4, "tests_band": "weak"}
        values = [
            {"sample_id": "r000", "verdict": "accepted", "pass_rate": 1.0} | strong,
            {"sample_id": "r001", "verdict": "wrong_answer", "pass_rate": 0.5} | weak,
            {"sample_id": "r005", "verdict": "accepted", "pass_rate": 1.0} | weak,
        ]
        return dataclasses.replace(world, executions=rows(EXECUTIONS, values))

    def test_a_pass_is_trusted_where_wrong_programs_are_caught(self, graded: World) -> None:
        """Passing weak tests says little; failing them, and not being run, is not asked."""
        counts = graded.select(min_tnr=0.9, drop_reasoning_with_code=False)
        assert [row["sample_id"] for row in graded.written] == ["r000", "r001", "r011"]
        assert counts.dropped["tests_tnr_below"] == 1

    def test_a_failure_is_trusted_where_right_programs_pass(self, graded: World) -> None:
        """Tests that refuse right programs may have refused this one."""
        assert graded.select(execution="failing", min_tpr=0.9).dropped["tests_tpr_below"] == 1
        assert graded.ids(execution="failing", min_tpr=0.5) == ["r001"]

    def test_what_nobody_measured_is_not_trusted(self, world: World) -> None:
        """Silence is not evidence, and has a reason of its own; executions of old have no such columns."""
        tested = judged(world, ("r000", "accepted", 1.0))
        assert tested.select(min_tnr=0.0).dropped["tests_unmeasured"] == 1
        assert tested.executions is not None
        columns = [name for name in tested.executions.schema.names if not name.startswith("tests_t")]
        tested.executions = tested.executions.select([name for name in columns if name != "tests_band"])
        assert tested.select(min_tnr=0.0).dropped["tests_unmeasured"] == 1

    def test_bands_are_soft(self, graded: World) -> None:
        """A share of what passes weak tests stays; which samples, their ids say."""
        options = {"drop_reasoning_with_code": False, "execution": "passing"}
        assert graded.ids(trust_shares=("weak=1",), **options) == ["r000", "r005"]
        assert graded.ids(trust_shares=("weak=0", "strong=1"), **options) == ["r000"]
        assert graded.select(trust_shares=("weak=0",), **options).dropped["trust_share"] == 1

    def test_a_share_is_of_many(self) -> None:
        """Of a thousand ids about a quarter is drawn, always the same."""
        drawn = [name for name in map("s{:04}".format, range(1_000)) if _draw(name) < 0.25]
        assert 200 < len(drawn) < 300

    def test_the_ablation_is_told_by_band(self, graded: World) -> None:
        """How much of what failed was judged by weak tests can be read from the account."""
        notes = graded.select(drop_reasoning_with_code=False).notes
        assert notes == {
            "kept passing, tests strong": 1,
            "kept passing, tests weak": 1,
            "kept failing, tests weak": 1,
            "kept not run, tests unmeasured": 1,
        }

    @pytest.mark.parametrize(
        ("config", "option"),
        [
            ({"min_tnr": 0.0}, "min_tnr=0.0"),
            ({"min_tpr": 0.5}, "min_tpr=0.5"),
            ({"trust_shares": ("weak=0",)}, "trust_shares=weak=0"),
        ],
    )
    def test_needs_executions(self, world: World, config: dict[str, Any], option: str) -> None:
        """Trust is a matter of verdicts; the message names the option that asks for it."""
        with pytest.raises(InputError, match=f"^selection: {option} needs .* give --executions$"):
            world.select(**config)

    def test_an_unknown_band_is_refused(self, graded: World) -> None:
        """Executions of somebody else may have other bands: their rows cannot be judged."""
        graded.executions = rows(EXECUTIONS, [{"sample_id": "r000", "verdict": "accepted", "tests_band": "solid"}])
        with pytest.raises(InputError, match="tests_band must be strong, fair, weak, unmeasured or null, got `solid`"):
            graded.select()


def test_problems_that_are_not_clean(world: World) -> None:
    """Samples of a problem that is contaminated or a duplicate are dropped by name."""
    world.problems = rows(CLEAN_PROBLEMS, [problem(problem_id="other")])
    assert world.select().dropped["problem_not_clean"] == 4
    assert world.written == []


def test_tables_of_two_builds(world: World) -> None:
    """Samples that are not of these responses are refused, not joined wrongly."""
    world.responses = world.responses.take(pa.array([1, 0, *range(2, len(ALL_SHAPES))]))
    with pytest.raises(InputError, match="not of one build"):
        world.select()


@pytest.mark.parametrize(
    "config",
    [
        {"execution": "some"},
        {"text_policy": "none"},
        {"pass_rate_min": 0.9, "pass_rate_max": 0.1},
        {"pass_rate_max": 2.0},
        {"min_tnr": 1.5},
        {"trust_shares": ("solid=1",)},
        {"trust_shares": ("weak=2",)},
        {"trust_shares": ("weak",)},
        {"trust_shares": ("weak=0.5", "weak=0.5")},
        {"pass_rate_min": float("nan")},
        {"repeated_share_max": float("nan")},
        {"repeated_share_max": 1.5},
        {"samples_per_problem_max": 0},
    ],
)
def test_wrong_configuration(config: dict[str, Any]) -> None:
    """Unknown words and impossible bands are refused with the value."""
    with pytest.raises(InputError, match=f"{next(iter(config))} must be "):
        SelectionConfig(**config)


class TestCommand:
    """The command ``ocr-pipeline select``."""

    def run(self, world: World, folder: Path, *arguments: str) -> tuple[int, str, list[str]]:
        """Write the world as files, run the command, and return exit code, output and the selected samples."""
        tables = {"samples": world.samples, "responses": world.responses, "problems": world.problems}
        if world.executions is not None:
            tables["executions"] = world.executions
        for name, batch in tables.items():
            pq.write_table(pa.table(batch), folder / f"{name}.parquet")
        paths = [f"--{name}={folder / name}.parquet" for name in tables if name != "samples"]
        app = build_app(["select"])
        out = folder / "out"
        result = CliRunner().invoke(
            app, ["select", f"{folder / 'samples'}.parquet", *paths, f"--out={out}", "--json", *arguments]
        )
        if isinstance(result.exception, InputError):
            return 1, str(result.exception), []
        written = pq.read_table(out / "sft_dataset.parquet") if result.exit_code == 0 else None
        return result.exit_code, result.stdout, written["sample_id"].to_pylist() if written else []

    @pytest.mark.parametrize(
        ("arguments", "kept"),
        [
            ([], ["r000", "r001", "r011"]),
            (["--execution", "passing"], ["r000"]),
            (["--execution", "failing"], ["r001"]),
            (["--pass-rate-min", "0.2", "--pass-rate-max", "0.9"], ["r001"]),
            (["--no-drop-reasoning-with-code"], ["r000", "r001", "r005", "r011"]),
            (["--drop-duplicates"], ["r000", "r011"]),
        ],
    )
    def test_selects(self, world: World, tmp_path: Path, arguments: list[str], kept: list[str]) -> None:
        """Every selection of the configuration is an option; the account balances."""
        tested = judged(world, ("r000", "accepted", 1.0), ("r001", "wrong_answer", 0.25), ("r011", "not_run", None))
        code, output, found = self.run(tested, tmp_path, *arguments)
        counts = json.loads(output)
        assert (code, found) == (0, kept)
        assert counts["rows_in"] == len(ALL_SHAPES) == counts["kept"] + sum(counts["dropped"].values())

    def test_statements_are_copied_only_where_named(self, world: World, tmp_path: Path) -> None:
        """By default a statement is a placeholder; a data set that may be handed on is named."""
        for arguments, text in (((), "-"), (("--redistributable", "taco"), STATEMENT)):
            self.run(world, tmp_path, *arguments)
            rows_written = pq.read_table(tmp_path / "out" / "sft_dataset.parquet").to_pylist()
            assert {row["input"] for row in rows_written} == {text}

    def test_plain_problems(self, world: World, tmp_path: Path) -> None:
        """Problems that never were deduplicated name their own data set and licence."""
        narrow = {"problem_id": ["p/train/1"], "statement": [STATEMENT], "dataset": ["apps"], "license": ["MIT"]}
        world.problems = pa.RecordBatch.from_pydict(narrow)
        self.run(world, tmp_path)
        row = pq.read_table(tmp_path / "out" / "sft_dataset.parquet").to_pylist()[0]
        assert (row["dataset"], row["license"]) == ("apps", "MIT")

    def test_without_executions(self, world: World, tmp_path: Path) -> None:
        """A selection by tests without executions is one line, and no file appears."""
        code, message, _ = self.run(world, tmp_path, "--execution", "passing")
        assert (code, "--executions" in message) == (1, True)
        assert not list((tmp_path / "out").glob("*.parquet"))


@pytest.fixture
def taught(world: World) -> World:
    """Four well-formed samples, two of each teacher."""
    names = ["r1", "qwq"] * len(ALL_SHAPES)
    models = pa.array(names[: world.responses.num_rows], world.responses.schema.field("model").type)
    place = world.responses.schema.get_field_index("model")
    world.responses = world.responses.set_column(place, world.responses.schema.field("model"), models)
    return world


def test_a_mix_has_exact_parts(taught: World) -> None:
    """As many as the scarcest teacher allows, or as many as are wanted; who is not named is left out."""
    all_kept = {"drop_reasoning_with_code": False}
    taught.select(**all_kept)
    there = Counter(row["model"] for row in taught.written)
    scarcest = min(there.values())
    counts = taught.select(**all_kept, mix=("r1=1", "qwq=1"))
    assert Counter(row["model"] for row in taught.written) == {"r1": scarcest, "qwq": scarcest}
    assert counts.dropped.get("not_in_mix", 0) == there.total() - 2 * scarcest
    taught.select(**all_kept, mix=("r1=1", "qwq=1"), mix_rows=2)
    assert Counter(row["model"] for row in taught.written) == {"r1": 1, "qwq": 1}
    taught.select(**all_kept, mix=("r1=1",))
    assert Counter(row["model"] for row in taught.written) == {"r1": there["r1"]}


def test_a_mix_is_drawn_by_its_seed(taught: World) -> None:
    """The same seed draws the same rows; some other seed draws others."""
    drawn = [
        tuple(taught.ids(drop_reasoning_with_code=False, mix=("r1=1", "qwq=1"), mix_rows=2, mix_seed=seed))
        for seed in (0, 0, 1, 2, 3, 4, 5, 6)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mix": ("r1=1", "nobody=1")}, "no row has"),
        ({"mix": ("r1=1",), "mix_rows": 99}, "99 rows of model=r1 are wanted"),
        ({"mix": ("r1",)}, "mix must be"),
        ({"mix": ("r1=-1",)}, "a weight must be a number of at least 0"),
        ({"mix_rows": 3}, "mix_rows is 3, but there is no mix"),
    ],
)
def test_a_mix_that_cannot_be_is_one_clear_line(taught: World, changes: dict[str, Any], message: str) -> None:
    """A teacher that has no samples, or too few; a weight that is none."""
    with pytest.raises((InputError, OptionError), match=message):
        taught.select(**changes)
