"""The page of truth: how often every stage errs, measured in one go against answers that others gave.

    python benchmarks/truth.py [--fast] [--stage NAME]... [--page docs/truth.md]

Writes the page and, beside it, ``truth.json`` with the same rows, so that a run of some stages renews only theirs. Nothing is
measured here that a test or another benchmark measures already: their functions are called. ``--fast`` leaves out what takes more
than some minutes on two cores: rows of an earlier run stay with their day, and without one the page says so. Needs
``OCR_REAL_DATA``; what is dear (embeddings, verdicts) is kept in ``--kept``, for the next run.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]  # tests and other benchmarks measure most of this

import dedup_quality  # noqa: E402 - found by the line above
import test_quality  # noqa: E402

from ocr_pipeline.answers import FencePolicy, Separation, extract_code, separate_text  # noqa: E402
from ocr_pipeline.duplicates import Decision, LabelledPair, read_labelled  # noqa: E402
from ocr_pipeline.quality.problems import rates_of  # noqa: E402
from ocr_pipeline.quality.rates import Rate  # noqa: E402
from ocr_pipeline.samples.compilers import check_cpp  # noqa: E402
from ocr_pipeline.samples.syntax import Source, judge_syntax  # noqa: E402
from ocr_pipeline.similarity import Encoder, load_encoder  # noqa: E402
from ocr_pipeline.sources.examples import stdin_examples  # noqa: E402
from ocr_pipeline.student.pass_at_k import pass_at_k  # noqa: E402
from ocr_pipeline.tables import Language  # noqa: E402
from tests.judge import test_real_data as judge_tests  # noqa: E402
from tests.samples import test_real_data as sample_tests  # noqa: E402
from tests.student.test_pass_at_k import reference  # noqa: E402

PEOPLE_READ = Rate(60, 80)
"""Labels of reasoning sentences that a person found right: docs/log/studio.md, 2026-11-21; no program can repeat it."""
LARGEST_N = 40
TINY = 1e-12
PAGE = ROOT / "docs" / "truth.md"
NAMED = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """One number of the page."""

    what: str
    hits: int
    tries: int
    against: str
    named: tuple[str, ...] = ()
    """What differs, by name."""

    def line(self) -> str:
        """Write it as a row of the page."""
        names = ", ".join(f"`{name}`" for name in self.named[:NAMED])
        more = f" and {len(self.named) - NAMED} more" if len(self.named) > NAMED else ""
        told = f"; not so: {names}{more}" if self.named else ""
        rate = Rate(self.hits, self.tries)
        low, high = rate.interval
        between = "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
        share = "none" if rate.value is None else f"{100 * rate.value:.1f} %"
        return f"| {self.what} | {share} | {between} | {self.hits} of {self.tries} | {self.against}{told} |"


@dataclass
class Given:
    """What stages measure with."""

    data: Path
    kept: Path
    is_fast: bool

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of the flow."""
        return load_encoder(cache=self.kept / "embeddings")

    @cached_property
    def ingested(self) -> tuple[pa.Table, pa.Table]:
        """All real rows in normal form: problems and tests."""
        with tempfile.TemporaryDirectory() as folder:
            return dedup_quality.ingested(self.data, Path(folder))


Stage = Callable[[Given], Iterator[Measured]]


def main() -> None:
    """Measure, and write the page."""
    options = _options()
    data = Path(os.environ.get("OCR_REAL_DATA", ""))
    if not (data / "dedup").is_dir():
        print("skipped: set OCR_REAL_DATA to the folder of real rows")
        return
    notes = options.page.with_suffix(".json")
    known: dict[str, Any] = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        given = Given(data, options.kept or Path(folder), options.fast)
        for name in options.stage or STAGES:
            found = _measured(name, given)
            if not found["left_out"] or not known.get(name, {}).get("rows"):
                known[name] = found
            notes.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            options.page.write_text(page(known), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="leave out what takes more than some minutes")
    parser.add_argument("--stage", action="append", choices=list(STAGES), help="only this one, again for each")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--kept", type=Path, help="folder that keeps embeddings and verdicts for the next run")
    return parser.parse_args()


def _measured(name: str, given: Given) -> dict[str, Any]:
    print(f"{name} …", file=sys.stderr, flush=True)
    stage = STAGES[name]
    if given.is_fast and stage in SLOW:
        return {"day": "", "rows": [], "left_out": "left out by `--fast`"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # snippets that are wrong on purpose
        rows = [asdict(one) for one in stage(given)]
    return {"day": dt.datetime.now(tz=dt.UTC).date().isoformat(), "rows": rows, "left_out": ""}


def page(known: dict[str, Any]) -> str:
    """Return the page: a table per stage, in the order of the flow."""
    lines = [
        "# Truth",
        "",
        "How often every stage errs, measured against answers that others gave: published verdicts, compilers, reference",
        "implementations, people. The data is public (`OCR_REAL_DATA` names its folder); intervals are Wilson's, of 95 %, and",
        "take rows as independent. `make truth` writes this page; `make truth FAST=--fast` leaves out what takes long.",
        *_limits(known),
    ]
    for name in STAGES:
        found = known.get(name, {"rows": [], "day": "", "left_out": "not measured yet"})
        lines += ["", f"## {name.capitalize()}", ""]
        if found["left_out"]:
            lines.append(f"{found['left_out'].capitalize()}: `make truth STAGE='--stage \"{name}\"'` measures it.")
            continue
        rows = [Measured(**{**row, "named": tuple(row["named"])}) for row in found["rows"]]
        lines += ["| what | share | 95 % | | compared with |", "|---|---:|---|---|---|", *(row.line() for row in rows)]
        lines += ["", f"Measured on {found['day']}."]
    return "\n".join(lines) + "\n"


def _limits(known: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the numbers do not say."""
    missing = [name for name in STAGES if name not in known or known[name]["left_out"]]
    yield from (
        "",
        "## Limits",
        "",
        "- Rows are those that are public and were at hand: a few hundred of each kind, most of them of one contest, site or",
        "  model. A share of 100 % says what its interval says, and nothing about other kinds.",
        "- Some rows were looked at while the rules were written; only the log of a stage says which were not.",
        "- Of real pairs those that are not dropped were sampled by the rule that keeps them, so that the share of the same",
        "  problem that is dropped is that of the sample.",
        "- Completions, submissions and mutants of one problem are not independent, so intervals are somewhat too narrow.",
        "- Published verdicts are taken as true. Where one was read and found wrong, the row still counts against us.",
        "- Limits of time and memory are those of the machine that ran it; a slower one turns slow programs into wrong ones.",
        f"- Not measured: {', '.join([*missing, 'the quality of any model as a teacher'])}.",
    )


def _compared(what: str, pairs: Iterable[tuple[str, bool]], against: str) -> Measured:
    """Count names for which something is true."""
    said = list(pairs)
    return Measured(what, sum(fine for _, fine in said), len(said), against, tuple(n for n, fine in said if not fine))


# ---- duplicates and contamination ----


def duplicates(given: Given) -> Iterator[Measured]:
    """Labelled pairs, which are chosen, and pairs of real rows, which a person read."""
    labelled = read_labelled(given.data / "dedup" / "labelled_pairs.parquet")
    said = dedup_quality.our_tiers(labelled, given.encoder)
    yield from _decided("labelled pairs", labelled, said, f"labels of {len(labelled)} chosen pairs")


def random_pairs(given: Given) -> Iterator[Measured]:
    """Pairs of real rows at or above the threshold that a person read: all that were dropped, samples of each other kind."""
    problems, tests = given.ingested
    _, pairs, said = dedup_quality.read_pairs(problems, tests, given.encoder)
    against = f"{len(pairs)} pairs of {problems.num_rows} real rows, read: all that were dropped, samples of the others"
    yield from _decided("real pairs", pairs, said, against)


def _decided(name: str, pairs: Sequence[LabelledPair], said: Sequence[Decision], against: str) -> Iterator[Measured]:
    counts = Counter((pair.is_same, one) for pair, one in zip(pairs, said, strict=True))
    dropped = counts[True, Decision.DUPLICATE], counts[False, Decision.DUPLICATE]
    same, other = (sum(pair.is_same is kind for pair in pairs) for kind in (True, False))
    found = dropped[0] + counts[True, Decision.UNDECIDED]
    yield Measured(f"{name} that are dropped are the same problem (precision)", dropped[0], sum(dropped), against)
    yield Measured(f"{name}: the same problem is dropped (recall)", dropped[0], same, against)
    yield Measured(f"{name}: the same problem is dropped or shown to a person", found, same, against)
    yield Measured(f"{name}: different problems both stay", other - dropped[1], other, against)


def contamination(given: Given) -> Iterator[Measured]:
    """Rephrased benchmark problems."""
    traced, rows = dedup_quality.rephrased(given.data, given.encoder)
    yield Measured("rephrased HumanEval is traced to its original", traced, rows, "llm-decontaminator's rephrasings")


# ---- samples ----


def separation(given: Given) -> Iterator[Measured]:
    """Real traces come apart as they were put together; code of real answers is the benchmark's."""
    traces = sample_tests.rows(given.data, "traces/reasoning_traces_cc0.parquet")
    closed = [row for row in traces if row["thinking"] is not None and row["output"] is not None]
    yield _compared(
        "reasoning and answer come back byte for byte", map(_comes_back, closed), "how the traces were made"
    )
    opened = [row for row in traces if row["thinking"] is not None and row["output"] is None]
    yield _compared(
        "a thought that never ends is called unclosed", map(_is_unclosed, opened), "traces without an answer"
    )
    answers = sample_tests.rows(given.data, "traces/o1_mini_answers.parquet")
    same = ((row["question_id"], (extract_code(row["output"]) or "") == row["code"]) for row in answers)
    yield _compared("the program of an answer", same, "LiveCodeBench's own extraction")


def _comes_back(row: dict[str, Any]) -> tuple[str, bool]:
    raw = f"<think>\n{row['thinking']}\n</think>\n\n{row['output']}".encode()
    parts = separate_text(raw, Language.PYTHON, FencePolicy.LAST)
    spans = [raw[one.start : one.end].decode() if one else None for one in (parts.reasoning, parts.answer)]
    return f"{row['model']}/{row['prompt_id']}", spans == [f"\n{row['thinking']}\n", f"\n\n{row['output']}"]


def _is_unclosed(row: dict[str, Any]) -> tuple[str, bool]:
    text = row["thinking"]
    parts = separate_text(text.encode(), Language.PYTHON, FencePolicy.LAST)
    wanted = Separation.UNCLOSED_THINK if text.startswith("<think>") else Separation.NO_THINK
    return f"{row['model']}/{row['prompt_id']}", parts.separation is wanted


def syntax(given: Given) -> Iterator[Measured]:
    """Snippets, many of them invalid on purpose."""
    snippets = sample_tests.rows(given.data, "syntax/snippets.parquet")
    python = [row["text"] for row in snippets if row["language"] == "python"]
    reports = judge_syntax([Source(text.encode(), Language.PYTHON) for text in python])
    said = (
        (str(number), (report.verdict in {"ok", "empty"}) is (sample_tests.cpython_rejects(text) is None))
        for number, (text, report) in enumerate(zip(python, reports, strict=True))
    )
    yield _compared("verdict on Python", said, "CPython's `compile`")
    cpp = [row["text"] for row in snippets if row["language"] == "cpp"]
    reports = judge_syntax([Source(text.encode(), Language.CPP) for text in cpp])
    kept = (
        (str(number), report.verdict != "error")
        for number, (text, report) in enumerate(zip(cpp, reports, strict=True))
        if check_cpp(text.encode()).accepted
    )
    yield _compared("C++ that the compiler accepts is not dropped", kept, "g++")


def examples(given: Given) -> Iterator[Measured]:
    """Examples that are read from statements, where the same input is a published test."""
    problems, tests = given.ingested
    texts = dict(zip(problems["problem_id"].to_pylist(), problems["statement"].to_pylist(), strict=True))
    published = tests.filter(pc.invert(pc.equal(tests["kind"], "example")))
    known = {
        (row["problem_id"], _tokens(row["input"])): _tokens(row["expected"])
        for row in published.select(["problem_id", "input", "expected"]).to_pylist()
    }
    said = []
    for problem_id, statement in texts.items():
        for number, one in enumerate(stdin_examples(statement)):
            expected = known.get((problem_id, _tokens(one.input)))
            if expected is not None:
                said.append((f"{problem_id}#{number}", _tokens(one.expected) == expected))
    yield _compared(
        "an example read from a statement has the output of the published test with its input",
        said,
        "the sources' tests",
    )


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# ---- verdicts ----


def judge(given: Given) -> Iterator[Measured]:
    """Verdicts against published ones."""
    rows, solved = judge_tests.published_completions(given.data)
    passes = {row["sample_id"]: row["verdict"] == "accepted" for row in judge_tests.asserted(rows)}
    plain = {problem.problem_id: judge_tests.passes_plain_python(problem, code) for problem, code in rows}
    yield _compared("completions of HumanEval and MBPP", _same(passes, plain), "plain Python, one process each")
    yield _compared("completions of HumanEval and MBPP", _same(passes, solved), "published `is_solved`")
    done = judge_tests.generated_solutions(given.data)
    yield _compared(
        "model-written solutions of APPS", ((n, here is there) for n, here, there in done), "published `result`"
    )


def _same(left: dict[str, bool], right: dict[str, bool]) -> Iterator[tuple[str, bool]]:
    return ((name, left[name] is right[name]) for name in left)


def judge_of_contests(given: Given) -> Iterator[Measured]:
    """Submissions of contests, and references of LeetCode: minutes of CPU."""
    with tempfile.TemporaryDirectory() as folder:
        said = list(judge_tests.package_verdicts(given.data, Path(folder)))
    yield _compared(
        "submissions of KTH Challenge 2014 to 2020, all verdicts",
        ((name, verdict == wanted) for name, verdict, wanted in said),
        "the folder that the organisers put them in",
    )
    references = (
        (row["sample_id"], row["verdict"] == "accepted") for row in judge_tests.reference_completions(given.data)
    )
    yield _compared("reference completions of LeetCode are accepted", references, "LeetCodeDataset")


def quality_of_tests(given: Given) -> Iterator[Measured]:
    """Measure what the tests of a contest refuse and let through."""
    measured = test_quality.measured_problems(given.data, given.kept / "judged", 0, with_slow=False)
    for name, tests in (
        ("the published samples", [one.source for one in measured]),
        ("all tests", [one.source | one.generated for one in measured]),
    ):
        said = (test_quality.decided(problem, some) for problem, some in zip(measured, tests, strict=True))
        right, wrong = rates_of(list(chain.from_iterable(said)))
        yield Measured(f"right submissions pass {name}", right.hits, right.tries, "the organisers' verdicts")
        yield Measured(f"wrong submissions fail {name}", wrong.hits, wrong.tries, "the organisers' verdicts")


# ---- what is told ----


def patterns(_: Given) -> Iterator[Measured]:
    """Labels of sentences, read by one person."""
    hits, tries = PEOPLE_READ.hits, PEOPLE_READ.tries
    yield Measured(
        "labels of reasoning sentences", hits, tries, "one reader, 10 sentences of each class; about, not repeated here"
    )


def estimates(_: Given) -> Iterator[Measured]:
    """Compare the unbiased estimate of pass@k on every case up to a size."""
    cases = [(n, c, k) for n in range(1, LARGEST_N + 1) for c in range(n + 1) for k in range(1, n + 1)]
    said = ((f"{n}/{c}/{k}", abs(float(pass_at_k(n, c, k)) - reference(n, c, k)) <= TINY) for n, c, k in cases)
    yield _compared(f"pass@k, every n up to {LARGEST_N}, c and k", said, "the product of the HumanEval harness")


STAGES: dict[str, Stage] = {
    "duplicates": duplicates,
    "duplicates among real rows": random_pairs,
    "contamination": contamination,
    "separation and extraction": separation,
    "syntax": syntax,
    "example tests": examples,
    "judge": judge,
    "judge of contests": judge_of_contests,
    "quality of tests": quality_of_tests,
    "patterns": patterns,
    "pass@k": estimates,
}
SLOW = {random_pairs, judge_of_contests, quality_of_tests}


if __name__ == "__main__":
    main()
