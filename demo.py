"""The main job on the bundled sample, with the same Dagster commands that CI and people use, one after the other.

They run in one process, because most of what each of them would take is its start.
"""

import json
import os
import subprocess
import sys
import textwrap
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
SAMPLE_ONLY: Final = ("RAW", "BENCHMARKS", "SPLIT", "TEACHER_URL", "TEACHER_MODEL")
DATASETS: Final = ("taco", "apps", "code_contests")
BY_DATASET: Final = f"{DATASETS[0]}...{DATASETS[-1]}"
STEPS: Final = (
    (("problems", "tests", "solutions", "rejected"), BY_DATASET),
    (("duplicate_pairs", "unique_problems", "contamination", "clean_problems"), None),
    (("test_trust",), BY_DATASET),
    (("generated_tests", "test_programs"), DATASETS[-1]),
    (("test_quality",), DATASETS[-1]),
    *(
        (
            ("responses", "samples", "executions", "reasoning_patterns", "sft_dataset"),
            f"{dataset}|python...{dataset}|cpp",
        )
        for dataset in DATASETS
    ),
    (("plans", "plan_sft_dataset"), BY_DATASET),
    (("funnel", "data_card"), None),
)
CONFIG: Final = {
    "generated_tests": {
        "by_model": True, "inputs_per_way": 4, "inputs_per_seed": 2, "mutants": 2, "max_test_kib": 16.0,
    },
    "test_quality": {"mutants": 2},
}  # fmt: skip
"""Enough for the problems whose tests are weak on purpose; the recorded teacher has programs for two of them."""
COMMAND: Final = ".venv/bin/ocr-pipeline"
WIDTH: Final = 108
LAST_LINES: Final = 30
SHOWN: Final = 3
THOUGHT: Final = 300
LINES: Final = 6


def main() -> None:
    """Run every step, then show what came out."""
    os.chdir(HERE)
    data = Path(os.environ.setdefault("OCR_PIPELINE_DATA", str(HERE / "data")))
    os.environ.setdefault("DAGSTER_HOME", str(HERE))
    for name in SAMPLE_ONLY:
        os.environ.pop(f"OCR_PIPELINE_{name}", None)
    data.mkdir(parents=True, exist_ok=True)
    screen = os.dup(sys.stdout.fileno())
    log = data / "demo.log"
    with log.open("w", encoding="utf-8") as file:
        for stream in (sys.stdout, sys.stderr):  # what the processes below say, too
            os.dup2(file.fileno(), stream.fileno())
        is_done = all(materialize(*step, screen) for step in STEPS)
        sys.stdout.flush()
    os.dup2(screen, sys.stdout.fileno())
    if not is_done:
        print(*log.read_text(encoding="utf-8").splitlines()[-LAST_LINES:], sep="\n")
        sys.exit(1)
    subprocess.run([COMMAND, "funnel", "--data", str(data)], check=True)
    show_rows(data)
    print(
        f"""
The data set:       {data}/sft_dataset    (Parquet; its card: {data}/data_card/README.md)
Why a row is gone:  .venv/bin/ocr-pipeline explain PROBLEM_OR_SAMPLE_ID
For a trainer:      .venv/bin/ocr-pipeline export {data} --format messages --out OUT
The web page:       make ui, then http://localhost:3000"""
    )


def materialize(names: tuple[str, ...], partitions: str | None, screen: int) -> bool:
    """Run `dagster asset materialize` as the command line does; return whether it ended well."""
    title = ", ".join(names) + (f"  {partitions}" if partitions else "")
    os.write(screen, f"{title:<{WIDTH}}".encode())
    started = time.monotonic()
    sys.argv = ["dagster", "asset", "materialize", "-m", "ocr_pipeline.definitions"]
    sys.argv += ["--select", " or ".join(f"key:{name}" for name in names)]
    sys.argv += ["--partition-range" if "..." in partitions else "--partition", partitions] if partitions else []
    config = {name: {"config": CONFIG[name]} for name in names if name in CONFIG}
    sys.argv += ["--config-json", json.dumps({"ops": config})] if config else []
    (dagster,) = entry_points(group="console_scripts", name="dagster")
    try:
        dagster.load()()
    except SystemExit as end:
        took = f"{time.monotonic() - started:3.0f} s" if not end.code else "failed"
        os.write(screen, f"{took}\n".encode())
        return not end.code
    return True


def show_rows(data: Path) -> None:
    """Print the beginning of a few rows: what downstream trains on."""
    import pyarrow.dataset as ds

    rows = ds.dataset(data / "sft_dataset", format="parquet", exclude_invalid_files=True)
    found = rows.to_table(columns=["problem_id", "output", "solution", "pass_rate"]).to_pylist()
    for row in found[:: max(1, len(found) // SHOWN)][:SHOWN]:
        thought = textwrap.shorten(
            row["output"].removeprefix("<think>").split("</think>")[0], THOUGHT, placeholder=" …"
        )
        print(f"\n{row['problem_id']}    pass rate {row['pass_rate']}")
        print(textwrap.fill(thought, WIDTH, initial_indent="  ", subsequent_indent="  "))
        print(textwrap.indent("\n".join(row["solution"].splitlines()[:LINES]), "  | "))


if __name__ == "__main__":
    main()
