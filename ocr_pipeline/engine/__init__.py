"""Run a step over record batches: in this process, in local processes, or on a Ray cluster, with the same result.

A step is a plain function from a record batch to a record batch, and the engine keeps the order; or from a task, a plain
value, to a result, and the engine gives results as they are done. Where rows lie in files, only references to them are
handed around, and workers read them. It bounds what is in flight and knows nothing of tables. Part files and ledgers are
the checkpoint, never the engine.
"""

from ocr_pipeline.engine.cores import usable_cores
from ocr_pipeline.engine.local import LocalEngine
from ocr_pipeline.engine.protocol import BatchFunction, Engine, Piece, Shared, SizedTask

__all__ = ["BatchFunction", "Engine", "LocalEngine", "Piece", "Shared", "SizedTask", "usable_cores"]
