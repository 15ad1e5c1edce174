"""Reads what is known of some problems: sizes of their tests, and the programs that are chosen to be run on them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.made_checkers import decides_by_model
from ocr_pipeline.quality.options import QualityConfig
from ocr_pipeline.quality.problems import LeftOut, MeasuredProblem, Program
from ocr_pipeline.store import rows_of_problems
from ocr_pipeline.tables import JUDGED_LANGUAGES, Checker

__all__ = ["Inputs", "Lookup", "listed", "nothing", "read_programs", "read_samples", "read_tests"]

Lookup = Callable[[Collection[str]], Iterable[pa.RecordBatch]]
"""Gives the rows of some problems; other rows are ignored."""
Row = dict[str, Any]


def nothing(_: Collection[str]) -> Iterable[pa.RecordBatch]:
    """Give no rows."""
    return ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """What tests are measured from."""

    problems: Iterable[pa.RecordBatch]
    """As the judge takes them."""
    tests: Lookup
    """Those of the source: problem_id, test_id, input, expected."""
    generated: Lookup
    """Those that were made, with the same columns."""
    programs: Lookup
    """problem_id, solution_id, language, code, is_correct; programs of unknown verdict are left out."""
    samples: Lookup = nothing
    """Programs of the teacher's: sample_id, problem_id, language, code."""
    trust: Iterable[pa.RecordBatch] = ()
    """``test_trust``: tests that reference solutions fail are left out, as they are when samples are judged."""

    def every_test(self, problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Give the tests of both kinds."""
        yield from self.tests(problem_ids)
        yield from self.generated(problem_ids)


def listed(problems: pa.RecordBatch, flagged: Mapping[str, Sequence[Row]]) -> dict[str, MeasuredProblem]:
    """Return some problems by their ids, with the tests that nobody trusts."""
    names = problems.column("problem_id").to_pylist()
    made = (
        {row["problem_id"] for row in problems.to_pylist() if decides_by_model(row)}
        if "checker_protocol" in problems.schema.names
        else ()
    )
    checkers = problems.column("checker").to_pylist() if "checker" in problems.schema.names else [""] * len(names)
    return {
        name: MeasuredProblem(
            name,
            untrusted={row["test_id"] for row in flagged.get(name, ())} - {None},
            takes_several=checker == Checker.SPECIAL,
            has_made_checker=name in made,
        )
        for name, checker in zip(names, checkers, strict=True)
    }


def read_tests(problems: Mapping[str, MeasuredProblem], inputs: Inputs) -> None:
    """Take the sizes of both kinds of tests, and see whether they contradict each other."""
    outputs: dict[tuple[str, str], list[str]] = {}
    for lookup, is_made in ((inputs.tests, False), (inputs.generated, True)):
        for row in rows_of_problems(lookup(list(problems)), problems, ("problem_id", "test_id", "input", "expected")):
            problem = problems[row["problem_id"]]
            given, expected = row["input"] or "", row["expected"] or ""
            if row["test_id"] in problem.source or row["test_id"] in problem.generated:
                raise InputError(
                    f"problem {problem.problem_id} has test {row['test_id']} twice; give each of its tests another "
                    "test_id, those of generated_tests too"
                )
            kept = problem.generated if is_made else problem.source
            kept[row["test_id"]] = len(given.encode("utf-8", "replace")) + len(expected.encode("utf-8", "replace"))
            if row["test_id"] not in problem.untrusted and not problem.takes_several:
                first = outputs.setdefault((problem.problem_id, given), expected.split())
                problem.is_contradictory |= first != expected.split()


def read_programs(problems: Mapping[str, MeasuredProblem], programs: Lookup, config: QualityConfig) -> None:
    """Take programs of known verdict, each text once, as many as are wanted."""
    columns = ("problem_id", "solution_id", "language", "code", "is_correct")
    for row in rows_of_problems(programs(list(problems)), problems, columns):
        problem = problems[row["problem_id"]]
        if row["is_correct"] is None:
            problem.left_out[LeftOut.UNKNOWN_VERDICT] += 1
        else:
            program = Program(row["solution_id"], row["language"], row["code"] or "", row["is_correct"])
            problem.programs.append(program)
    for problem in problems.values():
        problem.texts = {(one.language, _plain(one.code)) for one in problem.programs}
        once = _each_text_once(problem)
        right = _chosen([one for one in once if one.is_right], config.right_programs)
        wrong = _chosen([one for one in once if not one.is_right], config.wrong_programs)
        problem.programs = [*right, *wrong]
        problem.left_out[LeftOut.OVER_THE_LIMIT] += len(once) - len(problem.programs)


def read_samples(problems: Mapping[str, MeasuredProblem], samples: Lookup, config: QualityConfig) -> None:
    """Take samples of problems with tests of two origins: a test says nothing of itself."""
    wanted = {name for name, problem in problems.items() if problem.source and problem.generated}
    if not config.sampled_programs or not wanted:
        return
    found: dict[str, dict[tuple[str, str], Program]] = defaultdict(dict)
    for row in rows_of_problems(samples(sorted(wanted)), wanted, ("sample_id", "problem_id", "language", "code")):
        program = Program(row["sample_id"], row["language"], row["code"] or "", is_right=False)
        is_known = (program.language, _plain(program.code)) in problems[row["problem_id"]].texts
        if program.code and program.language in JUDGED_LANGUAGES and not is_known:
            found[row["problem_id"]].setdefault((program.language, program.code), program)
    for name, programs in found.items():
        problems[name].samples = _chosen(list(programs.values()), config.sampled_programs)


def _each_text_once(problem: MeasuredProblem) -> list[Program]:
    """Return the first program of each text; a text that is given as right and as wrong is neither."""
    texts: dict[tuple[str, str], list[Program]] = defaultdict(list)
    for program in problem.programs:
        texts[program.language, program.code].append(program)
    once: list[Program] = []
    for same in texts.values():
        if len({one.is_right for one in same}) > 1:
            problem.left_out[LeftOut.CONTRADICTORY_LABEL] += len(same)
        else:
            problem.left_out[LeftOut.SAME_TEXT] += len(same) - 1
            once.append(same[0])
    return once


def _chosen(programs: list[Program], most: int | None) -> list[Program]:
    """Choose programs, first those that the judge runs, fairly and always the same."""
    ordered = sorted(programs, key=lambda one: (one.language not in JUDGED_LANGUAGES, _drawn(one), one.name))
    return ordered[:most]


def _plain(code: str) -> str:
    """Return a program without what its meaning does not depend on: ends of lines, and empty ones."""
    return "\n".join(line.rstrip() for line in code.splitlines() if line.strip())


def _drawn(program: Program) -> str:
    return hashlib.sha256(program.code.encode("utf-8", "surrogatepass")).hexdigest()
