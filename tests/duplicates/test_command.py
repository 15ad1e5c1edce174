"""``dedup`` and ``decontaminate``: files in, files out, one clear line when something is wrong."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.duplicates import DuplicateConfig
from ocr_pipeline.duplicates.steps import _nearest
from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import pair_key, services
from ocr_pipeline.tables import DUPLICATE_PAIRS
from ocr_pipeline.teacher.ledger import Ledger
from ocr_pipeline.teacher.servers import Replay
from tests.similarity.stub import WordEncoder, opinion

STORY = "a miller sells flour to every village along the old river"


@pytest.fixture(autouse=True)
def small_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare words instead of loading a model."""
    monkeypatch.setattr(services, "load_encoder", lambda *_, **__: WordEncoder())


def put(path: Path, *rows: tuple[str, str]) -> Path:
    """Write problems of two columns only."""
    ids, statements = zip(*rows, strict=True)
    pq.write_table(pa.table({"problem_id": ids, "statement": statements}), path)
    return path


def test_dedup_writes_pairs_and_unique_problems(tmp_path: Path) -> None:
    """Two columns are enough; the counts balance and the notes say who decided."""
    source = put(tmp_path / "p.parquet", ("a", STORY), ("b", STORY), ("c", "bees"), ("d", ""))
    result = CliRunner().invoke(
        build_app(["dedup", "decontaminate"]), ["dedup", str(source), "--out", str(tmp_path / "out"), "--json"]
    )
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout)
    assert (counts["rows_in"], counts["kept"], counts["dropped"]) == (4, 3, {"exact": 1})
    assert counts["notes"] == {"pairs_duplicate_by_exact": 1, "silent_statements": 1}
    unique = pq.read_table(tmp_path / "out" / "unique_problems.parquet")
    assert unique.column("member_ids").to_pylist() == [["a", "b"], ["c"], ["d"]]


def test_a_failing_dedup_leaves_no_files(tmp_path: Path) -> None:
    """Repeated ids are named, and nothing half-written stays."""
    source = put(tmp_path / "p.parquet", ("a", STORY), ("a", "bees"))
    result = CliRunner().invoke(
        build_app(["dedup", "decontaminate"]), ["dedup", str(source), "--out", str(tmp_path / "out")]
    )
    assert isinstance(result.exception, InputError)
    assert "`a`" in str(result.exception)
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_decontaminate_takes_plain_problems(tmp_path: Path) -> None:
    """Problems that never went through dedup become their own members; a benchmark is named on the command line."""
    source = put(tmp_path / "p.parquet", ("a", STORY), ("c", "bees"))
    against = put(tmp_path / "b.parquet", ("x", STORY))
    arguments = ["decontaminate", str(source), "--against", f"own={against}", "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(build_app(["dedup", "decontaminate"]), arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["dropped"] == {"in:own": 1}
    clean = pq.read_table(tmp_path / "out" / "clean_problems.parquet")
    assert clean.column("member_ids").to_pylist() == [["c"]]


def decided(table: Path, *ids: str) -> dict[tuple[str, ...], tuple[str, str | None]]:
    """Return decision and decider of each row of a table, by the values of the id columns."""
    rows = pq.read_table(table).to_pylist()
    return {tuple(row[name] for name in ids): (row["decision"], row["decided_by"]) for row in rows}


def test_a_model_is_asked_through_the_client_and_paid_once(tmp_path: Path) -> None:
    """Both orders agree: the model decides; one answer malformed or the other way round: the pair stays undecided."""
    other, third = "seven bees fly over nine lakes to find some honey", "one king gives each guest two cups of red wine"
    texts = {"a": STORY, "b": f"{STORY} quickly", "c": other, "d": f"{other} soon", "e": third, "f": f"{third} now"}
    answers = {"a": "DIFFERENT", "b": "They differ.\n**Different**", "c": "maybe", "d": "SAME"}
    recordings = [opinion(texts[name], answer) for name, answer in (answers | {"e": "SAME", "f": "DIFFERENT"}).items()]
    (tmp_path / "opinions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in recordings), encoding="utf-8")
    source = put(tmp_path / "p.parquet", *texts.items())
    benchmark = put(tmp_path / "own.parquet", ("z", texts["b"]))
    app = build_app(["dedup", "decontaminate"])
    with Replay(tmp_path / "opinions.jsonl", strict=True) as server:
        asked = [
            "--opinion-url",
            server.urls[0],
            "--opinion-model",
            server.model,
            "--out",
            str(tmp_path / "out"),
            "--json",
        ]
        for _ in range(2):
            result = CliRunner().invoke(app, ["dedup", str(source), *asked])
            assert result.exit_code == 0, result.output
        single = put(tmp_path / "single.parquet", ("a", texts["a"]))
        result = CliRunner().invoke(app, ["decontaminate", str(single), "--against", f"own={benchmark}", *asked])
        assert result.exit_code == 0, result.output
    assert decided(tmp_path / "out" / "duplicate_pairs.parquet", "left_id", "right_id") == {
        ("a", "b"): ("distinct", "opinion"),
        ("c", "d"): ("undecided", None),
        ("e", "f"): ("undecided", None),
    }
    assert decided(tmp_path / "out" / "contamination.parquet", "problem_id") == {("a",): ("clean", "opinion")}
    with Ledger(tmp_path / "out" / "ledger" / "pairs.sqlite") as ledger:
        assert ledger.summary().answers == 6  # six orders of three pairs; the second run and the benchmark paid nothing


def test_a_model_needs_an_address_and_a_name(tmp_path: Path) -> None:
    """One without the other is one line, and nothing is written."""
    source = put(tmp_path / "p.parquet", ("a", STORY))
    arguments = ["dedup", str(source), "--opinion-url", "http://127.0.0.1:1/v1", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(build_app(["dedup"]), arguments)
    assert isinstance(result.exception, InputError)
    assert "opinion_model" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_the_curve_is_a_table_too(tmp_path: Path) -> None:
    """A row per threshold, with precision, recall and the share that is queued of the labelled pairs that are given."""
    source = put(tmp_path / "p.parquet", ("a", STORY), ("b", f"{STORY} quickly"), ("c", "bees"))
    known = pa.table({"text_a": [STORY, STORY], "text_b": [f"{STORY} quickly", "bees"], "label": [1, 0]})
    pq.write_table(known, tmp_path / "known.parquet")
    arguments = [
        "dedup",
        str(source),
        "--labelled",
        str(tmp_path / "known.parquet"),
        "--out",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(build_app(["dedup"]), arguments)
    assert result.exit_code == 0, result.output
    curve = pq.read_table(tmp_path / "out" / "threshold_curve.parquet").to_pylist()
    drawn = [(row["threshold"], row["kept"], row["undecided_pairs"], row["recall"], row["queued"]) for row in curve]
    assert drawn[::6] == [(0.6, 3, 1, 0.0, 1.0), (0.9, 3, 1, 0.0, 1.0)]


def test_reviews_that_settle_nothing_are_named(tmp_path: Path) -> None:
    """Who disagrees on what, which pairs are unknown, what is not a decision: a line each, and they decide nothing."""
    near = f"{STORY} quickly"
    source = put(tmp_path / "p.parquet", ("a", STORY), ("b", near))
    key = pair_key(STORY, near)
    rows = ["pair_key,decision,reviewer", f"{key},duplicate,ann", f"{key},distinct,bob", "ffff,distinct,ann", ",x,ann"]
    (tmp_path / "reviews.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    arguments = ["dedup", str(source), "--reviews", str(tmp_path / "reviews.csv"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(build_app(["dedup"]), arguments)
    assert result.exit_code == 0, result.output
    assert f"reviewers disagree on pair `{key}`: ann says duplicate, bob says distinct" in result.stderr
    assert "reviewed pair `ffff` is none of these problems' pairs" in result.stderr
    assert "1 reviews have no pair_key or a decision" in result.stderr
    pairs = decided(tmp_path / "out" / "duplicate_pairs.parquet", "left_id", "right_id")
    assert pairs == {("a", "b"): ("undecided", None)}


def refused(*arguments: object) -> str:
    """Return the one line with which a command ends."""
    result = CliRunner().invoke(build_app(["dedup", "decontaminate"]), list(map(str, arguments)))
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def test_labelled_pairs_that_cannot_be_read_are_refused_before_the_work(tmp_path: Path) -> None:
    """A typing error costs no comparison, and an option that is wrong is never ignored."""
    source = put(tmp_path / "p.parquet", ("a", STORY))
    said = refused("dedup", source, "--out", tmp_path / "out", "--labelled", tmp_path / "no.parquet")
    assert "labelled pairs" in said
    assert not (tmp_path / "out").exists()


def test_a_folder_of_benchmarks_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """Nothing is called clean because nothing was compared; an empty folder is said."""
    source = put(tmp_path / "p.parquet", ("a", STORY))
    command = ("decontaminate", source, "--out", tmp_path / "out", "--folder")
    assert f"the folder of benchmarks `{tmp_path / 'no'}` does not exist" in refused(*command, tmp_path / "no")
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(build_app(["decontaminate", "dedup"]), [*map(str, command), str(tmp_path / "empty")])
    assert result.exit_code == 0, result.output
    assert "there is no benchmark, so nothing is compared" in result.stderr


def test_two_benchmarks_of_one_name_are_refused(tmp_path: Path) -> None:
    """The later one would silently replace the other."""
    source = put(tmp_path / "p.parquet", ("a", STORY))
    for name in ("x", "y"):
        put(tmp_path / f"{name}.parquet", ("b", STORY))
    against = [word for name in ("x", "y") for word in ("--against", f"own={tmp_path / name}.parquet")]
    assert "benchmark `own` is" in refused("decontaminate", source, "--out", tmp_path / "out", *against)


def test_of_pairs_as_near_to_the_threshold_the_first_names_are_shown() -> None:
    """What is shown does not depend on the order in which pairs were found."""
    names = [f"p{number:02}" for number in range(20)]
    rows = [
        {"left_id": name, "right_id": "q", "cosine": 0.9, "lexical": 0.1, "decision": "kept"}
        for name in reversed(names)
    ]

    class Found:
        """A job of one table."""

        def read(self, _: object) -> "Found":
            """Return itself."""
            return self

        def batches(self, columns: list[str]) -> list[pa.RecordBatch]:
            """Yield some pairs at a time."""
            return pa.Table.from_pylist(rows, DUPLICATE_PAIRS.schema_of(columns)).to_batches(max_chunksize=7)

        def options(self, model: type[DuplicateConfig]) -> DuplicateConfig:
            """Return defaults."""
            return model()

    assert _nearest(Found())["left_id"].to_pylist() == names[:8]  # type: ignore[arg-type]
