"""How many samples each problem gets: a fixed number, or round by round until the judge accepted enough.

The teacher comes before the judge, so what this reads is feedback: each time the teacher is asked again, it looks at
what was judged since, and asks one more round of what is unsolved.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.steps import Rows
from ocr_pipeline.tables import ACCEPTED
from ocr_pipeline.teacher.options import Generation
from ocr_pipeline.teacher.policy import DEFAULT_POLICY, Policy, UntilAccepted

__all__ = ["policy_of"]


def policy_of(config: Generation, samples: Rows, executions: Rows) -> Policy:
    """Return the policy for one partition.

    A round that is not judged yet is not followed by another: then every problem keeps the samples it has.
    """
    if config.enough_accepted is None or not samples.exist:
        return DEFAULT_POLICY
    asked = _per_problem(samples.batches(["problem_id"]))
    if not executions.follow(samples):
        return UntilAccepted(asked=asked, enough=0)
    judged = executions.batches(["problem_id", "verdict"])
    accepted = _per_problem(batch.filter(pc.equal(batch["verdict"], ACCEPTED)) for batch in judged)
    return UntilAccepted(accepted=accepted, asked=asked, enough=config.enough_accepted, most=config.most_samples)


def _per_problem(batches: Iterable[pa.RecordBatch]) -> dict[str, int]:
    ids = pa.chunked_array([batch["problem_id"] for batch in batches], pa.string())
    return {found["values"]: found["counts"] for found in pc.value_counts(ids).to_pylist()}
