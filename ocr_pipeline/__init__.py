"""Build code-reasoning training data that can be trusted.

The package is a plain library over Arrow tables; downstream readers need only :func:`open_table`.
It imports neither Dagster nor a model: heavy packages are imported where they are used.
"""

from ocr_pipeline.store import open_table

__version__ = "0.1.0"
__all__ = ["__version__", "open_table"]
