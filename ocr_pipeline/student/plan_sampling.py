"""Plan sampling: try several plans on the problem's examples, let the best one guide the final programs.

The procedure of the CodePLAN paper (arXiv 2403.13271 and its released code: 20 plans, 10 programs each, temperature 0.6).
Which plan is best is decided by example tests alone; the hidden tests are never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ocr_pipeline.errors import InputError
from ocr_pipeline.student.generation import Sampling, Student
from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.student.sampling import Candidate, sample_codes, sample_plans

__all__ = ["ExampleScore", "PlanSampling", "PlanSamplingConfig", "best_of_first", "sample_with_plans"]

DEFAULT_SAMPLING: Final = Sampling()
FINAL_SEED_OFFSET: Final = 7_919
"""Keeps the final programs apart from the trial ones of the same plan."""


@dataclass(frozen=True, slots=True)
class ExampleScore:
    """How a candidate did on the example tests of its problem, and what it printed there."""

    passed: int
    total: int
    outputs_key: str | None = None
    """Hash of what it printed on all examples; ``None`` when it did not end well on one of them."""

    @property
    def passes_all(self) -> bool:
        """Every example is passed, and there is one."""
        return 0 < self.total == self.passed


Score = Callable[[Sequence[Candidate]], Mapping[str, ExampleScore]]
"""Runs candidates on the examples of their problems; the result is by sample id."""


@dataclass(frozen=True, slots=True)
class PlanSamplingConfig:
    """How many plans, trial programs and final programs; the defaults are the paper's where it says."""

    plans: int = 20
    codes_per_plan: int = 10
    final_codes: int = 10
    sampling: Sampling = DEFAULT_SAMPLING
    curve: bool = False
    """Also draw final programs with every plan that is the best of the first 1, 2, … plans: N = 1…k from one run."""

    def __post_init__(self) -> None:
        """Refuse counts that try nothing.

        Raises
        ------
        InputError
            When a count is below 1.
        """
        if min(self.plans, self.codes_per_plan, self.final_codes) < 1:
            raise InputError(f"plan sampling needs at least one plan, trial and final program each, not {self}")


@dataclass(frozen=True, slots=True)
class PlanSampling:
    """The final programs, and the trials that chose their plan."""

    finals: tuple[Candidate, ...]
    trials: tuple[Candidate, ...]
    scores: Mapping[str, ExampleScore]
    chosen: Mapping[str, int]
    """Problem id -> index of the plan that guides its final programs."""


def sample_with_plans(
    problems: Sequence[AskedProblem], student: Student, *, config: PlanSamplingConfig, score: Score
) -> PlanSampling:
    """Draw plans, try each on the examples, and draw the final programs with the best one."""
    plans = sample_plans(problems, student, n=config.plans, sampling=config.sampling)
    trials = tuple(sample_codes(problems, student, n=config.codes_per_plan, sampling=config.sampling, plans=plans))
    scores = score(trials)
    marks = {each.sample_id: (scores[each.sample_id].passes_all, scores[each.sample_id].passed) for each in trials}
    tried = [(each.problem_id, each.plan_index or 0, *marks[each.sample_id]) for each in trials]
    firsts = range(1, config.plans + 1) if config.curve else [config.plans]
    bests = [best_of_first(tried, first) for first in firsts]
    wanted = {problem: sorted({best[problem] for best in bests}) for problem in bests[-1]}
    texts = {problem: tuple(plans[problem][index] for index in indices) for problem, indices in wanted.items()}
    final_sampling = replace(config.sampling, seed=config.sampling.seed + FINAL_SEED_OFFSET)
    finals = sample_codes(problems, student, n=config.final_codes, sampling=final_sampling, plans=texts)
    return PlanSampling(
        finals=tuple(replace(each, plan_index=wanted[each.problem_id][each.plan_index or 0]) for each in finals),
        trials=trials,
        scores=scores,
        chosen=bests[-1],
    )


def best_of_first(trials: Iterable[tuple[str, int, bool, int]], first: int) -> dict[str, int]:
    """Return per problem the best of its first plans: most programs that pass every example, then most examples, then the first.

    Parameters
    ----------
    trials
        Problem, number of the plan, whether the program passes every example, and how many it passes.
    first
        How many plans are looked at.
    """
    tried: dict[str, dict[int, tuple[int, int]]] = {}
    for problem, index, passes_all, passed in trials:
        if index < first:
            whole, part = tried.setdefault(problem, {}).get(index, (0, 0))
            tried[problem][index] = (whole + passes_all, part + passed)
    return {
        problem: max(sorted(results), key=lambda index, results=results: results[index])  # type: ignore[misc]
        for problem, results in sorted(tried.items())
    }
