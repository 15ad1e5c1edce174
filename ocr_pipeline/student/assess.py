"""Tries a student on a benchmark: direct, chain of thought, plan sampling, every selection method; one stored table for all.

``student_candidates`` holds every program with what is known of it; ``student_evaluation`` follows from it alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.errors import InputError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.student.benchmark import Benchmark
from ocr_pipeline.student.evaluation import FINAL_SAMPLINGS, PLAN_TRIAL, Method
from ocr_pipeline.student.examine import Examiner
from ocr_pipeline.student.folds import folds_of, tasks_of
from ocr_pipeline.student.generation import LocalStudent, Sampling, ServedStudent, Student
from ocr_pipeline.student.patience import Budgets
from ocr_pipeline.student.plan_sampling import ExampleScore, PlanSamplingConfig, best_of_first, sample_with_plans
from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.student.ranker import LabelledProgram, RankerConfig, require_ranker, train_ranker
from ocr_pipeline.student.sampling import Candidate, sample_codes
from ocr_pipeline.student.selection import evaluate_selections, mean_tokens
from ocr_pipeline.student.self_critique import with_critiques
from ocr_pipeline.tables import ACCEPTED, NOT_RUN, STUDENT_CANDIDATES, STUDENT_EVALUATION, Language
from ocr_pipeline.tasks import CHAIN_OF_THOUGHT

__all__ = [
    "PLAN_CURVE",
    "AssessConfig",
    "assess",
    "by_sampling",
    "evaluate_candidates",
    "try_benchmark",
    "try_in_languages",
    "with_ranker_scores",
]

PLAN_CURVE: Final = "plan_sampling_of_"
"""Method of plan sampling with only so many plans."""
RANKER_FOLDS: Final = 2
THOUGHT_SEED_OFFSET: Final = 104_729
"""Keeps the programs after an explanation apart from the direct ones of the same problem."""
UNKNOWN: Final = ExampleScore(0, 0)


@dataclass(frozen=True, slots=True)
class AssessConfig:
    """How a student is tried."""

    benchmark: str
    n: int = 10
    """Programs per problem by direct sampling."""
    sampling: Sampling = Sampling(seed=0)  # noqa: RUF009 - a frozen value
    plan_sampling: PlanSamplingConfig | None = None
    """``None``: no plan sampling."""
    chain_of_thought: bool = False
    """Also draw programs after an explanation, as many as directly: CodePLAN's baseline."""
    self_critique: Sampling | None = None
    """How the student is asked whether its own programs are right; ``None``: it is not."""
    ranker: RankerConfig = RankerConfig()  # noqa: RUF009 - a frozen value
    budgets: Budgets | None = None
    """Most tokens of an answer by difficulty; ``None``: the sampling's for all."""


def assess(problems: Sequence[AskedProblem], student: Student, examiner: Examiner, config: AssessConfig) -> pa.Table:
    """Return ``student_candidates`` of one student: direct programs, and those of plan sampling with their trials."""
    if config.budgets is not None:
        problems = [replace(each, budget=config.budgets.of(each.difficulty)) for each in problems]
    direct = sample_codes(problems, student, n=config.n, sampling=config.sampling)
    tables = [_judged(direct, Method.DIRECT.value, student.name, config.benchmark, examiner)]
    if config.chain_of_thought:
        told = [replace(each, wording=CHAIN_OF_THOUGHT) for each in problems]
        sampling = replace(config.sampling, seed=config.sampling.seed + THOUGHT_SEED_OFFSET)
        explained = sample_codes(told, student, n=config.n, sampling=sampling)
        tables.append(_judged(explained, Method.CHAIN_OF_THOUGHT.value, student.name, config.benchmark, examiner))
    if config.plan_sampling is not None:
        planned = sample_with_plans(problems, student, config=config.plan_sampling, score=examiner.examples)
        trials = _rows(planned.trials, planned.scores, {}, PLAN_TRIAL, student.name, config.benchmark)
        tables += [
            _table(trials),
            _judged(planned.finals, Method.PLAN_SAMPLING.value, student.name, config.benchmark, examiner),
        ]
    found = pa.concat_tables(tables)
    if config.self_critique is None:
        return found
    statements = {each.problem_id: each.statement for each in problems}
    return with_critiques(found, statements, student, config.self_critique)


def try_benchmark(benchmark: Benchmark, student: Student, config: AssessConfig, judge: JudgeConfig) -> pa.Table:
    """Return ``student_candidates`` of one student on a benchmark, with the scores of a ranker."""
    require_ranker(config.ranker)
    statements = {problem.problem_id: problem.statement for problem in benchmark.asked}
    found = assess(benchmark.asked, student, benchmark.examiner(judge), config)
    return with_ranker_scores(found, statements, config.ranker)


def try_in_languages(
    benchmark: Benchmark,
    student: LocalStudent | ServedStudent,
    languages: Sequence[Language],
    config: AssessConfig,
    judge: JudgeConfig,
) -> pa.Table:
    """Return ``student_candidates``, asked in the student's own words; several languages are a benchmark each."""
    tables = []
    for language in languages:
        name = f"{benchmark.name}/{language}" if len(languages) > 1 else benchmark.name
        told = benchmark.told(student.wording, language, name)
        tables.append(try_benchmark(told, student, replace(config, benchmark=name), judge))
    return pa.concat_tables(tables)


def _judged(
    candidates: Sequence[Candidate], sampling: str, student: str, benchmark: str, examiner: Examiner
) -> pa.Table:
    answered = [each for each in candidates if each.is_answered]
    scores, verdicts = examiner.examples(answered), examiner.verdicts(answered)
    return _table(_rows(candidates, scores, verdicts, sampling, student, benchmark))


def _table(rows: Iterator[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=STUDENT_CANDIDATES.schema)


def _rows(
    candidates: Sequence[Candidate],
    scores: Mapping[str, ExampleScore],
    verdicts: Mapping[str, str],
    sampling: str,
    student: str,
    benchmark: str,
) -> Iterator[dict[str, Any]]:
    for each in candidates:
        score = scores.get(each.sample_id, UNKNOWN)
        yield {
            "student": student,
            "benchmark": benchmark,
            "problem_id": each.problem_id,
            "sampling": sampling,
            "sample_id": each.sample_id,
            "code": each.code,
            "plan": each.plan,
            "plan_index": each.plan_index,
            "reasoning_tokens": each.reasoning_tokens,
            "examples_passed": score.passed,
            "examples_total": score.total,
            "outputs_key": score.outputs_key,
            "ranker_score": None,
            "critique": None,
            "judgement": None,
            "critic": None,
            "verdict": verdicts.get(each.sample_id, NOT_RUN),
            "language": each.language.value,
            "difficulty": each.difficulty,
            "tokens": each.tokens,
            "extra_tokens": each.extra_tokens,
            "dropped_tokens": each.dropped_tokens,
            "finish_reason": each.finish_reason,
            "budget": each.budget,
        }


def evaluate_candidates(rows: pa.Table) -> pa.Table:
    """Return ``student_evaluation``: every sampling, and every selection among the programs of each."""
    parts = by_sampling(rows)
    sampled = [record for method, part in parts for record in _evaluated(part, method)]
    chosen = (evaluate_selections(part, sampling=method) for method, part in parts if not method.startswith(PLAN_CURVE))
    return pa.concat_tables([pa.Table.from_pylist(sampled, schema=STUDENT_EVALUATION.schema), *chosen])


def by_sampling(rows: pa.Table) -> list[tuple[str, pa.Table]]:
    """Return the programs of each way of sampling; of plan sampling those below the best plan, not those that tried plans."""
    names = (Method.DIRECT, Method.CHAIN_OF_THOUGHT)
    return [*((name.value, rows.filter(pc.equal(rows["sampling"], name))) for name in names), *_planned(rows)]


def _planned(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield the final programs below the best plan of all, and, where they were drawn, of the first 1, 2, … plans."""
    groups: dict[tuple[str, str], list[tuple[str, int, bool, int]]] = defaultdict(list)
    trials = rows.filter(pc.equal(rows["sampling"], PLAN_TRIAL)).drop_columns(["code", "plan"])
    for row in trials.to_pylist():
        passed, total = row["examples_passed"], row["examples_total"]
        mark = (row["problem_id"], row["plan_index"] or 0, 0 < total == passed, passed)
        groups[row["student"], row["benchmark"]].append(mark)
    finals = rows.filter(pc.equal(rows["sampling"], Method.PLAN_SAMPLING.value))
    for (student, benchmark), tried in sorted(groups.items()):
        own = finals.filter((pc.field("student") == student) & (pc.field("benchmark") == benchmark))
        drawn = list(zip(own["problem_id"].to_pylist(), own["plan_index"].to_pylist(), strict=True))
        plans = 1 + max(index for _, index, _, _ in tried)
        bests = [best_of_first(tried, first) for first in range(1, plans + 1)]
        known = set(drawn)
        has_curve = plans > 1 and all(set(best.items()) <= known for best in bests)
        for first, best in enumerate(bests, start=1):
            part = own.filter(pa.array([best.get(problem) == index for problem, index in drawn], pa.bool_()))
            if first == plans:
                yield Method.PLAN_SAMPLING.value, part
            if has_curve:
                yield f"{PLAN_CURVE}{first}", part


def _evaluated(rows: pa.Table, method: str) -> Iterator[dict[str, Any]]:
    problems: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows.drop_columns(["code", "plan"]).to_pylist():
        problems[row["student"], row["benchmark"], row["problem_id"]].append(row)
    for (student, benchmark, problem_id), found in sorted(problems.items()):
        verdicts = Counter(row["verdict"] for row in found)
        yield {
            "student": student,
            "benchmark": benchmark,
            "problem_id": problem_id,
            "method": str(method),
            "n": len(found) - verdicts[NOT_RUN],
            "correct": verdicts[ACCEPTED],
            "not_run": verdicts[NOT_RUN],
            "reasoning_tokens_mean": sum(row["reasoning_tokens"] for row in found) / len(found),
            "language": found[0]["language"],
            "difficulty": found[0]["difficulty"],
            "tokens_mean": mean_tokens(row["tokens"] for row in found if row["verdict"] != NOT_RUN),
        }


def with_ranker_scores(
    rows: pa.Table,
    statements: Mapping[str, str],
    config: RankerConfig,
    *,
    learn_from: Sequence[LabelledProgram] | None = None,
) -> pa.Table:
    """Fill ``ranker_score`` of what is handed in, by a ranker that saw neither the task of a problem nor the program.

    Without programs to learn from the tasks are split in two; each half is scored by the ranker that was trained on
    the verdicts of the other half. Where one half has nothing to learn from, the rows have no scores, older ones neither.

    Parameters
    ----------
    rows
        ``student_candidates``.
    statements
        Of their problems, by id.
    config
        Which ranker.
    learn_from
        Judged programs for other problems; those for the same ones, and programs that are scored, are left out.

    Raises
    ------
    InputError
        When ``learn_from`` holds nothing, or nothing of two kinds, for other problems.
    """
    asked = [
        LabelledProgram(statements[row["problem_id"]], row["code"], row["verdict"], row["problem_id"])
        for row in rows.to_pylist()
        if row["sampling"] in FINAL_SAMPLINGS
    ]
    if learn_from is None:
        fold = folds_of((each.problem for each in asked), RANKER_FOLDS)
        halves = [[each for each in asked if fold[each.problem] == held_out] for held_out in range(RANKER_FOLDS)]
        turns = [(_unseen(seen, half), half) for half, seen in zip(halves, reversed(halves), strict=True) if half]
    else:
        task = tasks_of(each.problem for each in (*asked, *learn_from))
        scored = {task[each.problem] for each in asked}
        turns = [(_unseen([each for each in learn_from if task[each.problem] not in scored], asked), asked)]
        if not _can_learn(turns[0][0]):
            raise InputError(
                f"of {len(learn_from):,} programs to learn from, {len(turns[0][0]):,} are new and for other problems, and "
                "among these the ranker needs right and wrong ones; give other programs, or leave --learn-from out"
            )
    scores: dict[tuple[str, str], float] = {}
    if all(_can_learn(seen) for seen, _ in turns):
        for seen, half in turns:
            distinct = list(dict.fromkeys((each.statement, each.code) for each in half))
            scores |= zip(distinct, train_ranker(seen, config).scores(distinct), strict=True)
    position = rows.schema.get_field_index("ranker_score")
    column = [
        scores.get((statements[row["problem_id"]], row["code"])) if row["sampling"] in FINAL_SAMPLINGS else None
        for row in rows.to_pylist()
    ]
    return rows.set_column(position, rows.schema.field(position), pa.array(column, pa.float64()))


def _unseen(programs: Sequence[LabelledProgram], scored: Sequence[LabelledProgram]) -> list[LabelledProgram]:
    """Leave out programs that will be scored: subtasks and twins of a problem get the same ones."""
    known = {each.words for each in scored}
    return [each for each in programs if each.words not in known]


def _can_learn(programs: Sequence[LabelledProgram]) -> bool:
    verdicts = {each.verdict for each in programs} - {NOT_RUN}
    return ACCEPTED in verdicts and len(verdicts) > 1
