"""How alike two statements are: the machinery that deduplication and the contamination check share.

Normal form and content keys, embeddings, all pairs above a threshold, lexical evidence, and what people decided. It
decides nothing and is no step: which pairs are duplicates or contaminated is said by the packages that use it.
"""

from ocr_pipeline.similarity.encoder import Encoder, PreciseEncoder, load_encoder
from ocr_pipeline.similarity.neighbours import Pairs, neighbours, neighbours_between
from ocr_pipeline.similarity.opinions import PairOpinions, opinion_config
from ocr_pipeline.similarity.reviews import ReviewDecision, Reviews, read_reviews
from ocr_pipeline.similarity.scores import COSINE_NOISE, settle_cosines, similar_pairs
from ocr_pipeline.similarity.text import content_key, normalise, pair_key

__all__ = [
    "COSINE_NOISE",
    "Encoder",
    "PairOpinions",
    "Pairs",
    "PreciseEncoder",
    "ReviewDecision",
    "Reviews",
    "content_key",
    "load_encoder",
    "neighbours",
    "neighbours_between",
    "normalise",
    "opinion_config",
    "pair_key",
    "read_reviews",
    "settle_cosines",
    "similar_pairs",
]
