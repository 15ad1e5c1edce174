"""Run a step over record batches: in this process, in local processes, or on a Ray cluster, with the same result.

A step is a plain function from a record batch to a record batch. The engine keeps the order, bounds what is in
flight, and knows nothing of tables. Part files and ledgers are the checkpoint, never the engine.
"""

from ocr_pipeline.engine.local import LocalEngine
from ocr_pipeline.engine.protocol import BatchFunction, Engine

__all__ = ["BatchFunction", "Engine", "LocalEngine"]
