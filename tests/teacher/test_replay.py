"""The replay: which recording a request gets, and which fault it suffers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError
from ocr_pipeline.tables import Language
from ocr_pipeline.teacher.faults import AnswerFault, Faults, TransportFault, parse_faults
from ocr_pipeline.teacher.prompts import solve_prompt
from ocr_pipeline.teacher.recordings import load_recordings
from ocr_pipeline.teacher.replay import Planned, Replayer


def write(path: Path, *recordings: dict[str, Any]) -> Path:
    """Write recordings with default parts."""
    full = [
        {"sample_index": 0, "message": {"role": "assistant", "content": "x"}, "created": 9, "processing_ms": 5.5} | each
        for each in recordings
    ]
    path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in full))
    return path


def said(name: str, **more: Any) -> dict[str, Any]:
    """Return the part of a recording that answers with a name."""
    return {"message": {"role": "assistant", "content": name}} | more


def replayer(path: Path, faults: str = "", **options: Any) -> Replayer:
    """Return a replay of that file."""
    return Replayer(load_recordings(path), faults=parse_faults(faults), **options)


def ask(server: Replayer, prompt: str, seed: int = 0, **fields: Any) -> Planned:
    """Return what a prompt gets."""
    return server.plan(
        orjson.dumps({"model": server.model, "messages": [{"role": "user", "content": prompt}], "seed": seed} | fields)
    )


def content(planned: Planned) -> str:
    """Return the text of an answer."""
    return str(orjson.loads(planned.body)["choices"][0]["message"]["content"])


def test_all_texts_have_to_match_and_the_longest_match_wins(tmp_path: Path) -> None:
    """Substrings of the whole conversation; a hash of the prompt goes before all."""
    import hashlib

    path = write(
        tmp_path / "r.jsonl",
        said("short", match=["bakery", "Python"]),
        said("long", match=["bakery by the mill", "Python"]),
        said("cpp", match=["bakery", "C++"]),
        said("exact", prompt_sha256=hashlib.sha256(b"the bakery by the mill in Python!").hexdigest()),
    )
    server = replayer(path)
    prompts = [
        "a bakery in Python",
        "the bakery by the mill in Python",
        "bakery C++",
        "the bakery by the mill in Python!",
    ]
    assert [content(ask(server, prompt)) for prompt in prompts] == ["short", "long", "cpp", "exact"]


@given(st.integers(-(2**31), 2**31))
def test_the_seed_picks_the_sample(seed: int) -> None:
    """Seed modulo the number of samples, so any number of samples can be asked for."""
    server = replayer(Path(__file__).parents[2] / "ocr_pipeline" / "sample" / "recordings.jsonl")
    recording = next(iter(server._recordings._by_match.values()))
    prompt = " ".join(recording[0].match)
    assert content(ask(server, prompt, seed)) == content(ask(server, prompt, seed + len(recording)))


def test_a_prompt_that_nothing_matches(tmp_path: Path) -> None:
    """Strict: a permanent refusal that shows the prompt. Otherwise: always the same recording for it."""
    path = write(tmp_path / "r.jsonl", *[said(f"{n}", match=[f"m{n}"]) for n in range(9)])
    refused = ask(replayer(path, is_strict=True), "new problem")
    assert refused.status == 400
    assert b"no recording matches the prompt `new problem" in refused.body
    texts = [content(ask(replayer(path), f"new problem {n}", seed=1)) for n in range(30)]
    assert texts == [content(ask(replayer(path), f"new problem {n}", seed=1)) for n in range(30)]
    assert len(set(texts)) > 4


def test_another_model_is_refused_as_vllm_does(tmp_path: Path) -> None:
    """404 with the name."""
    planned = ask(replayer(write(tmp_path / "r.jsonl", said("x", match=["a"]))), "a", model="other")
    assert (planned.status, b"The model `other` does not exist" in planned.body) == (404, True)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1]", b'{"messages": 5, "model": "replay/sample"}', b'{"model": "m", "messages": [{}]}']
)
def test_a_body_that_is_no_request_is_a_400(body: bytes, tmp_path: Path) -> None:
    """Never a crash of the server."""
    assert replayer(write(tmp_path / "r.jsonl", said("x", match=["a"]))).plan(body).status == 400


def test_created_and_processing_time_are_the_recorded_ones(tmp_path: Path) -> None:
    """So a demo has the same bytes every time."""
    planned = ask(replayer(write(tmp_path / "r.jsonl", said("x", match=["a"]))), "a")
    assert (orjson.loads(planned.body)["created"], planned.headers["openai-processing-ms"]) == (9, "5.5")


def test_the_bundled_recordings_answer_the_bundled_problems() -> None:
    """Each match text together with its language's prompt finds its own recordings."""
    server = Replayer(load_recordings(), faults=Faults(), is_strict=True)
    for match, group in server._recordings._by_match.items():
        language = {"Python": Language.PYTHON, "C++": Language.CPP}.get(match[-1])
        prompt = solve_prompt(match[0], language) if language else " ".join(match)
        assert server._recordings.matching(prompt, 0) == group[0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1 is not a recording"),
        ('{"sample_index": 0}', "it needs match"),
        ("", "holds no recordings"),
        ("[]", "is not a recording"),
    ],
)
def test_bad_recordings_are_named(line: str, words: str, tmp_path: Path) -> None:
    """File, line and what is missing."""
    (tmp_path / "r.jsonl").write_text(line)
    with pytest.raises(InputError, match=words):
        load_recordings(tmp_path / "r.jsonl")


def test_a_missing_file_of_recordings_is_one_line(tmp_path: Path) -> None:
    """With the option to give."""
    with pytest.raises(InputError, match="No such file or directory; give a JSONL file with --recordings"):
        load_recordings(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    "text",
    ["", "429:0.1", "429:0.05, 500:0.02,delay:lognormal(0.2,1.0),loop:1", "delay:constant(2)", "delay:uniform(1,2)"],
)
def test_fault_specifications_are_read(text: str) -> None:
    """Spaces do not matter, parts may be left out."""
    faults = parse_faults(text)
    assert sum(faults.transport.values()) == pytest.approx(0.1 if text == "429:0.1" else 0.07 if "500" in text else 0)
    assert faults.delay.seconds(0.5) == pytest.approx(
        {"delay:c": 2, "delay:u": 1.5}.get(text[:7], 0.2 if "lognormal" in text else 0)
    )


@pytest.mark.parametrize(
    "text", ["429", "429:2", "428:0.1", "429:x", "delay:0.2", "reset:0.6,stall:0.6", "loop:-1", "delay:lognormal(a)"]
)
def test_a_wrong_fault_is_one_line(text: str) -> None:
    """With the names there are, or the sum that is too large."""
    with pytest.raises(InputError, match=r"not a fault; give name:share|not a number|more than 1"):
        parse_faults(text)


def test_shares_are_kept_and_depend_on_nothing_but_the_request() -> None:
    """Of 20,000 attempts each fault hits its share; again, in any order, the same ones."""
    faults = parse_faults("429:0.1,reset:0.05,stall:0.01,truncate:0.2")
    hit = [faults.of_attempt(f"prompt {n}", 0, 1) for n in range(20_000)]
    assert [
        hit.count(kind) / 20_000
        for kind in (TransportFault.TOO_MANY_REQUESTS, TransportFault.RESET, TransportFault.STALL)
    ] == [
        pytest.approx(0.1, abs=0.01),
        pytest.approx(0.05, abs=0.01),
        pytest.approx(0.01, abs=0.005),
    ]
    assert hit[::-1] == [faults.of_attempt(f"prompt {n}", 0, 1) for n in reversed(range(20_000))]
    assert sum(faults.of_answer(f"prompt {n}", 0) is AnswerFault.TRUNCATE for n in range(2000)) == pytest.approx(
        400, abs=80
    )


@pytest.mark.parametrize(
    "message",
    [
        {"content": "<think>\nab\n</think>\n\ncd"},
        {"reasoning": "ab", "content": "cd"},
        {"reasoning": "ab", "content": None},
    ],
)
def test_spoiled_answers_are_still_completions(message: dict[str, Any], tmp_path: Path) -> None:
    """Cut, untagged and looping, from inline and separate reasoning."""
    path = write(tmp_path / "r.jsonl", {"match": ["a"], "message": {"role": "assistant", **message}})
    for fault in AnswerFault:
        choice = orjson.loads(ask(replayer(path, f"{fault}:1"), "a").body)["choices"][0]
        text = json.dumps(choice["message"])
        assert choice["finish_reason"] == ("stop" if fault is AnswerFault.NO_THINK else "length")
        assert fault is not AnswerFault.NO_THINK or ("think" not in text and "reasoning" not in text)
        assert fault is not AnswerFault.LOOP or len(text) > 100


def test_over_http_the_connection_breaks_in_the_middle_of_the_body(tmp_path: Path) -> None:
    """Headers and half of the body arrive, then nothing."""
    from aiohttp import ClientPayloadError, ClientSession
    from aiohttp.test_utils import TestServer

    from ocr_pipeline.teacher.replay import build_app

    path = write(tmp_path / "r.jsonl", said("x" * 1000, match=["a"]))

    async def scenario() -> None:
        async with TestServer(build_app(replayer(path, "reset:1"))) as server, ClientSession() as session:
            body = {"model": "replay/sample", "messages": [{"role": "user", "content": "a"}]}
            async with session.post(server.make_url("/v1/chat/completions"), json=body) as reply:
                assert reply.status == 200
                with pytest.raises(ClientPayloadError):
                    await reply.read()
            async with session.get(server.make_url("/metrics")) as reply:
                assert 'replay_requests_total{kind="reset"} 1' in await reply.text()

    asyncio.run(scenario())
