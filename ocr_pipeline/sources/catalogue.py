"""The data sets the pipeline knows: where they live, what they are for, and under which licence.

Names are also the partition keys, in the order in which a person reads them. How the rows of a data set are read
is defined in the module of its name; the licence of a single row in :mod:`ocr_pipeline.sources.licenses`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ocr_pipeline.errors import OptionError

__all__ = ["SOURCES", "Role", "Source", "source_named"]


class Role(StrEnum):
    """What a data set is used for."""

    TRAIN = "train"
    BENCHMARK = "benchmark"


@dataclass(frozen=True, slots=True)
class Source:
    """One data set.

    ``hub_revision`` pins the commit that :func:`ocr_pipeline.sources.hub.fetch` downloads; ``None`` means that the
    caller has to name one. ``may_redistribute`` says whether what we hand out may hold the statements; where they may not, the
    released rows hold ``-`` and the key to join them.
    """

    name: str
    description: str
    role: Role
    license: str
    may_redistribute: bool
    hub_id: str | None = None
    hub_revision: str | None = None
    hub_patterns: tuple[str, ...] = ("*.parquet",)
    reader: str = ""
    """The module that reads its rows: ``LAYOUTS``, and ``FOLDERS`` where there are packages; by default the one of
    its name beside this one."""

    def __post_init__(self) -> None:
        """Find the reader by the name."""
        if not self.reader:
            object.__setattr__(self, "reader", f"{__package__}.{self.name}")


_SOURCES: Final = (
    Source(
        name="taco",
        description="BAAI/TACO: 25,443 + 1,000 problems of ten sites with solutions and tests.",
        role=Role.TRAIN,
        license="apache-2.0",
        may_redistribute=False,
        hub_id="BAAI/TACO",
        hub_revision="d593ed0a2becbbc952230bb89be09189bf1056dc",
        hub_patterns=("ALL/*.parquet",),
    ),
    Source(
        name="apps",
        description="codeparrot/apps: 5,000 + 5,000 problems, stdin and call-based.",
        role=Role.TRAIN,
        license="mit",
        may_redistribute=False,
        hub_id="codeparrot/apps",
        hub_revision="21e74ddf8de1a21436da12e3e653065c5213e9d1",
        hub_patterns=("train.jsonl", "test.jsonl"),
    ),
    Source(
        name="code_contests",
        description="deepmind/code_contests: 13,328 + 117 + 165 problems with public, private and generated tests.",
        role=Role.TRAIN,
        license="cc-by-4.0",
        may_redistribute=True,
        hub_id="deepmind/code_contests",
        hub_revision="802411c3010cb00d1b05bad57ca77365a3c699d6",
        hub_patterns=("data/*.parquet",),
    ),
    Source(
        name="codeforces",
        description="open-r1/codeforces: about 10,000 Codeforces problems with checkers and official tests.",
        role=Role.TRAIN,
        license="cc-by-4.0",
        may_redistribute=True,
        hub_id="open-r1/codeforces",
        hub_revision="fbe3f6e903ee854eec2e69e9d96d0306cde59baf",
        hub_patterns=("data/*.parquet", "generated_tests/*.parquet"),
    ),
    Source(
        name="leetcode",
        description="newfacade/LeetCodeDataset: function problems of LeetCode with tests and a solution each.",
        role=Role.TRAIN,
        license="apache-2.0",
        may_redistribute=False,
        hub_id="newfacade/LeetCodeDataset",
        hub_revision="215604aeed660029df7de2fea5a4d7b6ed476a08",
        hub_patterns=("*.jsonl", "**/*.parquet"),
    ),
    Source(
        name="kattis",
        description="Contest problem packages in the Kattis/ICPC format, from folders.",
        role=Role.TRAIN,
        license="unknown",
        may_redistribute=True,
    ),
    Source(
        name="own",
        description="Your own problems: our problems, tests and solutions columns, or problem packages.",
        role=Role.TRAIN,
        license="unknown",
        may_redistribute=True,
    ),
    Source(
        name="livecodebench",
        description="LiveCodeBench code_generation_lite: dated contest problems, for contamination and evaluation.",
        role=Role.BENCHMARK,
        license="cc-by-4.0",
        may_redistribute=False,
        hub_id="livecodebench/code_generation_lite",
        hub_revision="0fe84c3912ea0c4d4a78037083943e8f0c4dd505",
        hub_patterns=("*.jsonl",),
    ),
    Source(
        name="mbpp",
        description="MBPP: 974 short Python function problems.",
        role=Role.BENCHMARK,
        license="cc-by-4.0",
        may_redistribute=True,
        hub_id="google-research-datasets/mbpp",
        hub_revision="4bb6404fdc6cacfda99d4ac4205087b89d32030c",
        hub_patterns=("full/*.parquet",),
    ),
    Source(
        name="humaneval",
        description="HumanEval: 164 Python functions to complete.",
        role=Role.BENCHMARK,
        license="mit",
        may_redistribute=True,
        hub_id="openai/openai_humaneval",
        hub_revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
        hub_patterns=("**/*.parquet",),
    ),
)

SOURCES: Final[dict[str, Source]] = {source.name: source for source in _SOURCES}


def source_named(name: str) -> Source:
    """Return the data set called ``name``.

    Raises
    ------
    InputError
        With the known names, when there is no such data set.
    """
    if name not in SOURCES:
        message = f"no data set `{name}`; the data sets are {', '.join(SOURCES)}"
        raise OptionError(message)
    return SOURCES[name]
