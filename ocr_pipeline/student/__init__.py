"""The student: trained on what the teacher wrote, and measured honestly.

Training needs the extra ``train``; evaluation needs only the tables.
"""

from __future__ import annotations

from typing import Final

from ocr_pipeline.student.config import PRESETS, Heads, Objective, StudentOptions, TrainConfig, preset
from ocr_pipeline.student.evaluation import EvaluationConfig, Evaluator, Method, Window
from ocr_pipeline.student.generation import LocalStudent, ServedStudent, Student
from ocr_pipeline.student.pass_at_k import PairedDifference, paired_difference, pass_at_k, summarize
from ocr_pipeline.student.problems import read_problems
from ocr_pipeline.student.rows import Task, TrainingRow, read_rows
from ocr_pipeline.student.sampling import Candidate, sample_codes, sample_plans
from ocr_pipeline.student.training import LossPoint, TrainResult, train

__all__ = [
    "PRESETS",
    "VERSION",
    "Candidate",
    "EvaluationConfig",
    "Evaluator",
    "Heads",
    "LocalStudent",
    "LossPoint",
    "Method",
    "Objective",
    "PairedDifference",
    "ServedStudent",
    "Student",
    "StudentOptions",
    "Task",
    "TrainConfig",
    "TrainResult",
    "TrainingRow",
    "Window",
    "paired_difference",
    "pass_at_k",
    "preset",
    "read_problems",
    "read_rows",
    "sample_codes",
    "sample_plans",
    "summarize",
    "train",
]

VERSION: Final = "7"
"""Changes when the same input gives other bytes."""
