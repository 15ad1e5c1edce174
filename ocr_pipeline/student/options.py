"""How students are tried, and on what: the options and presets of evaluation, for its asset and its commands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from pydantic import field_validator

from ocr_pipeline.asking import Connection
from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.judge.policy import TestsPolicy
from ocr_pipeline.options import Options, option, optional
from ocr_pipeline.student.ablation import AblationConfig
from ocr_pipeline.student.arms import Arm
from ocr_pipeline.student.assess import AssessConfig
from ocr_pipeline.student.config import Objective, StudentOptions
from ocr_pipeline.student.edge import Quantization
from ocr_pipeline.student.evaluation import Method, Window
from ocr_pipeline.student.generation import Sampling, WhenCut
from ocr_pipeline.student.patience import Budgets
from ocr_pipeline.student.plan_sampling import PlanSamplingConfig
from ocr_pipeline.student.ranker import LINEAR, RankerConfig
from ocr_pipeline.tables import Language
from ocr_pipeline.tasks import Wording, wording

__all__ = [
    "EVALUATIONS",
    "AblationOptions",
    "AskOptions",
    "EdgeOptions",
    "EvaluateOptions",
    "EvaluationChoice",
    "EvaluationOptions",
    "EvaluationPreset",
    "EvaluationRecipe",
    "JointStudentOptions",
    "SelectOptions",
    "StudentServer",
    "SummaryOptions",
    "TrialOptions",
    "TryOptions",
    "WindowOptions",
]


class JointStudentOptions(StudentOptions):
    """A recipe whose student learns code and plans together, unless something else is asked for."""

    objective: Objective | None = option(Objective.JOINT, "What is learnt; none: the recipe's")
    as_benchmark: bool = option(
        False,
        "Rows of sft_dataset ask as a benchmark of their problems and tests does: with a test as a call where no "
        "starter code says how (MBPP)",
    )


class StudentServer(Connection):
    """Where students answer that are not folders on this machine."""

    urls: tuple[str, ...] = option(
        (),
        "Base URL of a server of students, again for each equal one; none: folders",
        affects_output=False,
        also="url",
    )
    opens_thought: bool | None = option(
        None, "The server's chat template opens the thought, so that no answer does; none: the answers tell it"
    )


class AskOptions(Options):
    """In which words and for which languages students are asked."""

    prompt: str | None = option(
        None,
        "Words of a student that does not say in which it was taught: codeplan, opencodereasoning, statement, or a file; "
        "none: its own, or codeplan",
    )
    languages: tuple[Language, ...] = option(
        (),
        "Programming language to ask for, again for each; none: those that it was taught, or python",
        also="language",
    )

    @property
    def wording(self) -> Wording | None:
        """The words that are named."""
        return None if self.prompt is None else wording(self.prompt)

    def languages_of(self, taught: tuple[Language, ...]) -> tuple[Language, ...]:
        """Return the languages that a student is asked for.

        Raises
        ------
        InputError
            When a language is asked for that the student was not taught.
        """
        unknown = _untaught(self.languages, taught)
        if unknown:
            raise InputError(f"the student was taught {', '.join(taught)}, not {unknown}; leave --language out")
        return self.languages or taught or (Language.PYTHON,)


def _untaught(asked: Collection[Language], taught: Collection[Language]) -> str:
    """Name what is asked for and was not taught; where nobody knows what was taught, that is nothing."""
    return ", ".join(each for each in asked if taught and each not in taught)


class WindowOptions(Options):
    """Which days of a benchmark count."""

    since: date | None = option(None, "First contest day, as 2024-08-01; none: problems of any day")
    until: date | None = option(None, "Last contest day; none: problems of any day")

    @property
    def window(self) -> Window | None:
        """The days that are asked for."""
        if self.since is None and self.until is None:
            return None
        return Window(self.since or date.min, self.until or date.max)


class Estimates(Options):
    """What is estimated."""

    k: str = option("1,5", "The k of pass@k, separated by commas")
    by_difficulty: bool = option(False, "Also estimate for the problems of each difficulty")

    @field_validator("k")
    @classmethod
    def _is_a_list(cls, text: str) -> str:
        if not all(part.strip().isdecimal() and int(part) > 0 for part in text.split(",")):
            message = f"k must be positive numbers such as 1,5,10, got `{text}`"
            raise ValueError(message)
        return text

    @property
    def ks(self) -> list[int]:
        """Every k, ascending."""
        return sorted({int(part) for part in self.k.split(",")})


class SummaryOptions(Estimates):
    """What is estimated again."""

    k: str = option("1", "The k of pass@k, separated by commas")


class RankerOptions(Estimates):
    """What ranks programs, and how critics are asked about them."""

    temperature: float = option(0.6, "Sampling temperature; 0 is greedy", ge=0)
    top_p: float = option(0.95, "Share of the likeliest tokens that are drawn from", gt=0, le=1)
    seed: int = option(0, "Seed of everything")
    critique_tokens: int = option(24_000, "Longest critique; the default is OpenCodeReasoning-2's", unit="tokens", ge=1)
    ranker: str = option(
        LINEAR, "Ranker: linear, or hub id or folder of an encoder to fine-tune, such as microsoft/codebert-base"
    )
    ranker_epochs: int = option(30, "Epochs of an encoder as ranker; the default is CodeRanker's", ge=1)

    def ranker_config(self) -> RankerConfig:
        """Return which ranker is trained, and how."""
        return RankerConfig(self.ranker, self.ranker_epochs, seed=self.seed)


class SelectOptions(RankerOptions):
    """How stored programs are chosen among."""

    k: str = option("1", "The k of pass@k, separated by commas")


class TrialOptions(RankerOptions):
    """How often a student is asked, and how."""

    n: int = option(5, "Programs per problem", ge=1)
    plans: int = option(0, "Plans per problem; 0 leaves plan sampling out", ge=0)
    codes_per_plan: int = option(2, "Programs that try each plan", ge=1)
    plan_curve: bool = option(False, "Also estimate plan sampling with the first 1, 2, … plans, from the same run")
    max_tokens: int = option(1_024, "Longest answer", unit="tokens", ge=1)
    budgets: str | None = option(
        None, "Most tokens of an answer by difficulty, such as easy=2000,hard=8000,else=4000; none: max_tokens for all"
    )
    when_cut: WhenCut = option(
        WhenCut.KEEP,
        "What becomes of an answer that reached its limit: keep, continue it, or restart with another seed",
    )
    extra_tokens: int = option(1_024, "Most tokens more for a cut answer", unit="tokens", ge=1)
    chain_of_thought: bool = option(
        False, "Also draw programs after an explanation: the baseline of plan sampling (prompt chain_of_thought)"
    )
    self_critique: bool = option(False, "Let the student say which of its own programs are right")

    @field_validator("budgets")
    @classmethod
    def _are_budgets(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                Budgets.read(text)
            except OptionError as error:
                raise ValueError(str(error)) from None
        return text

    def assess(self, benchmark: str) -> AssessConfig:
        """Return how a student is tried on a benchmark."""
        sampling = Sampling(self.temperature, self.top_p, self.max_tokens, self.seed, self.when_cut, self.extra_tokens)
        planned = (
            PlanSamplingConfig(self.plans, self.codes_per_plan, self.n, sampling, self.plan_curve)
            if self.plans
            else None
        )
        critique = replace(sampling, max_tokens=self.critique_tokens) if self.self_critique else None
        return AssessConfig(
            benchmark,
            n=self.n,
            sampling=sampling,
            plan_sampling=planned,
            chain_of_thought=self.chain_of_thought,
            self_critique=critique,
            ranker=self.ranker_config(),
            budgets=None if self.budgets is None else Budgets.read(self.budgets),
        )


class TryOptions(TrialOptions):
    """How the tiny students of the sample are trained and tried."""

    plans: int = option(2, "Plans per problem; 0 leaves plan sampling out", ge=0)
    max_tokens: int = option(256, "Longest answer", unit="tokens", ge=1)
    epochs: float | None = option(None, "Epochs instead of the recipe's", gt=0)


class EvaluateOptions(Estimates, WindowOptions):
    """What judged samples are called, and which of them count."""

    k: str = option(..., "The k of pass@k, separated by commas")
    student: str = option("student", "Name of the student in the tables")
    benchmark: str = option("benchmark", "Name of the benchmark in the tables")
    method: Method = option(Method.DIRECT, "How the answers were chosen")


class EvaluationRecipe(TrialOptions, WindowOptions):
    """How a benchmark is asked: everything that its published numbers depend on."""

    split: str | None = option(None, "Only problems of this split, such as test; none: of all")


class EvaluationPreset(StrEnum):
    """A benchmark as it is published."""

    QUICK = "quick"
    LCB = "lcb-v5-2408-2502"
    CODE_CONTESTS = "codecontests"
    IOI = "ioi"
    APPS = "apps"
    MBPP = "mbpp"
    HUMANEVAL = "humaneval"


# OpenCodeReasoning (arXiv 2504.01943): T 0.6, top-p 0.95, 30,720 tokens; 64 runs of LiveCodeBench, 16 of CodeContests.
_PUBLISHED: Final = EvaluationRecipe(k="1", temperature=0.6, top_p=0.95, max_tokens=30_720, by_difficulty=True)
# EvalPlus: one greedy answer. A reasoning student needs the room of its thoughts.
_GREEDY: Final = _PUBLISHED.replaced(n=1, temperature=0.0, split="test")

EVALUATIONS: Final[Mapping[EvaluationPreset, EvaluationRecipe]] = MappingProxyType(
    {
        EvaluationPreset.QUICK: EvaluationRecipe(),
        EvaluationPreset.LCB: _PUBLISHED.replaced(n=64, since=date(2024, 8, 1), until=date(2025, 2, 1)),
        EvaluationPreset.CODE_CONTESTS: _PUBLISHED.replaced(n=16, split="test"),
        # Best of 8 by subtask: `student score` reads the judged programs; pass@8 is whole problems.
        EvaluationPreset.IOI: _PUBLISHED.replaced(n=8, k="1,8"),
        # CodePLAN (arXiv 2403.13271): 20 plans, 10 programs each, 100 final programs, pass@1, 5 and 100.
        EvaluationPreset.APPS: _PUBLISHED.replaced(
            n=100, k="1,5,100", plans=20, codes_per_plan=10, max_tokens=1_024, split="test"
        ),
        EvaluationPreset.MBPP: _GREEDY,
        EvaluationPreset.HUMANEVAL: _GREEDY,
    }
)
"""Named recipes; their tests come from the ingested data set, so HumanEval+ is HumanEval with its tests."""


Changes: Any = optional(EvaluationRecipe)


class EvaluationChoice(Changes):  # type: ignore[misc] # made from EvaluationRecipe, so that nothing is declared twice
    """A recipe of evaluation and what is changed of it."""

    preset: EvaluationPreset = option(
        EvaluationPreset.QUICK, "Recipe: a quick look (n 5, pass@1 and 5), or a benchmark as published"
    )

    @property
    def recipe(self) -> EvaluationRecipe:
        """The recipe with the changes."""
        given = {name: getattr(self, name) for name in Changes.model_fields}
        return EVALUATIONS[self.preset].replaced(**{name: value for name, value in given.items() if value is not None})


class EdgeOptions(Options):
    """How a student becomes one small file, and how it is tried before and after."""

    quantization: Quantization = option(Quantization.Q8_0, "How matrices are written", also="quantize")
    answer_tokens: int = option(1_024, "Longest answer where it is tried", unit="tokens", ge=1)


class AblationOptions(Options):
    """Which parts of the rows are compared, and how their students are tried."""

    arms: tuple[Arm, ...] = option((), "Part of the rows, again for each; none: every part that there is", also="arm")
    selections: tuple[str, ...] = option(
        (),
        "One more arm, again for each: NAME=FILES of a selection, or in a data root the NAME of sft_dataset_NAME",
        also="selection",
    )
    arm_rows: int | None = option(None, "Rows of every arm; none: as many as the smallest has", unit="rows", ge=1)
    training_seeds: int = option(1, "Trainings of every arm, each with its own seed and draw", ge=1)
    evaluation: EvaluationPreset = option(EvaluationPreset.QUICK, "How the students are tried: a preset of evaluation")
    n: int | None = option(None, "Programs per problem; none: the preset's", ge=1)
    k: str = option("1", "The k of pass@k, separated by commas")
    answer_tokens: int | None = option(None, "Longest answer; none: the preset's", unit="tokens", ge=1)
    asked: tuple[Language, ...] = option((), "Language that every student is asked for, again for each; none: python")

    @property
    def ablated(self) -> EvaluationRecipe:
        """The recipe of evaluation with the changes."""
        given = {"n": self.n, "max_tokens": self.answer_tokens}
        changes = {name: value for name, value in given.items() if value is not None}
        return EVALUATIONS[self.evaluation].replaced(k=self.k, **changes)

    def configured(self, training: StudentOptions, judge: JudgeConfig, benchmark: str) -> AblationConfig:
        """Return how every arm is trained and tried.

        Raises
        ------
        OptionError
            When the students are asked for a language that none of them is taught.
        """
        recipe, languages = self.ablated, self.asked or (Language.PYTHON,)
        unknown = _untaught(languages, training.languages)
        if unknown:
            message = f"the students are taught {', '.join(training.languages)}, not {unknown}; give --asked"
            raise OptionError(message)
        return AblationConfig(
            train=training.recipe,
            wording=training.wording,
            assess=recipe.assess(benchmark),
            languages=languages,
            judge=judge,
            ks=tuple(recipe.ks),
            training_seeds=self.training_seeds,
        )


class EvaluationOptions(EvaluationChoice, AskOptions):
    """Which students are tried on what."""

    students: tuple[str, ...] = option(("tiny",), "Trained students; with urls, names on the server")
    benchmarks: tuple[str, ...] = option(
        ("trained_problems",), "Ingested data sets; trained_problems are those of the training rows themselves"
    )
    made_inputs: bool = option(
        False, "The majority is that of what programs print on the inputs of generated_tests, too"
    )
    tests_policy: TestsPolicy = option(
        TestsPolicy.SOURCE,
        "Which tests decide: source, all (generated ones too), or trusted (only tests that right programs confirm)",
        affects_output=False,  # the asset names it only where it is not the default, so that older evaluations stay
    )
