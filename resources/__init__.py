"""Dagster resources: the library's options, as the launchpad shows them, and the store."""

from typing import Any

from ocr_pipeline.contamination.steps import BenchmarkOptions
from ocr_pipeline.engine.services import EngineOptions
from ocr_pipeline.judge import TrustConfig
from ocr_pipeline.options import Options
from ocr_pipeline.similarity.services import EncoderOptions
from ocr_pipeline.sources.steps import RawOptions
from ocr_pipeline.teacher.options import TeacherOptions
from resources.launchpad import OptionsResource, launchpad
from resources.store import StoreResource

__all__ = [
    "RESOURCES",
    "BenchmarksResource",
    "EncoderResource",
    "EngineResource",
    "OptionsResource",
    "RawResource",
    "SandboxResource",
    "StoreResource",
    "TeacherResource",
]

RawResource: Any = launchpad(RawOptions, OptionsResource)
BenchmarksResource: Any = launchpad(BenchmarkOptions, OptionsResource)
EncoderResource: Any = launchpad(EncoderOptions, OptionsResource)
TeacherResource: Any = launchpad(TeacherOptions, OptionsResource)
EngineResource: Any = launchpad(EngineOptions, OptionsResource)
SandboxResource: Any = launchpad(TrustConfig, OptionsResource)

RESOURCES: dict[str, tuple[Any, type[Options]]] = {
    "raw_files": (RawResource, RawOptions),
    "benchmarks": (BenchmarksResource, BenchmarkOptions),
    "encoder": (EncoderResource, EncoderOptions),
    "teacher": (TeacherResource, TeacherOptions),
    "engine": (EngineResource, EngineOptions),
    "sandbox": (SandboxResource, TrustConfig),
}
"""Every resource but the store: its class, and the options that it holds."""
