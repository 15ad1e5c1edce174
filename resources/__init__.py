"""Dagster resources: thin adapters that turn configuration into objects of the library."""

from resources.benchmarks import BenchmarksResource
from resources.encoder import EncoderResource
from resources.engine import EngineResource
from resources.raw import RawResource
from resources.sandbox import SandboxResource
from resources.store import StoreResource
from resources.teacher import TeacherResource

__all__ = [
    "BenchmarksResource",
    "EncoderResource",
    "EngineResource",
    "RawResource",
    "SandboxResource",
    "StoreResource",
    "TeacherResource",
]
