"""Rows of reinforcement learning: a prompt, the tests that decide the reward, and how hard the problem is.

The shapes are those of verl, rllm (DeepCoder), NeMo Gym and prime-rl. The graders of the first three compare texts
themselves, so a problem whose outputs need more than that is left out of their rows; the fourth asks our judge, which
knows every checker.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.exports.coverage import Case, choose, usable
from ocr_pipeline.exports.difficulty import POOL_WEIGHTS, Band, band_of
from ocr_pipeline.exports.options import ExportOptions, Format, Unchecked
from ocr_pipeline.exports.outcome import Outcome
from ocr_pipeline.exports.statements import MAY_NOT_BE_HANDED_ON, UNKNOWN_STATEMENT, WITHHELD, Statements
from ocr_pipeline.judge.verdicts import TrustFlag
from ocr_pipeline.tables import Checker, IoMode, Language, Table
from ocr_pipeline.teacher.prompts import solve_prompt

__all__ = ["REWARD_TABLES", "Attempts", "Evidence", "rewards"]

CARRIED: Final[Mapping[str, frozenset[str]]] = {
    Format.VERL: frozenset({Checker.TOKENS, Checker.FLOAT}),
    Format.RLLM: frozenset({Checker.TOKENS}),
    Format.NEMO_GYM: frozenset({Checker.TOKENS}),
    Format.PRIME_RL: frozenset({Checker.TOKENS, Checker.FLOAT, Checker.CASE_INSENSITIVE, Checker.UNORDERED}),
}
"""What graders compare: those of rllm and NeMo Gym know no tolerance (they refuse right answers of float problems), none of
the first three ignores case or order."""
VERL_SOURCES: Final = {"code_contests": "codecontests", "apps": "apps", "codeforces": "codeforces", "taco": "taco"}
"""Data sources for which verl grades programs; others take the grader of ``codecontests``, which is the same."""
RLLM_LISTS: Final = {"taco", "apps", "code_contests"}
"""Data sets whose tests rllm takes as two lists."""
RLLM_OTHER: Final = "livecodebench"
"""rllm's grader of lists of tests, functions included."""
ID_DIGITS: Final = 32
WEIGHT_OF_UNTRIED: Final = 1.0


class Drop(StrEnum):
    """Why a problem is not exported."""

    NO_STATEMENT = "no_statement"
    INTERACTIVE = "interactive"
    FILES = "files"
    MODE = "unknown_io_mode"
    REPEATED = "repeated"
    NO_CHECKER = "no_checker"
    CHECKER = "checker_not_carried"
    FUNCTION = "function_without_name"
    CALLS = "tests_are_not_calls"
    NO_TESTS = "no_tests"
    UNTRUSTED = "no_solution_passes_the_tests"
    UNCHECKED = "tests_unchecked"
    TOO_FEW = "too_few_tests"
    TOO_LARGE = "tests_over_the_cap"


@dataclass(frozen=True, slots=True)
class Attempts:
    """What models made of a problem."""

    n: int = 0
    accepted: int = 0
    models: tuple[tuple[str, int, int], ...] = ()
    """Of each row: model, attempts, accepted ones."""

    @property
    def band(self) -> Band | None:
        """The band, where there were enough attempts."""
        return band_of(self.n, self.accepted)

    def __add__(self, other: Attempts) -> Attempts:
        """Pool the attempts of several models."""
        return Attempts(self.n + other.n, self.accepted + other.accepted, self.models + other.models)

    @property
    def by_model(self) -> str | None:
        """The rate of each model, as JSON."""
        sums: dict[str, tuple[int, int]] = {}
        for model, n, accepted in self.models:
            before = sums.get(model, (0, 0))
            sums[model] = before[0] + n, before[1] + accepted
        return json.dumps({model: c / n for model, (n, c) in sorted(sums.items()) if n}) if sums else None

    @property
    def columns(self) -> dict[str, Any]:
        """As a row holds it; ``weight`` is how often prime-rl draws from the pool."""
        band = self.band
        return {
            "n_attempts": self.n,
            "pass_at_1": self.accepted / self.n if self.n else None,
            "pass_at_1_by_model": self.by_model,
            "band": band and str(band),
            "weight": POOL_WEIGHTS[band] if band else WEIGHT_OF_UNTRIED,
        }


NOBODY: Final = Attempts()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of problems beside their rows."""

    attempts: Mapping[str, Attempts] = field(default_factory=dict)
    flags: Mapping[str, str] | None = None
    """What reference solutions said of the tests; ``None``: nobody asked them."""
    untrusted: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Task:
    """A problem that meets every rule."""

    row: Mapping[str, Any]
    dataset: str
    prompt: str
    function: str | None
    inputs: Sequence[str]
    outputs: Sequence[str]
    cases: Sequence[Case]
    attempts: Attempts
    language: Language

    @property
    def turns(self) -> list[dict[str, str]]:
        return [{"role": "user", "content": self.prompt}]

    @property
    def unit_tests(self) -> dict[str, Any]:
        return {"inputs": list(self.inputs), "outputs": list(self.outputs)}

    @property
    def difficulty(self) -> str | None:
        """The word or the rating of the source."""
        rating = self.row["rating"]
        return self.row["difficulty"] or (str(rating) if rating is not None else None)


TestsOf = Callable[[Sequence[str]], Mapping[str, Sequence[Mapping[str, Any]]]]


def rewards(
    batches: Iterator[pa.RecordBatch],
    tests_of: TestsOf,
    statements: Statements,
    evidence: Evidence,
    options: ExportOptions,
    form: Format,
    left_out: Counter[str],
) -> Iterator[Outcome]:
    """Yield one outcome per problem: a row, or why there is none.

    Parameters
    ----------
    batches
        Problems, few at a time: the tests of a batch are in memory.
    tests_of
        Gives the tests of some problems.
    statements
        Decides which texts may be handed on.
    evidence
        What solutions said of the tests, and what models made of the problems.
    options, form
        What is exported.
    left_out
        Counts tests that are left out of rows, by reason.
    """
    shape = SHAPES[form]
    seen: set[str] = set()
    for batch in batches:
        problems = batch.to_pylist()
        tests = tests_of([problem["problem_id"] for problem in problems if problem["problem_id"]])
        for problem in problems:
            if problem["problem_id"] in seen:
                yield Outcome(Drop.REPEATED)
                continue
            seen.add(problem["problem_id"])
            rule = _Rules(problem, tests.get(problem["problem_id"] or "", ()), evidence, options, form)
            reason = rule.reason(statements)
            cases = [] if reason else rule.cases(left_out)
            reason = reason or rule.reason_of_tests(cases)
            if reason is not None:
                yield Outcome(reason)
                continue
            task = rule.task(cases, statements)
            file, values = shape(task)
            yield Outcome(None, problem["problem_id"], _facets(task), file, values)


@dataclass
class _Rules:
    """The rules of an export, for one problem."""

    problem: Mapping[str, Any]
    tests: Sequence[Mapping[str, Any]]
    evidence: Evidence
    options: ExportOptions
    form: Format
    n_usable: int = 0
    calls: dict[str, str] = field(default_factory=dict)

    @property
    def is_function(self) -> bool:
        return self.mode == IoMode.FUNCTION

    @property
    def mode(self) -> str:
        return self.problem["io_mode"] or IoMode.STDIN

    def reason(self, statements: Statements) -> str | None:
        """Return why the problem is left out, before its tests are looked at."""
        text = self.problem["statement"] or ""
        asks_judge = self.form is Format.PRIME_RL
        checker = self.problem["checker"] or Checker.TOKENS
        has_program = bool(self.problem["checker_code"])
        flags = self.evidence.flags
        flag = None if flags is None else flags.get(self.problem["problem_id"], TrustFlag.UNCHECKED)
        rules = (
            (not text.strip(), Drop.NO_STATEMENT),
            (text == WITHHELD, UNKNOWN_STATEMENT),
            (not statements.may_be_handed_on(self.problem), MAY_NOT_BE_HANDED_ON),
            (self.mode == IoMode.INTERACTIVE, Drop.INTERACTIVE),
            (self.mode == IoMode.FILE and not asks_judge, Drop.FILES),
            (self.mode not in set(IoMode), Drop.MODE),
            (has_program and not asks_judge, Drop.CHECKER),
            (not has_program and checker in {Checker.SPECIAL, Checker.UNKNOWN}, Drop.NO_CHECKER),
            (not has_program and self.options.strict_checkers and checker not in CARRIED[self.form], Drop.CHECKER),
            (self.is_function and not self.problem["function_name"], Drop.FUNCTION),
            (flag == TrustFlag.NO_SOLUTION_PASSES, Drop.UNTRUSTED),
            (flag == TrustFlag.UNCHECKED and self.options.unchecked is Unchecked.DROP, Drop.UNCHECKED),
            (not self.tests, Drop.NO_TESTS),
        )
        return next((reason for applies, reason in rules if applies), None)

    def cases(self, left_out: Counter[str]) -> list[Case]:
        """Return the tests of the row."""
        here: Counter[str] = Counter()
        untrusted = self.evidence.untrusted.get(self.problem["problem_id"], frozenset())
        cases = usable(self.tests, untrusted, here)
        if self.is_function and self.form is not Format.PRIME_RL:
            self.calls = {case.test_id: lines for case in cases if (lines := _lines(case.input)) is not None}
            cases = [case for case in cases if case.test_id in self.calls]
        self.n_usable = len(cases)
        chosen = choose(cases, most_bytes=self.options.test_bytes, most=self.options.max_tests, left_out=here)
        if len(chosen) >= self.options.min_tests:
            left_out.update(here)
        return chosen

    def reason_of_tests(self, cases: Sequence[Case]) -> str | None:
        """Return why the tests do not suffice."""
        least = self.options.min_tests
        if len(cases) >= least:
            return None
        if self.is_function and self.form is not Format.PRIME_RL and not self.calls:
            return Drop.CALLS
        return Drop.TOO_LARGE if self.n_usable >= least else Drop.TOO_FEW

    def task(self, cases: Sequence[Case], statements: Statements) -> _Task:
        """Return the problem as rows are made of it."""
        problem, function = self.problem, self.problem["function_name"] if self.is_function else None
        language = self.options.language or Language.PYTHON
        prompt = solve_prompt(
            problem["statement"],
            language,
            io_mode=self.mode,
            starter_code=problem["starter_code"],
            function_name=function,
        )
        return _Task(
            row=problem,
            dataset=statements.dataset_of(problem),
            prompt=prompt,
            function=function,
            inputs=[self.calls.get(case.test_id, case.input) for case in cases],
            outputs=[_value(case.expected) if function else case.expected for case in cases],
            cases=cases,
            attempts=self.evidence.attempts.get(problem["problem_id"], NOBODY),
            language=language,
        )


def _lines(text: str) -> str | None:
    """Return the arguments of a call as the graders read them: one JSON value a line; ``None`` for no such call."""
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (
        "\n".join(json.dumps(each, ensure_ascii=False) for each in arguments) if isinstance(arguments, list) else None
    )


def _value(text: str) -> str:
    """Return a result as the graders write it before they compare texts."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _facets(task: _Task) -> dict[str, str]:
    row = task.row
    return {
        "source": row["site"] or "",
        "split": row["split"] or "",
        "difficulty": task.difficulty or "",
        "dataset": task.dataset,
        "band": str(task.attempts.band or "unknown"),
        "io_mode": row["io_mode"] or str(IoMode.STDIN),
    }


# ---- shapes ----

TURNS: Final = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
MEASURED: Final = [
    ("n_attempts", pa.int64()),
    ("pass_at_1", pa.float64()),
    ("pass_at_1_by_model", pa.string()),
    ("band", pa.string()),
    ("weight", pa.float64()),
]
BESIDE: Final = [
    ("split", pa.string()),
    ("problem_id", pa.string()),
    ("dataset", pa.string()),
    ("source", pa.string()),
    ("license", pa.string()),
    ("difficulty", pa.string()),
    ("n_tests", pa.int64()),
    *MEASURED,
]
GRADED: Final = pa.schema(
    [
        ("data_source", pa.string()),
        ("prompt", TURNS),
        ("ability", pa.string()),
        ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.large_string())])),
        ("extra_info", pa.struct([("index", pa.int64()), *BESIDE])),
    ]
)
JUDGED_BY_US: Final = (
    "io_mode", "function_name", "starter_code", "input_file", "output_file", "time_limit_s", "memory_limit_mib", "checker",
    "float_tolerance", "checker_language", "checker_protocol", "checker_flags", "checker_code",
)  # fmt: skip
NUMBERS: Final = frozenset({"time_limit_s", "memory_limit_mib", "float_tolerance"})
TASKS: Final = pa.schema(
    [
        ("task_id", pa.string()),
        ("prompt", pa.string()),
        ("language", pa.string()),
        ("tests", pa.list_(pa.struct([("input", pa.string()), ("expected", pa.string())]))),
        *((name, pa.float64() if name in NUMBERS else pa.string()) for name in JUDGED_BY_US),
        *BESIDE,
    ]
)
FEW_ROWS: Final = 64
"""Rows of a row group: each may hold a mebibyte of tests."""
REWARD_TABLES: Final[Mapping[tuple[str, str], Table]] = {
    (Format.VERL, "*"): Table("verl", "Prompts and tests as verl reads them.", GRADED, (), row_group_rows=FEW_ROWS),
    (Format.RLLM, "*"): Table("rllm", "Prompts and tests as rllm reads them.", GRADED, (), row_group_rows=FEW_ROWS),
    (Format.PRIME_RL, "*"): Table(
        "rl_dataset", "Tasks of the verifiers environment beside it.", TASKS, (), row_group_rows=FEW_ROWS
    ),
}
"""Formats that are Parquet."""


def _beside(task: _Task) -> dict[str, Any]:
    row = task.row
    return {
        "split": row["split"] or "",
        "problem_id": row["problem_id"],
        "dataset": task.dataset,
        "source": row["site"] or "",
        "license": row["license"] or "",
        "difficulty": task.difficulty,
        "n_tests": len(task.cases),
        **task.attempts.columns,
    }


def _graded(task: _Task, data_source: str, ground_truth: object) -> dict[str, Any]:
    return {
        "data_source": data_source,
        "prompt": task.turns,
        "ability": "code",
        "reward_model": {"style": "rule", "ground_truth": json.dumps(ground_truth, ensure_ascii=False)},
        "extra_info": _beside(task),
    }


def _verl(task: _Task) -> tuple[str, dict[str, Any]]:
    called = {"fn_name": task.function} if task.function else {}
    return "train", _graded(task, VERL_SOURCES.get(task.dataset, "codecontests"), task.unit_tests | called)


def _rllm(task: _Task) -> tuple[str, dict[str, Any]]:
    """Give two lists to the graders that take them; those lose the function's name above 15 tests."""
    if task.dataset in RLLM_LISTS and not task.function:
        return "train", _graded(task, task.dataset, task.unit_tests)
    kind = "functional" if task.function else "stdin"
    tests = [
        {"input": given, "output": expected, "testtype": kind, "metadata": {"func_name": task.function}}
        for given, expected in zip(task.inputs, task.outputs, strict=True)
    ]
    is_codeforces = task.dataset == "codeforces" and not task.function
    return "train", _graded(task, task.dataset if is_codeforces else RLLM_OTHER, tests)


def _nemo_gym(task: _Task) -> tuple[str, dict[str, Any]]:
    beside = _beside(task)
    return "train", {
        "responses_create_params": {"input": task.turns},
        "verifier_metadata": {
            "unit_tests": task.unit_tests | {"fn_name": task.function},
            **({"difficulty": task.difficulty} if task.difficulty else {}),
        },
        "hash_id": hashlib.sha256(beside["problem_id"].encode()).hexdigest()[:ID_DIGITS],
        **{name: beside[name] for name in beside if name != "difficulty"},
    }


def _prime_rl(task: _Task) -> tuple[str, dict[str, Any]]:
    return "rl_dataset", {
        "task_id": task.row["problem_id"],
        "prompt": task.prompt,
        "language": str(task.language),
        "tests": [{"input": case.input, "expected": case.expected} for case in task.cases],
        **{name: task.row[name] for name in JUDGED_BY_US},
        **_beside(task),
    }


SHAPES: Final[Mapping[str, Callable[[_Task], tuple[str, dict[str, Any]]]]] = {
    Format.VERL: _verl,
    Format.RLLM: _rllm,
    Format.NEMO_GYM: _nemo_gym,
    Format.PRIME_RL: _prime_rl,
}
