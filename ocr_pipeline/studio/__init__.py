"""The web pages for people: settle uncertain pairs, look at any row, see where the rows went.

The pages are thin: what they show and store is made by the modules beside them, which know nothing of the web. The
pages decide nothing by themselves; a decision takes effect when the assets are materialized again.
"""

from ocr_pipeline.studio.decisions import (
    Agreement,
    PairKind,
    Review,
    agreements,
    append_reviews,
    last_standing,
    standing,
    stored_reviews,
)

__all__ = [
    "Agreement",
    "PairKind",
    "Review",
    "agreements",
    "append_reviews",
    "last_standing",
    "standing",
    "stored_reviews",
]
