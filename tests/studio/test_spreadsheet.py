"""The queue goes out as CSV and comes back; every line that cannot be used is named, and nothing else is lost."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import ReviewDecision, read_reviews
from ocr_pipeline.store import Store
from ocr_pipeline.studio import standing, stored_reviews
from ocr_pipeline.studio.spreadsheet import Imported, export_reviews, import_reviews
from tests.studio import root as studio_root

NOW = datetime(2026, 11, 21, 12, 0, 0, 123_456, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a data root with five uncertain pairs."""
    return studio_root.build_root(tmp_path / "root")


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file as a spreadsheet would."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[dict[str, str]], delimiter: str = ",") -> Path:
    """Write a CSV file with the columns of the first row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def decide(store: Store, tmp_path: Path, rows: list[dict[str, str]], minute: int = 0) -> Imported:
    """Import rows, some minutes after noon."""
    path = write_rows(tmp_path / "reviews.csv", rows)
    return import_reviews(store, path, reviewer="ann", now=NOW + timedelta(minutes=minute))


def test_export_lists_every_pair_with_room_for_a_decision(store: Store, tmp_path: Path) -> None:
    """One line per pair, in the order of the queue, with evidence and the start of both texts."""
    counts = export_reviews(store, tmp_path / "out.csv", benchmarks=tmp_path)
    rows = read_rows(tmp_path / "out.csv")
    assert (counts.kept, counts.notes) == (5, {"decided": 0, "open": 5})
    assert {row["decision"] for row in rows} == {""}
    assert rows[0]["right_id"] == "taco/train/1"
    assert rows[0]["left_statement"].startswith("Add two numbers.")


def test_no_cell_is_a_formula(store: Store, tmp_path: Path) -> None:
    """A statement that begins like a formula is quoted, so that no spreadsheet runs it."""
    export_reviews(store, tmp_path / "out.csv", benchmarks=tmp_path)
    cells = [cell for row in read_rows(tmp_path / "out.csv") for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert any(cell.startswith("'=SUM") for cell in cells)


def test_round_trip_changes_nothing(store: Store, tmp_path: Path) -> None:
    """What was exported and comes back unedited adds no row."""
    decide(store, tmp_path, [{"pair_key": studio_root.key_of(1), "decision": "distinct"}])
    export_reviews(store, tmp_path / "out.csv", benchmarks=tmp_path)
    before = stored_reviews(store)
    imported = import_reviews(store, tmp_path / "out.csv", reviewer=None, now=NOW)
    assert stored_reviews(store).equals(before)
    assert imported.counts.dropped == {"already_stored": 1, "undecided": 4}
    assert imported.problems == ()


def test_filled_in_export_is_stored(store: Store, tmp_path: Path) -> None:
    """Decisions that a person typed into the sheet stand in the table, with ids and note."""
    export_reviews(store, tmp_path / "out.csv", benchmarks=tmp_path)
    rows = read_rows(tmp_path / "out.csv")
    rows[1] |= {"decision": "Duplicate ", "reviewer": "bob", "note": "same story"}
    write_rows(tmp_path / "out.csv", rows, delimiter=";")
    import_reviews(store, tmp_path / "out.csv", reviewer=None, now=NOW)
    (stored,) = stored_reviews(store).to_pylist()
    assert stored["pair_key"] == rows[1]["pair_key"]
    assert (stored["decision"], stored["reviewer"], stored["note"]) == ("duplicate", "bob", "same story")
    assert (stored["left_id"], stored["right_id"]) == (rows[1]["left_id"], rows[1]["right_id"])


def test_edited_decision_replaces_the_old_one(store: Store, tmp_path: Path) -> None:
    """A decision changed in the sheet counts from the import on, though its time cell is the old one."""
    decide(store, tmp_path, [{"pair_key": studio_root.key_of(1), "decision": "distinct"}])
    export_reviews(store, tmp_path / "out.csv", benchmarks=tmp_path)
    rows = [row | {"decision": "duplicate"} for row in read_rows(tmp_path / "out.csv") if row["decision"]]
    decide(store, tmp_path, rows, minute=5)
    assert standing(store).decision(studio_root.key_of(1)) == ReviewDecision.DUPLICATE
    times = stored_reviews(store)["reviewed_at"].to_pylist()
    assert len(set(times)) == 2


@pytest.mark.parametrize(
    ("line", "reason", "message"),
    [
        ({"pair_key": "abc", "decision": "distinct"}, "bad_pair_key", "row 2: `abc` is not a pair key"),
        ({"decision": "maybe"}, "bad_decision", "row 2: decision `maybe` is none of duplicate, distinct, withdrawn"),
        ({"decision": "distinct", "reviewed_at": "monday"}, "bad_time", "row 2: reviewed_at `monday` is not an ISO"),
    ],
)
def test_bad_line_is_named_and_the_rest_is_stored(
    store: Store, tmp_path: Path, line: dict[str, str], reason: str, message: str
) -> None:
    """One bad line costs only itself."""
    blank = {"pair_key": studio_root.key_of(1), "reviewed_at": ""}
    good = {"pair_key": studio_root.key_of(2), "decision": "distinct", "reviewed_at": ""}
    imported = decide(store, tmp_path, [blank | line, good])
    assert imported.counts.dropped == {reason: 1}
    assert imported.problems[0].startswith(message)
    assert set(standing(store).votes) == {studio_root.key_of(2)}


def test_unknown_pair_is_stored_and_named(store: Store, tmp_path: Path) -> None:
    """A decision on a pair that this root does not have (yet) is kept for the day it does."""
    imported = decide(store, tmp_path, [{"pair_key": "0" * 64, "decision": "distinct"}])
    assert imported.problems == ("row 2: no such pair in this data root; stored, it counts once it appears",)
    assert imported.counts.notes == {"pairs_not_in_this_root": 1}
    assert set(standing(store).votes) == {"0" * 64}


def test_conflicting_lines_are_named(store: Store, tmp_path: Path) -> None:
    """The first of two contradicting lines of one reviewer is stored, the second is reported."""
    key = studio_root.key_of(1)
    imported = decide(store, tmp_path, [{"pair_key": key, "decision": word} for word in ("distinct", "duplicate")])
    assert imported.counts.dropped == {"conflict": 1}
    assert imported.problems == ("row 3: `ann` says duplicate here and distinct in row 2; keep one of them",)


def test_line_without_a_reviewer_is_not_guessed(store: Store, tmp_path: Path) -> None:
    """Nobody's decision is nobody's."""
    path = write_rows(tmp_path / "r.csv", [{"pair_key": studio_root.key_of(1), "decision": "distinct"}])
    imported = import_reviews(store, path, reviewer=None, now=NOW)
    assert imported.counts.dropped == {"no_reviewer": 1}


@pytest.mark.parametrize("content", [b"", b"pair_key,choice\n1,2\n", b"\xff\xfe\x00broken"])
def test_file_that_is_no_list_of_reviews_is_one_clear_line(store: Store, tmp_path: Path, content: bytes) -> None:
    """Empty, without the columns, or not text: says what to do."""
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"no column|cannot be read as CSV"):
        import_reviews(store, tmp_path / "bad.csv", reviewer="ann", now=NOW)


def test_folder_that_is_a_file_is_one_clear_line(store: Store, tmp_path: Path) -> None:
    """An export that cannot be written says why."""
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match="cannot be written"):
        export_reviews(store, tmp_path / "taken" / "out.csv", benchmarks=tmp_path)


def test_exported_file_is_what_dedup_reads(store: Store, tmp_path: Path) -> None:
    """``dedup --reviews FILE`` reads the same file; undecided lines are no votes."""
    decide(store, tmp_path, [{"pair_key": studio_root.key_of(1), "decision": "distinct"}])
    export_reviews(store, tmp_path / "out.csv", benchmarks=tmp_path)
    assert read_reviews(tmp_path / "out.csv").votes == standing(store).votes


def test_commands_export_and_import(store: Store, tmp_path: Path) -> None:
    """The command line does both and names bad lines on standard error."""
    app = build_app(["reviews", "funnel"])
    path = tmp_path / "out.csv"
    assert CliRunner().invoke(app, ["reviews", "export", str(path), "--data", store.root]).exit_code == 0
    rows = read_rows(path)
    rows[0]["decision"], rows[1]["decision"] = "distinct", "perhaps"
    write_rows(path, rows)
    result = CliRunner().invoke(app, ["reviews", "import", str(path), "--reviewer", "eva", "--data", store.root])
    assert result.exit_code == 0
    assert "row 3: decision `perhaps`" in result.stderr
    assert standing(store).votes == {rows[0]["pair_key"]: {"eva": ReviewDecision.DISTINCT}}
