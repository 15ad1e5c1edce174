"""Every Parquet table of the pipeline: its Arrow schema, and what each column means and is measured in.

This module is the contract between the steps, and with whoever reads the Parquet. It holds schemas and the
vocabularies that several steps share; verdicts that belong to one step stand with that step. It reads and writes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import pyarrow as pa

__all__ = [
    "TABLES",
    "Checker",
    "CheckerProtocol",
    "IoMode",
    "Language",
    "Table",
    "TestKind",
    "selection_table",
    "table_named",
]

SCHEMA_VERSION: Final = 1
TEXT_ROW_GROUP_ROWS: Final = 512  # about 16 MB of 30 kB rows: measured best for reading and writing
NARROW_ROW_GROUP_ROWS: Final = 65_536


class Language(StrEnum):
    """A programming language that the teacher is asked for; also the partition key."""

    PYTHON = "python"
    CPP = "cpp"


JUDGED_LANGUAGES: Final = tuple(language.value for language in Language)
"""What reference programs can be written in to be run here."""

ACCEPTED: Final = "accepted"
"""Verdict of a program that passes every test."""
NOT_RUN: Final = "not_run"
"""Verdict of a program that the judge says nothing about: it is neither right nor wrong."""

PYPY: Final = ("pypy", "pypy3")
"""How a program asks for PyPy, whose speed some contest programs are made for."""

PYTHONS: Final = ("python", *PYPY)

CPP_DIALECTS: Final = ("gnu++17", "gnu++20", "gnu++23", "gnu++14")
"""What a C++ program may be written in: one that compiles in one of them compiles. Most contest code is C++17; C++20 and
23 add headers, C++14 keeps what 17 removed."""


class IoMode(StrEnum):
    """How a program receives its input and gives its result."""

    STDIN = "stdin"
    FUNCTION = "function"
    FILE = "file"
    INTERACTIVE = "interactive"


class Checker(StrEnum):
    """How an output is compared with the expected one."""

    TOKENS = "tokens"
    FLOAT = "float"
    CASE_INSENSITIVE = "case_insensitive"
    UNORDERED = "unordered"
    SPECIAL = "special"
    UNKNOWN = "unknown"


class CheckerProtocol(StrEnum):
    """How a source's own checker is started and says what it found."""

    KATTIS = "kattis"
    """Arguments: input, answer, a folder, flags; the output on standard input; exit status 42 accepts, 43 rejects."""
    TESTLIB = "testlib"
    """Arguments: input, output, answer; exit status 0 accepts, 1 and 2 reject."""
    OPEN_R1 = "open_r1"
    """Arguments: input, answer, output; prints 1 to accept and 0 to reject."""
    MADE = "made"
    """A model's, called like open_r1's; where it says neither yes nor no, nothing is decided."""


class TestKind(StrEnum):
    """Where a test comes from."""

    __test__ = False  # not a test class, whatever its name says to pytest

    EXAMPLE = "example"
    PUBLIC = "public"
    PRIVATE = "private"
    GENERATED = "generated"


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its schema, its key, how it is partitioned and how its row groups are sized."""

    name: str
    description: str
    schema: pa.Schema
    key: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    row_group_rows: int = NARROW_ROW_GROUP_ROWS
    sliced_by: str | None = None
    """A column whose values are read apart: the manifest holds a hash of the rows of each."""

    def schema_of(self, columns: Iterable[str]) -> pa.Schema:
        """Return the schema of some columns."""
        return pa.schema([self.schema.field(name) for name in columns])

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that may not be null."""
        return tuple(field.name for field in self.schema if not field.nullable)


TEXT: Final = pa.large_string()  # 64-bit offsets: a plain string column overflows at 2 GiB, about 65,000 responses
NAME: Final = pa.string()
NAMES: Final = pa.list_(pa.string())
SPAN: Final = pa.struct([pa.field("start", pa.int64(), nullable=False), pa.field("end", pa.int64(), nullable=False)])
TEST_RESULT: Final = pa.struct(
    [
        pa.field("test_id", pa.string(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("cpu_time_s", pa.float64()),
        pa.field("peak_memory_mib", pa.float64()),
    ]
)

TEST_CATCHES: Final = pa.struct(
    [
        pa.field("test_id", pa.string(), nullable=False),
        pa.field("right_failed", pa.int32(), nullable=False),
        pa.field("wrong_failed", pa.int32(), nullable=False),
        pa.field("caught_alone", pa.int32(), nullable=False),
    ]
)


def _column(name: str, kind: pa.DataType, description: str, *, unit: str = "") -> pa.Field:
    """Describe one column; a name that ends in ``?`` may be null."""
    metadata = {"description": description} | ({"unit": unit} if unit else {})
    return pa.field(name.removesuffix("?"), kind, nullable=name.endswith("?"), metadata=metadata)


def _table(
    name: str,
    description: str,
    key: tuple[str, ...],
    *columns: pa.Field,
    partition_by: tuple[str, ...] = (),
    row_group_rows: int = NARROW_ROW_GROUP_ROWS,
    sliced_by: str | None = None,
) -> Table:
    return Table(name, description, pa.schema(columns), key, partition_by, row_group_rows, sliced_by)


PROBLEMS: Final = _table(
    "problems",
    "Problems in normal form: one row per usable problem of a source, whatever its raw schema was.",
    ("problem_id",),
    _column("problem_id", NAME, "Stable id: <dataset>/<split>/<native id>."),
    _column("dataset", NAME, "Source data set; also the partition key."),
    _column("split", NAME, "Split of the source data set."),
    _column("native_id", NAME, "Id inside the source's split."),
    _column("site?", NAME, "Judge the problem was first published on: codeforces, atcoder, …"),
    _column("url?", NAME, "Address of the problem as the source gives it."),
    _column("title?", NAME, "Title as the source gives it."),
    _column("statement", TEXT, "Whole statement with input, output, examples and notes; newlines are LF."),
    _column("starter_code?", TEXT, "Code the answer has to start from, for function problems."),
    _column("io_mode", NAME, "How input arrives: stdin, function, file or interactive."),
    _column("function_name?", NAME, "Function to call when io_mode is function."),
    _column("input_file?", NAME, "File that holds the input when io_mode is file; null is input.txt."),
    _column("output_file?", NAME, "File the output goes to when io_mode is file; null is output.txt."),
    _column("time_limit_s?", pa.float64(), "Time limit per test.", unit="s"),
    _column("memory_limit_mib?", pa.float64(), "Memory limit per test.", unit="MiB"),
    _column("checker", NAME, "How outputs are compared: tokens, float, case_insensitive, unordered, special, unknown."),
    _column("float_tolerance?", pa.float64(), "Tolerance for float outputs, absolute and relative."),
    _column(
        "checker_language?",
        NAME,
        "Language of the source's own checker, or of its interactor where the mode is interactive: python or cpp.",
    ),
    _column("checker_protocol?", NAME, "How that checker is started and answers: kattis, testlib or open_r1."),
    _column("checker_flags?", NAME, "Further arguments of that checker, separated by spaces."),
    _column("checker_code?", TEXT, "Source code of that checker, in one file."),
    _column("difficulty?", NAME, "Difficulty word of the source."),
    _column("rating?", pa.int32(), "Difficulty rating on the scale of the site."),
    _column("tags", NAMES, "Topic tags of the source, sorted."),
    _column("license", NAME, "Licence of the statement's text, from the documented table."),
    _column("has_image", pa.bool_(), "The statement refers to an image, so the text alone may not suffice."),
    _column("contest_date?", pa.date32(), "Day of the contest; for contamination windows."),
    _column("statement_sha256", NAME, "SHA-256 of the raw statement before any normalisation."),
    _column("n_tests", pa.int32(), "Tests in the tests table.", unit="tests"),
    _column("n_solutions", pa.int32(), "Correct reference solutions in the solutions table.", unit="solutions"),
    _column("repairs", NAMES, "Names of the repairs that the raw row needed, sorted."),
    partition_by=("dataset",),
    row_group_rows=TEXT_ROW_GROUP_ROWS,
)

TESTS: Final = _table(
    "tests",
    "Test cases of the problems, in the order of the source.",
    ("problem_id", "test_id"),
    _column("problem_id", NAME, "Problem the test belongs to."),
    _column("test_id", NAME, "Number of the test inside its problem, zero-padded so that it sorts."),
    _column("kind", NAME, "example, public, private or generated."),
    _column("input", TEXT, "Standard input, or the JSON list of arguments when io_mode is function."),
    _column("expected", TEXT, "Expected output, or its JSON value when io_mode is function."),
    _column("suspicions", NAMES, "Reasons not to trust the test: duplicate, empty_expected, truncated, …, sorted."),
    _column("bound?", TEXT, "Bound of the statement that the input is outside of, and the value; null: none seen."),
    partition_by=("dataset",),
    row_group_rows=8_192,
)

GENERATED_TESTS: Final = _table(
    "generated_tests",
    "Test cases that were made here: inputs within the bounds, outputs that right programs agree on.",
    ("problem_id", "test_id"),
    *TESTS.schema,
    _column("made_by", NAME, "grammar, mutation, extreme or model: what made the input."),
    _column("catches", NAMES, "Wrong solutions and mutants (<solution_id>#mutant<n>) that fail the test, sorted."),
    _column("request_id?", NAME, "Answer of the teacher whose program made the input."),
    partition_by=("dataset",),
    row_group_rows=2_048,
)

TEST_PROGRAMS: Final = _table(
    "test_programs",
    "Programs that the teacher wrote for making tests, and what became of each.",
    ("problem_id", "role", "request_id"),
    _column("problem_id", NAME, "Problem it was written for."),
    _column("role", NAME, "validator, generator or checker."),
    _column("language", NAME, "Its programming language."),
    _column("code", TEXT, "The program; empty when the answer held none."),
    _column("model", NAME, "Model and revision that wrote it."),
    _column("request_id", NAME, "Answer of the teacher that holds it."),
    _column(
        "verdict",
        NAME,
        "used, or why not: teacher_error, unclosed_reasoning, truncated, no_program, refuses_known, accepts_anything, "
        "time_limit, fails; not_tried where the problem is left alone.",
    ),
    _column("made", pa.int32(), "Inputs that a generator made.", unit="inputs"),
    partition_by=("dataset",),
    row_group_rows=2_048,
)

SOLUTIONS: Final = _table(
    "solutions",
    "Human solutions that the sources carry, right and wrong ones.",
    ("problem_id", "solution_id"),
    _column("problem_id", NAME, "Problem the solution belongs to."),
    _column("solution_id", NAME, "Number of the solution inside its problem, zero-padded so that it sorts."),
    _column("language", NAME, "python, python2, cpp, java, …, unknown."),
    _column("code", TEXT, "Source code; newlines are LF."),
    _column("is_correct?", pa.bool_(), "The source says that the solution is right; null when it says neither."),
    _column("source_verdict?", NAME, "What the source says of it in its own word, such as mixed."),
    partition_by=("dataset",),
    row_group_rows=8_192,
)

REJECTED: Final = _table(
    "rejected",
    "Raw rows that could not become a problem, each with its reason.",
    ("dataset", "split", "native_id", "reason"),
    _column("dataset", NAME, "Source data set."),
    _column("split", NAME, "Split of the source data set."),
    _column(
        "native_id", NAME, "Id inside the split, or row:<hash> where the row has none; a repeated one ends in #2, #3, …"
    ),
    _column("reason", NAME, "Named rule that rejected the row."),
    _column("detail", TEXT, "What was wrong, with the value."),
    _column("raw", TEXT, "The raw row as JSON, cut at 64 kB."),
    partition_by=("dataset",),
    row_group_rows=TEXT_ROW_GROUP_ROWS,
)

DUPLICATE_PAIRS: Final = _table(
    "duplicate_pairs",
    "Every pair of problems at or above the threshold, equal in text, of one origin or reviewed, with evidence and decision.",
    ("left_id", "right_id"),
    _column("left_id", NAME, "The smaller problem id of the pair."),
    _column("right_id", NAME, "The larger problem id of the pair."),
    _column("cosine", pa.float32(), "Cosine similarity of the statement embeddings."),
    _column("lexical", pa.float32(), "Lexical similarity of the normalised statements, 0 to 1 (rapidfuzz)."),
    _column(
        "tests_equal?",
        pa.bool_(),
        "Whether common inputs have the same outputs, false also when none is common; null when they cannot be compared.",
    ),
    _column("decision", NAME, "duplicate, distinct or undecided: no evidence speaks, and both problems stay."),
    _column(
        "decided_by?",
        NAME,
        "exact, origin, rule, execution, opinion, review, or threshold where undecided pairs are dropped; null when undecided.",
    ),
    _column(
        "kept_id?", NAME, "Witness that stays for the dropped problem; null when neither was dropped by this pair."
    ),
    _column("dropped_id?", NAME, "Problem that this pair drops."),
    _column("pair_key", NAME, "Hash of both normalised statements: reviews are stored under it."),
    _column("rule?", NAME, "Rule that decided, when decided_by is rule or origin."),
    _column("evidence", NAMES, "What both sides say about being one problem, such as other_bounds or same_cases."),
    _column("inputs_agreeing", pa.int32(), "Known inputs of both with one output.", unit="inputs"),
    _column("inputs_conflicting", pa.int32(), "Known inputs of both with two outputs.", unit="inputs"),
)

UNIQUE_PROBLEMS: Final = _table(
    "unique_problems",
    "One row per problem that stays after deduplication, with its merged provenance.",
    ("problem_id",),
    *PROBLEMS.schema,
    _column("member_ids", NAMES, "Ids of all problems it stands for, itself included, sorted."),
    _column("datasets", NAMES, "Data sets of the members, sorted."),
    _column("licenses", NAMES, "Licences of the members, sorted."),
    row_group_rows=TEXT_ROW_GROUP_ROWS,
)

CONTAMINATION: Final = _table(
    "contamination",
    "Every unique problem against its nearest benchmark problems, with evidence and decision.",
    ("problem_id", "benchmark", "benchmark_id"),
    _column("problem_id", NAME, "Problem that was checked."),
    _column("benchmark", NAME, "Benchmark it was checked against."),
    _column("benchmark_version", NAME, "Version of the benchmark."),
    _column("benchmark_id", NAME, "Problem of the benchmark."),
    _column("cosine", pa.float32(), "Cosine similarity of the statement embeddings."),
    _column("lexical", pa.float32(), "Lexical similarity of the normalised statements, 0 to 1."),
    _column("span?", TEXT, "Longest rare word sequence that both share."),
    _column("decision", NAME, "contaminated, clean or undecided: no evidence speaks, and the problem is kept."),
    _column("decided_by?", NAME, "exact, origin, rule, threshold, opinion or review; null when undecided."),
    _column("pair_key", NAME, "Hash of both normalised statements: reviews are stored under it."),
    _column("rule?", NAME, "Rule that decided, when decided_by is rule or origin."),
    _column("evidence", NAMES, "What both sides say about being one problem, such as other_site or same_cases."),
)

CLEAN_PROBLEMS: Final = _table(
    "clean_problems",
    "Unique problems that no benchmark holds: what the teacher is asked.",
    ("problem_id",),
    *UNIQUE_PROBLEMS.schema,
    row_group_rows=TEXT_ROW_GROUP_ROWS,
    sliced_by="dataset",
)

SYNTHETIC_PROBLEMS: Final = _table(
    "synthetic_problems",
    "New problems that the teacher was asked for, kept or dropped for a reason; what is not kept has no statement.",
    ("problem_id",),
    *PROBLEMS.schema,
    _column("style", NAME, "How it comes from known problems: recombined, constraints or story."),
    _column("parents", NAMES, "Known problems it was made from."),
    _column(
        "verdict",
        NAME,
        "kept, or no_seed, teacher_error, unclosed_reasoning, truncated, no_problem, duplicate, undecided, "
        "contaminated, few_solutions, no_inputs, disagreement, few_tests, solved_by_parent, not_run.",
    ),
    _column("witness?", NAME, "Problem that it is too like, or that has a solution which solves it."),
    _column("detail?", TEXT, "More about the verdict, such as why no inputs could be made."),
    _column("draft", TEXT, "What the teacher wrote, kept or not."),
    _column("model", NAME, "Model and revision that wrote it."),
    _column("request_id?", NAME, "Answer of the teacher that holds it."),
    _column("candidates", pa.int32(), "Solutions of the teacher that held a program.", unit="solutions"),
    _column("inputs_agreed", pa.int32(), "Made inputs on which solutions agree.", unit="inputs"),
    _column("inputs_disagreed", pa.int32(), "Made inputs on which one differs or fails.", unit="inputs"),
    row_group_rows=TEXT_ROW_GROUP_ROWS,
)

SYNTHETIC_TESTS: Final = _table(
    "synthetic_tests",
    "Tests of the new problems that are kept: their examples, and those that were made.",
    ("problem_id", "test_id"),
    *TESTS.schema,
    row_group_rows=2_048,
)

SYNTHETIC_SOLUTIONS: Final = _table(
    "synthetic_solutions",
    "Solutions of the teacher for the new problems that are kept; those that fail a test count as wrong.",
    ("problem_id", "solution_id"),
    *SOLUTIONS.schema,
    row_group_rows=8_192,
)

REVIEWS: Final = _table(
    "reviews",
    "Decisions of people on uncertain pairs, append-only, keyed by content so that they survive re-ingestion.",
    ("pair_key", "reviewer", "reviewed_at"),
    _column("pair_key", NAME, "Hash of both normalised statements."),
    _column("kind", NAME, "duplicate (two problems) or contamination (a problem and a benchmark's)."),
    _column("decision", NAME, "duplicate, distinct or withdrawn."),
    _column("reviewer", NAME, "Who decided."),
    _column("reviewed_at", pa.timestamp("ms", tz="UTC"), "When."),
    _column("left_id?", NAME, "First problem when it was reviewed; for people, not for joins."),
    _column("right_id?", NAME, "Second problem when it was reviewed; for people, not for joins."),
    _column("note?", TEXT, "What the reviewer wrote."),
)

FINDINGS: Final = _table(
    "findings",
    "Decisions of people on programs and tests, append-only: is a program that survives, or a test, wrong?",
    REVIEWS.key,
    _column("pair_key", NAME, "Hash of the kind, the problem and the program or test."),
    _column("kind", NAME, "survivor (a wrong program that passes every test) or test (right programs fail it)."),
    _column("decision", NAME, "wrong or right, of the program or the test, or withdrawn."),
    _column("reviewer", NAME, "Who decided."),
    _column("reviewed_at", pa.timestamp("ms", tz="UTC"), "When."),
    _column("left_id?", NAME, "The problem."),
    _column("right_id?", NAME, "The program (solution_id) or the test (test_id)."),
    _column("note?", TEXT, "What the reviewer wrote."),
)

RESPONSES: Final = _table(
    "responses",
    "What the teacher answered: one row per request, failures included. The long text stands here once.",
    ("request_id",),
    _column("request_id", NAME, "SHA-256 of the final payload: model, revision, messages, sampling and sample index."),
    _column("problem_id", NAME, "Problem that was asked."),
    _column("language", NAME, "Programming language that was asked for."),
    _column(
        "sample_index", pa.int32(), "Number among the samples of its problem and model; also the offset of the seed."
    ),
    _column("model", NAME, "Model name and revision that answered."),
    _column("prompt_sha256", NAME, "SHA-256 of the rendered prompt."),
    _column("params", NAME, "Sampling parameters as canonical JSON."),
    _column(
        "text", TEXT, "Answer in normal form: <think>reasoning</think>answer, or what came when it has no such form."
    ),
    _column(
        "answer_start?",
        pa.int64(),
        "Where the answer begins in text, when the server told it from the reasoning; null: tags decide.",
        unit="bytes",
    ),
    _column("finish_reason?", NAME, "stop, length, … as the server says."),
    _column("stop_reason?", NAME, "Stop string, or repetition_detected, as the server says."),
    _column("prompt_tokens?", pa.int32(), "Tokens of the prompt, as the server counts.", unit="tokens"),
    _column("completion_tokens?", pa.int32(), "Tokens of the completion, as the server counts.", unit="tokens"),
    _column("text_tokens?", pa.int32(), "Tokens of the text, as we count.", unit="tokens"),
    _column("text_tokens_by?", NAME, "How we count: tokenizer (the teacher's own), or estimate (from characters)."),
    _column(
        "latency_s", pa.float64(), "Time of the answered attempt: the server's own figure where it gives one.", unit="s"
    ),
    _column("attempts", pa.int32(), "Attempts until the answer.", unit="attempts"),
    _column("created_at", pa.timestamp("ms", tz="UTC"), "When the server created the answer."),
    _column("error?", NAME, "What took the place of an answer: the kind of failure, then what the server said."),
    _column("is_final?", pa.bool_(), "Whether the failure is never asked again; null for an answer."),
    _column("repairs", NAMES, "What was replaced in the text: lone_surrogates, invalid_utf8; sorted, usually empty."),
    partition_by=("dataset", "language"),
    row_group_rows=TEXT_ROW_GROUP_ROWS,
)

SAMPLES: Final = _table(
    "samples",
    "Every response with its reasoning, answer and code apart, and its verdict: kept, or the first reason.",
    ("sample_id",),
    _column("sample_id", NAME, "The request_id of the response."),
    _column("problem_id", NAME, "Problem that was asked."),
    _column("language", NAME, "Programming language that was asked for."),
    _column("reasoning_span?", SPAN, "Byte offsets of the reasoning in responses.text.", unit="bytes"),
    _column("answer_span?", SPAN, "Byte offsets of the answer after the reasoning in responses.text.", unit="bytes"),
    _column("code?", TEXT, "Code of the answer."),
    _column("separation", NAME, "How reasoning and answer came apart: ok, no_think, unclosed_think, …"),
    _column("reasoning_has_code", pa.bool_(), "The reasoning holds a fenced code block."),
    _column("n_fences", pa.int32(), "Complete code fences in the answer.", unit="fences"),
    _column("fence_language?", NAME, "Info string of the fence that the code comes from, lower case."),
    _column(
        "fence_spans",
        pa.list_(SPAN),
        "Byte offsets in responses.text of every complete fence of the answer, so that another policy needs no rerun.",
        unit="bytes",
    ),
    _column(
        "cases",
        NAMES,
        "Forms noticed that do not decide the verdict: only_closing_tag, several_fences, quoted_tag, crlf, …",
    ),
    _column("syntax", NAME, "ok, error, wrong_language, python2, empty, too_large or unsupported_language."),
    _column("tree_sitter_ok", pa.bool_(), "Tree-sitter finds no error in the code."),
    _column("compiler_ok?", pa.bool_(), "The language's own compiler accepts the code; null when it was not asked."),
    _column(
        "compiles?",
        pa.bool_(),
        "The compiler accepts the whole program, names and types too; null when it was not asked or could not judge.",
    ),
    _column("syntax_line?", pa.int32(), "Line of the first error, from 1.", unit="line"),
    _column("syntax_column?", pa.int32(), "Column of the first error, from 1.", unit="bytes"),
    _column("duplicate_of?", NAME, "First sample of the problem with the same code up to comments and white space."),
    _column(
        "loop_period?", pa.int32(), "Length of the cycle the text ends in; null when it ends in none.", unit="words"
    ),
    _column("repeated_share", pa.float32(), "Share of 20-word sequences that occur more than once."),
    _column(
        "reasoning_tokens?",
        pa.int32(),
        "Tokens of the reasoning: those of the completion shared out by bytes, for servers do not say.",
        unit="tokens",
    ),
    _column("verdict", NAME, "kept, or the first of the reasons."),
    _column("reasons", NAMES, "Every reason against the sample, in order of the checks."),
    partition_by=("dataset", "language"),
    row_group_rows=2_048,
)

TEST_TRUST: Final = _table(
    "test_trust",
    "What correct reference solutions say of the tests: one row per problem, and one per test they fail.",
    ("problem_id", "test_id"),
    _column("problem_id", NAME, "Problem whose tests were checked."),
    _column("test_id?", NAME, "Test that is not trusted; null in the row of the problem itself."),
    _column(
        "flag",
        NAME,
        "Of a problem: trusted, tests_flagged, no_solution_passes, or unchecked (no solution could be run). "
        "Of a test: rejects_solutions, or no_solution_passes.",
    ),
    _column("n_solutions_run", pa.int32(), "Reference solutions that were run on it.", unit="solutions"),
    _column("n_passed", pa.int32(), "Those of them that passed; of a problem: its trusted tests.", unit="solutions"),
    _column("detail?", TEXT, "What the failing solutions got."),
    partition_by=("dataset",),
    row_group_rows=8_192,
)

TEST_QUALITY: Final = _table(
    "test_quality",
    "How good the tests of each problem are: which right programs they refuse, and which wrong ones they let through.",
    ("problem_id", "policy"),
    _column("problem_id", NAME, "Problem whose tests were measured."),
    _column("policy", NAME, "Which tests: source, generated, or all; tests that test_trust flags are in none."),
    _column("tests", pa.int32(), "Tests of the policy.", unit="tests"),
    _column("bytes", pa.int64(), "Their inputs and expected outputs.", unit="bytes"),
    _column("right_run", pa.int32(), "Right programs that were run.", unit="programs"),
    _column("right_passed", pa.int32(), "Those that pass every test.", unit="programs"),
    _column("wrong_run", pa.int32(), "Wrong programs that were run.", unit="programs"),
    _column("wrong_failed", pa.int32(), "Those that fail a test.", unit="programs"),
    _column("tpr?", pa.float64(), "right_passed / right_run; null where none was run."),
    _column("tpr_low?", pa.float64(), "Lower end of its 95 % interval (Wilson)."),
    _column("tpr_high?", pa.float64(), "Upper end of its 95 % interval (Wilson)."),
    _column("tnr?", pa.float64(), "wrong_failed / wrong_run; null where none was run."),
    _column("tnr_low?", pa.float64(), "Lower end of its 95 % interval (Wilson)."),
    _column("tnr_high?", pa.float64(), "Upper end of its 95 % interval (Wilson)."),
    _column("mutants_run", pa.int32(), "Mutants of right programs that were run.", unit="mutants"),
    _column("mutants_killed", pa.int32(), "Those that fail a test of the policy.", unit="mutants"),
    _column(
        "mutants_equivalent",
        pa.int32(),
        "Those that agree with their original on every input known, of whatever policy.",
        unit="mutants",
    ),
    _column(
        "mutation_score?",
        pa.float64(),
        "mutants_killed / (mutants_run - mutants_equivalent); null where no input is known beside the policy's own.",
    ),
    _column(
        "samples_wrong?",
        pa.int32(),
        "Samples of the teacher that fail a known test which is not of the policy; in no other count. Rows of before have none.",
        unit="programs",
    ),
    _column("samples_failed?", pa.int32(), "Those that fail a test of the policy, too.", unit="programs"),
    _column(
        "unscored",
        pa.int32(),
        "Programs that were not run or did not compile, and say nothing of the tests.",
        unit="programs",
    ),
    _column("refused_right", NAMES, "Right programs that fail a test: the program may be wrong, or the test."),
    _column("missed_wrong", NAMES, "Wrong programs that pass every test."),
    _column("per_test", pa.list_(TEST_CATCHES), "What each test does, in their order."),
    _column("flags", NAMES, "one_test, contradictory_tests, right_refused."),
    _column("band?", NAME, "Trust in a pass: strong, fair or weak, by tnr, or the mutants where few are wrong."),
    _column("reason?", NAME, "Why nothing could be measured, in one word such as no_tests; null when it was."),
    partition_by=("dataset",),
    row_group_rows=8_192,
)

EXECUTIONS: Final = _table(
    "executions",
    "Samples that were run against the tests of their problem.",
    ("sample_id",),
    _column("sample_id", NAME, "Sample that was run."),
    _column("problem_id", NAME, "Its problem."),
    _column("language", NAME, "Its programming language."),
    _column("verdict", NAME, "accepted, or the verdict of the first failed test, compile_error or not_run."),
    _column("tests_total", pa.int32(), "Tests of the problem that were to be run.", unit="tests"),
    _column("tests_passed", pa.int32(), "Tests passed.", unit="tests"),
    _column(
        "tests_untrusted?",
        pa.int32(),
        "Tests left out because correct reference solutions fail them; null when nobody checked the tests.",
        unit="tests",
    ),
    _column("pass_rate?", pa.float64(), "tests_passed / tests_total; null when it was not run."),
    _column("first_failed_test?", NAME, "test_id of the first failed test."),
    _column("cpu_time_s?", pa.float64(), "Largest CPU time of a test.", unit="s"),
    _column("peak_memory_mib?", pa.float64(), "Largest memory of a test.", unit="MiB"),
    _column("detail?", TEXT, "Compiler message, end of stderr, or why it was not run; bounded."),
    _column("reason?", NAME, "Why it was not run, in one word such as no_code or no_tests; null when it was."),
    _column("results", pa.list_(TEST_RESULT), "Verdict, CPU time and memory of each test that was run."),
    _column(
        "needs_checker",
        pa.bool_(),
        "The problem accepts several outputs and has no checker: the rate is a lower bound.",
    ),
    _column(
        "trusts_candidate",
        pa.bool_(),
        "Its asserts used names that only the candidate defines, or ran in the candidate's process, because the data "
        "set says so: the rate is an upper bound.",
    ),
    _column(
        "tests_tpr?", pa.float64(), "Share of right programs that the problem's tests let pass; null: not measured."
    ),
    _column("tests_tnr?", pa.float64(), "Share of wrong programs that the problem's tests catch; null: not measured."),
    _column("tests_band?", NAME, "Trust in a pass: strong, fair, weak; null: not measured, or by too few."),
    _column("runtime?", NAME, "Version of the interpreter or of the compiler."),
    _column("sandbox_tier?", NAME, "A (namespaces), B (Landlock and seccomp) or C (not isolated, by explicit option)."),
    partition_by=("dataset", "language"),
    row_group_rows=2_048,
)

PROBLEM_DIFFICULTY: Final = _table(
    "problem_difficulty",
    "How hard each problem is for each model: the share of its attempts that the tests accept.",
    ("problem_id", "model", "language"),
    _column("problem_id", NAME, "Problem that was tried."),
    _column("model", NAME, "Model and revision that tried it; unknown where nobody says."),
    _column("language", NAME, "Programming language that was asked for."),
    _column("n", pa.int32(), "Attempts that were scored.", unit="attempts"),
    _column("accepted", pa.int32(), "Attempts that passed every test.", unit="attempts"),
    _column("unscored", pa.int32(), "Attempts that were not run, or that need a checker nobody has.", unit="attempts"),
    _column("pass_at_1?", pa.float64(), "accepted / n, the unbiased estimate of pass@1; null without attempts."),
    _column("standard_error?", pa.float64(), "Of pass_at_1 over attempts: sqrt(p (1 - p) / (n - 1)); null for n < 2."),
    _column("solved_by", NAMES, "Models that solved the problem in this language, sorted."),
    _column("band?", NAME, "By pass_at_1: hard (at most 0.25), normal (at most 0.75), easy; null for n < 4."),
    partition_by=("dataset", "language"),
)

CRITIQUES: Final = _table(
    "critiques",
    "What a model says of judged samples: a row per sample and kind, asked or not, each with its reason.",
    ("sample_id", "kind"),
    _column("sample_id", NAME, "Sample that was judged."),
    _column("kind", NAME, "critique (is the program right?) or explain (why does it fail the shown test?)."),
    _column("problem_id", NAME, "Its problem."),
    _column("language", NAME, "Its programming language."),
    _column("model", NAME, "Model and revision that was asked; empty where nobody was."),
    _column("request_id?", NAME, "Request in the ledger; null where nobody was asked."),
    _column("critique?", TEXT, "Whole answer in normal form, reasoning included; null where none came."),
    _column("judgement", NAME, "What the critic says of the program: right, wrong, or none."),
    _column(
        "agrees?",
        pa.bool_(),
        "Whether the judgement is that of the tests, which the critic was not told; null without a judgement.",
    ),
    _column("execution", NAME, "What the tests said: the verdict of the sample's execution."),
    _column("shown_test?", NAME, "test_id of the failure that was shown, of kind explain."),
    _column("got?", TEXT, "What the program gave for that test, as it was shown; bounded."),
    _column("verdict", NAME, "kept, or why there is no critique, or none that can be used."),
    _column("detail?", TEXT, "What the server said in the place of an answer."),
    partition_by=("dataset", "language"),
    row_group_rows=TEXT_ROW_GROUP_ROWS,
)

SFT_DATASET: Final = _table(
    "sft_dataset",
    "What downstream trains on, in the columns of the released OpenCodeReasoning data set.",
    ("sample_id",),
    _column("id", NAME, "Hash of the problem: the same for all samples of one problem."),
    _column("input", TEXT, "Statement; '-' where the licence forbids to copy it: join by dataset, split and index."),
    _column("output", TEXT, "Whole answer of the teacher: reasoning, then solution."),
    _column("source", NAME, "Judge the problem was first published on."),
    _column("license", NAME, "Licences of the problem, joined by ', '."),
    _column("dataset", NAME, "Data sets that carry the problem, joined by ', '."),
    _column("split", NAME, "Split of the source data set."),
    _column("difficulty", NAME, "Difficulty word or rating of the source; empty when it has none."),
    _column("solution", TEXT, "Code of the answer."),
    _column("index", NAME, "Id inside the split; joins the statement back."),
    _column("language", NAME, "Programming language of the solution."),
    _column("problem_id", NAME, "Problem in our tables."),
    _column("sample_id", NAME, "Sample in our tables."),
    _column("pass_rate?", pa.float64(), "Share of tests passed; null when it was not run."),
    _column("model", NAME, "Teacher model and revision."),
    _column("reasoning_tokens?", pa.int32(), "Tokens of the reasoning.", unit="tokens"),
    partition_by=("dataset", "language"),
    row_group_rows=TEXT_ROW_GROUP_ROWS,
)

PLANS: Final = _table(
    "plans",
    "Solution plans that the teacher read out of correct solutions, each with its verdict.",
    ("plan_id",),
    _column("plan_id", NAME, "Stable id of the plan."),
    _column("problem_id", NAME, "Problem the plan solves."),
    _column("solution_id?", NAME, "Solution the plan was read from; null for a plan made from the statement alone."),
    _column("plan?", TEXT, "The plan as numbered lines; null when none came."),
    _column("steps", pa.list_(pa.large_string()), "The steps of the plan, without their numbers."),
    _column("model", NAME, "Teacher model and revision."),
    _column("request_id", NAME, "Request in the ledger."),
    _column("verdict", NAME, "kept, or the first of the reasons."),
    _column("reasons", NAMES, "Every reason against the plan."),
    partition_by=("dataset",),
    row_group_rows=2_048,
)

PLAN_SFT_DATASET: Final = _table(
    "plan_sft_dataset",
    "Multi-task training rows: code and plan targets for the joint objective.",
    ("id",),
    _column("id", NAME, "Stable id of the row."),
    _column("task", NAME, "code or plan."),
    _column("prompt", TEXT, "What the student is asked."),
    _column("completion", TEXT, "What the student shall answer."),
    _column("language?", NAME, "Programming language of a code row; null for a plan, which is of none."),
    _column("prompt_sha256?", NAME, "Hash of the words in which the row asks, templates of all tasks together."),
    _column("problem_id", NAME, "Problem in our tables."),
    _column("weight", pa.float64(), "Weight of the row in the joint loss."),
    partition_by=("dataset",),
    row_group_rows=TEXT_ROW_GROUP_ROWS,
)

REASONING_PATTERNS: Final = _table(
    "reasoning_patterns",
    "Which moves a reasoning makes, and how mixed they are.",
    ("sample_id",),
    _column("sample_id", NAME, "Sample whose reasoning was read."),
    _column("counts", pa.map_(pa.string(), pa.int32()), "Segments per pattern.", unit="segments"),
    _column("n_segments", pa.int32(), "Segments with a pattern.", unit="segments"),
    _column(
        "entropy_bits?", pa.float64(), "Shannon entropy of the patterns; null when no segment has one.", unit="bits"
    ),
    _column("entropy_normalized?", pa.float64(), "Entropy divided by its largest possible value, 0 to 1."),
    _column("reasoning_sha256?", NAME, "Hash of the reasoning; the same text is not read twice."),
    partition_by=("dataset", "language"),
)

PATTERN_LABELS: Final = _table(
    "pattern_labels",
    "Moves that a model finds in the sentences of some reasonings, labelled twice, beside the rule's.",
    ("sample_id", "segment"),
    _column("sample_id", NAME, "Sample whose reasoning was labelled."),
    _column("segment", pa.int32(), "Number of the sentence, from 0."),
    _column("sentence", TEXT, "The sentence."),
    _column("rule", NAME, "Move that the rules find."),
    _column("first?", NAME, "Move of the first labelling; null when there is none."),
    _column("second?", NAME, "Move of the second one: in reverse order of the moves, or by another model."),
    _column("verdict", NAME, "kept where both agree; differs, no_label, truncated or teacher_error."),
    partition_by=("dataset", "language"),
)

PATTERN_GROUPS: Final = _table(
    "pattern_groups",
    "How passing samples reason beside failing ones: shares of the moves, entropy, and a test by problem.",
    ("measure",),
    _column(
        "measure",
        NAME,
        "A move (its share of the labelled sentences), entropy_bits, entropy_nats, entropy_normalized, or n_segments.",
    ),
    _column("labelled_by", NAME, "rules, or model: who found the moves."),
    _column("passing", pa.float64(), "Mean over the passing samples."),
    _column("failing", pa.float64(), "Mean over the failing samples."),
    _column("difference", pa.float64(), "Passing minus failing."),
    _column("standard_error?", pa.float64(), "Of the difference, with the problem as the unit; null for one problem."),
    _column("within_problems?", pa.float64(), "Mean difference inside problems that have both; null where none has."),
    _column(
        "p_value?",
        pa.float64(),
        "Share of exchanges of verdicts inside problems that differ as much, two-sided; null where none has both.",
    ),
    _column("n_passing", pa.int32(), "Passing samples with a labelled sentence.", unit="samples"),
    _column("n_failing", pa.int32(), "Failing samples with a labelled sentence.", unit="samples"),
    _column("n_problems", pa.int32(), "Their problems.", unit="problems"),
    _column("n_mixed_problems", pa.int32(), "Problems with samples of both.", unit="problems"),
)

STUDENT_EVALUATION: Final = _table(
    "student_evaluation",
    "Results of a student on a benchmark, one row per problem and method.",
    ("student", "benchmark", "method", "problem_id"),
    _column("student", NAME, "Name of the student."),
    _column("benchmark", NAME, "Benchmark it was tried on."),
    _column("problem_id", NAME, "Problem of the benchmark."),
    _column("method", NAME, "direct, plan_sampling, ranked, public_tests, majority, shortest, random or oracle."),
    _column("n", pa.int32(), "Samples that were judged.", unit="samples"),
    _column("correct", pa.int32(), "Samples that passed every test.", unit="samples"),
    _column("not_run", pa.int32(), "Samples that could not be judged; neither right nor wrong.", unit="samples"),
    _column("reasoning_tokens_mean?", pa.float64(), "Mean tokens of the reasoning.", unit="tokens"),
    _column("language?", NAME, "Programming language that was asked for."),
    _column("difficulty?", NAME, "Difficulty of the problem, as its source says."),
    _column("tokens_mean?", pa.float64(), "Mean tokens of an answer, reasoning included.", unit="tokens"),
)

EVALUATION_SUMMARY: Final = _table(
    "evaluation_summary",
    "pass@k over the problems of a benchmark, with its standard error by problem.",
    ("student", "benchmark", "method", "k", "difficulty"),
    _column("student", NAME, "Name of the student."),
    _column("benchmark", NAME, "Benchmark it was tried on."),
    _column("method", NAME, "How the answers were chosen."),
    _column("k", pa.int32(), "The k of pass@k.", unit="samples"),
    _column("pass_at_k", pa.float64(), "Unbiased estimate, mean over problems."),
    _column(
        "standard_error?",
        pa.float64(),
        "Standard error with the problem as the unit, Wilson's where all are right or wrong; null for one problem.",
    ),
    _column("n_problems", pa.int32(), "Problems with at least k judged samples.", unit="problems"),
    _column(
        "n_unscored", pa.int32(), "Problems with fewer than k judged samples: left out, and said so.", unit="problems"
    ),
    _column("language?", NAME, "Programming language that was asked for."),
    _column("difficulty?", NAME, "Only the problems of this difficulty; null: all."),
    _column("tokens_mean?", pa.float64(), "Mean tokens of an answer, mean over problems.", unit="tokens"),
    _column(
        "tokens_per_right?", pa.float64(), "Tokens written for each right answer; null without one.", unit="tokens"
    ),
)

STUDENT_CANDIDATES: Final = _table(
    "student_candidates",
    "Every program that a student offered, with all that a selection method may look at, and its verdict.",
    ("student", "benchmark", "sampling", "sample_id"),
    _column("student", NAME, "Name of the student."),
    _column("benchmark", NAME, "Benchmark it was tried on."),
    _column("problem_id", NAME, "Problem of the benchmark."),
    _column(
        "sampling",
        NAME,
        "direct, chain_of_thought, plan_trial (a program that tries a plan) or plan_sampling (a final one).",
    ),
    _column("sample_id", NAME, "Stable id of the program."),
    _column("code", TEXT, "The program; empty when the answer held none."),
    _column("plan?", TEXT, "Plan that guided it."),
    _column("plan_index?", pa.int32(), "Number of the plan among those of the problem."),
    _column("reasoning_tokens", pa.int32(), "Tokens of the reasoning.", unit="tokens"),
    _column("examples_passed", pa.int32(), "Example tests passed.", unit="tests"),
    _column("examples_total", pa.int32(), "Example tests of the problem.", unit="tests"),
    _column("outputs_key?", NAME, "Hash of what it printed on the examples; null when it did not end well on one."),
    _column("ranker_score?", pa.float64(), "Probability of being right, from the ranker."),
    _column("critique?", TEXT, "What a critic wrote of it, reasoning included; null where none was asked."),
    _column("judgement?", NAME, "What the critic says of it: right, wrong, or none; null where none was asked."),
    _column("critic?", NAME, "Who the critic is: the student itself, or another model."),
    _column("verdict", NAME, "Verdict on all tests; not_run for a program that only tries a plan."),
    _column("language?", NAME, "Programming language that was asked for."),
    _column("difficulty?", NAME, "Difficulty of the problem, as its source says."),
    _column(
        "tokens?",
        pa.int32(),
        "Tokens of all that was written for it; null where the server does not tell.",
        unit="tokens",
    ),
    _column("extra_tokens?", pa.int32(), "Of those, written after the first answer was cut.", unit="tokens"),
    _column("dropped_tokens?", pa.int32(), "Of those, of a first answer that another one replaced.", unit="tokens"),
    _column("finish_reason?", NAME, "Why the answer ended, as the server says: stop, length, …"),
    _column("budget?", pa.int32(), "Most tokens that the first answer could have.", unit="tokens"),
)

ABLATION: Final = _table(
    "ablation",
    "Students of equal training on parts of one pool: pass@k of each, and paired differences.",
    ("benchmark", "k", "arm", "against"),
    _column("benchmark", NAME, "Benchmark they were tried on."),
    _column("k", pa.int32(), "The k of pass@k.", unit="samples"),
    _column("arm", NAME, "Part of the pool that the student was trained on."),
    _column("against?", NAME, "The part it is compared with; null: its own estimate."),
    _column("value", pa.float64(), "pass@k, or the mean difference over the problems that both were scored on."),
    _column(
        "standard_error?",
        pa.float64(),
        "With the problem as the unit, after the mean over training seeds; null for one problem, or where the arms never differ.",
    ),
    _column("n_problems", pa.int32(), "Problems in the mean.", unit="problems"),
    _column("training_rows", pa.int32(), "Rows that the arm was trained on.", unit="rows"),
    _column("training_seeds", pa.int32(), "Trainings of each arm.", unit="trainings"),
    _column(
        "seed_standard_error?",
        pa.float64(),
        "Standard error over training seeds alone; null for one, whose spread nobody knows.",
    ),
)

FUNNEL: Final = _table(
    "funnel",
    "How many rows each stage received, kept and dropped, by reason.",
    ("stage", "dataset", "language", "reason"),
    _column("position", pa.int32(), "Place of the stage in the flow."),
    _column("stage", NAME, "Stage of the flow."),
    _column("dataset", NAME, "Data set, or '*' for all."),
    _column("language", NAME, "Programming language, or '*' for all."),
    _column("reason", NAME, "kept, or why rows were dropped."),
    _column("rows", pa.int64(), "Number of rows.", unit="rows"),
)

TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (
        PROBLEMS,
        TESTS,
        SOLUTIONS,
        GENERATED_TESTS,
        TEST_PROGRAMS,
        REJECTED,
        DUPLICATE_PAIRS,
        UNIQUE_PROBLEMS,
        CONTAMINATION,
        CLEAN_PROBLEMS,
        SYNTHETIC_PROBLEMS,
        SYNTHETIC_TESTS,
        SYNTHETIC_SOLUTIONS,
        REVIEWS,
        FINDINGS,
        TEST_TRUST,
        TEST_QUALITY,
        RESPONSES,
        SAMPLES,
        EXECUTIONS,
        REASONING_PATTERNS,
        PATTERN_LABELS,
        PATTERN_GROUPS,
        PROBLEM_DIFFICULTY,
        CRITIQUES,
        SFT_DATASET,
        PLANS,
        PLAN_SFT_DATASET,
        STUDENT_CANDIDATES,
        STUDENT_EVALUATION,
        EVALUATION_SUMMARY,
        ABLATION,
        FUNNEL,
    )
}
"""Every table by its name, in the order of the flow."""


SELECTION_PREFIX: Final = f"{SFT_DATASET.name}_"


def selection_table(name: str, description: str = "") -> Table:
    """Return the table of a selection that has a name: ``sft_dataset`` under another one."""
    return replace(SFT_DATASET, name=f"{SELECTION_PREFIX}{name}", description=description or SFT_DATASET.description)


def table_named(name: str) -> Table:
    """Return the table called ``name``; ``sft_dataset_`` and a name are those of a selection.

    Raises
    ------
    KeyError
        With the known names, when there is no such table.
    """
    if name.startswith(SELECTION_PREFIX):
        return selection_table(name.removeprefix(SELECTION_PREFIX))
    try:
        return TABLES[name]
    except KeyError:
        known = ", ".join(TABLES)
        message = f"no table `{name}`; the tables are {known}"
        raise KeyError(message) from None
