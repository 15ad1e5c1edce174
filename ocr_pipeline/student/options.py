"""How students are tried, and on what: the options of evaluation, for its asset and its commands."""

from __future__ import annotations

from datetime import date

from pydantic import field_validator

from ocr_pipeline.asking import Connection
from ocr_pipeline.options import Options, option
from ocr_pipeline.student.assess import AssessConfig
from ocr_pipeline.student.config import Objective, StudentOptions
from ocr_pipeline.student.evaluation import Window
from ocr_pipeline.student.generation import Sampling
from ocr_pipeline.student.plan_sampling import PlanSamplingConfig

__all__ = ["EvaluationOptions", "JointStudentOptions", "StudentServer", "TrialOptions", "TryOptions", "WindowOptions"]


class JointStudentOptions(StudentOptions):
    """A recipe whose student learns code and plans together, unless something else is asked for."""

    objective: Objective | None = option(Objective.JOINT, "What is learnt; none: the recipe's")


class StudentServer(Connection):
    """Where students answer that are not folders on this machine."""

    urls: tuple[str, ...] = option(
        (),
        "Base URL of a server of students, again for each equal one; none: folders",
        affects_output=False,
        also="url",
    )


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


class TrialOptions(Options):
    """How often a student is asked, and how."""

    n: int = option(5, "Programs per problem", ge=1)
    k: str = option("1,5", "The k of pass@k, separated by commas")
    plans: int = option(0, "Plans per problem; 0 leaves plan sampling out", ge=0)
    codes_per_plan: int = option(2, "Programs that try each plan", ge=1)
    temperature: float = option(0.6, "Sampling temperature; 0 is greedy", ge=0)
    max_tokens: int = option(1_024, "Longest answer", unit="tokens", ge=1)
    seed: int = option(0, "Seed of everything")

    @field_validator("k")
    @classmethod
    def _is_a_list(cls, text: str) -> str:
        if not all(part.strip().isdigit() and int(part) > 0 for part in text.split(",")):
            message = f"k must be positive numbers such as 1,5,10, got `{text}`"
            raise ValueError(message)
        return text

    @property
    def ks(self) -> list[int]:
        """Every k, ascending."""
        return sorted({int(part) for part in self.k.split(",")})

    def assess(self, benchmark: str) -> AssessConfig:
        """Return how a student is tried on a benchmark."""
        sampling = Sampling(temperature=self.temperature, max_tokens=self.max_tokens, seed=self.seed)
        planned = PlanSamplingConfig(self.plans, self.codes_per_plan, self.n, sampling) if self.plans else None
        return AssessConfig(benchmark, self.n, sampling, planned)


class TryOptions(TrialOptions):
    """How the tiny students of the sample are trained and tried."""

    plans: int = option(2, "Plans per problem; 0 leaves plan sampling out", ge=0)
    epochs: float | None = option(None, "Epochs instead of the recipe's", gt=0)


class EvaluationOptions(TrialOptions, WindowOptions):
    """Which students are tried on what."""

    students: tuple[str, ...] = option(("tiny",), "Trained students; with urls, names on the server")
    benchmarks: tuple[str, ...] = option(
        ("trained_problems",), "Ingested data sets; trained_problems are those of the training rows themselves"
    )
    split: str | None = option(None, "Only problems of this split, such as test; none: of all")
