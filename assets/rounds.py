"""How many samples each problem gets: a fixed number, or round by round until the judge accepted enough.

The teacher comes before the judge, so this edge of the flow goes back in time and is no dependency of the asset: each
time ``responses`` is materialized it looks at what was judged since, and asks one more round of what is unsolved.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.judge import Verdict
from ocr_pipeline.store import InputRef, Store
from ocr_pipeline.tables import EXECUTIONS, SAMPLES
from ocr_pipeline.teacher.policy import DEFAULT_POLICY, Policy, UntilAccepted

__all__ = ["policy_of"]


def policy_of(store: Store, partition: Mapping[str, str], *, enough: int, most: int) -> tuple[Policy, list[InputRef]]:
    """Return the policy for one partition, and what it was read from.

    A round that is not judged yet is not followed by another: then every problem keeps the samples it has.
    """
    if not enough or store.manifest(SAMPLES, **partition) is None:
        return DEFAULT_POLICY, []
    seen = store.reference(SAMPLES, **partition)
    asked = _per_problem(store.open(SAMPLES, **partition).to_table(columns=["problem_id"]))
    judged = store.manifest(EXECUTIONS, **partition)
    if judged is None or seen not in judged.inputs:
        return UntilAccepted(asked=asked, enough=0), [seen]
    good = pc.field("verdict") == str(Verdict.ACCEPTED)
    accepted = _per_problem(store.open(EXECUTIONS, **partition).to_table(columns=["problem_id"], filter=good))
    policy = UntilAccepted(accepted=accepted, asked=asked, enough=enough, most=most)
    return policy, [seen, store.reference(EXECUTIONS, **partition)]


def _per_problem(rows: pa.Table) -> dict[str, int]:
    counted = rows.group_by("problem_id").aggregate([([], "count_all")])
    return dict(zip(counted["problem_id"].to_pylist(), counted["count_all"].to_pylist(), strict=True))
