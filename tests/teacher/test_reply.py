"""Replies in their normal form: reasoning in tags however it came, nothing cut, moved or repaired."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_pipeline.teacher.bodies import error_in
from ocr_pipeline.teacher.reply import MalformedReplyError, normal_form, read_completion


def body(message: dict[str, Any], **choice: Any) -> bytes:
    """Return a chat completion with this message."""
    return orjson.dumps(
        {
            "model": "m",
            "created": 5,
            "choices": [{"message": message, "finish_reason": "stop", **choice}],
            "usage": None,
        }
    )


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_a_separate_reasoning_field_becomes_think_text(name: str) -> None:
    """Both names of the field give the same text."""
    assert read_completion(body({"content": "answer", name: "thought"})).text == "<think>\nthought\n</think>\n\nanswer"


def test_newlines_at_the_seams_are_not_doubled() -> None:
    """A server that leaves the newlines of the raw text in both parts gives the same text."""
    reply = read_completion(body({"content": "\n\nanswer\n", "reasoning": "\nthought\n"}))
    assert reply.text == "<think>\nthought\n</think>\n\nanswer\n"


@given(st.text())
def test_inline_text_stays_byte_for_byte(text: str) -> None:
    """What comes without a reasoning field is stored as it is, tags and all."""
    for content in (text, f"<think>{text}</think>{text}", f"{text}</think>{text}", f"<think>{text}"):
        assert normal_form(content, None) == content


def test_a_thought_that_was_cut_stays_open() -> None:
    """Null content means that the closing tag never came."""
    assert (
        read_completion(body({"content": None, "reasoning": "half a"}, finish_reason="length")).text
        == "<think>\nhalf a"
    )
    assert (
        read_completion(body({"content": "", "reasoning": "half a"}, finish_reason="length")).text == "<think>\nhalf a"
    )
    assert read_completion(body({"content": None, "reasoning": "ended inside"})).text == "<think>\nended inside"


def test_a_second_closing_tag_stays_in_the_answer() -> None:
    """Nothing is searched in the content."""
    reply = read_completion(body({"content": "a</think>b", "reasoning": "t"}))
    assert reply.text == "<think>\nt\n</think>\n\na</think>b"


def test_stop_reasons_keep_text_and_numbers() -> None:
    """A stop string, a stop token's number and the server's own word are all kept."""
    reasons = [
        read_completion(body({"content": "x"}, stop_reason=value)).stop_reason for value in ("end", 151643, None)
    ]
    assert reasons == ["end", "151643", None]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"error": "busy"}',
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b"\xff\xfe",
        b'{"choices": null}',
    ],
)
def test_what_is_no_completion_says_so(raw: bytes) -> None:
    """Garbage is one kind of error, whatever is wrong with it."""
    with pytest.raises(MalformedReplyError):
        read_completion(raw)


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(JSON)
def test_no_json_value_breaks_the_reader(value: Any) -> None:
    """Any JSON in any place of a completion is read or refused, never a crash."""
    for raw in (
        value,
        {"choices": value},
        {"choices": [value]},
        {"choices": [{"message": {"content": value}}], "usage": value},
    ):
        try:
            encoded = orjson.dumps(raw)
        except TypeError:
            continue  # an integer that JSON readers do not take
        try:
            read_completion(encoded)
        except MalformedReplyError:
            continue


def test_token_counts_that_make_no_sense_are_unknown() -> None:
    """Negative, huge and textual counts are not stored."""
    raw = orjson.loads(body({"content": "x"})) | {
        "usage": {"prompt_tokens": -1, "completion_tokens": "many"},
        "created": "now",
    }
    reply = read_completion(orjson.dumps(raw))
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.created_s) == (None, None, None)


NORMAL = "<think>\nDouble.\n</think>\n\nprint(1)"
DIALECTS: list[dict[str, object]] = [
    {"content": "print(1)", "reasoning": "Double."},
    {"content": "print(1)", "reasoning_content": "Double."},
    {"content": "print(1)", "reasoning": "Double.", "reasoning_content": "Double."},
    {"content": "print(1)", "thinking": "Double."},
    {"content": "print(1)", "thinking_blocks": [{"type": "thinking", "thinking": "Double."}]},
    {"content": "print(1)", "reasoning": None, "reasoning_details": [{"type": "reasoning.text", "text": "Double."}]},
    {"content": "print(1)", "provider_specific_fields": {"reasoning_content": "Double."}},
    {
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Double."}]},
            {"type": "text", "text": "print(1)"},
        ]
    },
    {"content": "print(1)", "reasoning_content": "<think>\nDouble.\n</think>\n"},
    {"content": "<think>\nDouble.\n</think>\n\nprint(1)", "reasoning_content": "Double."},
    {
        "content": "<|channel|>analysis<|message|>Double.<|end|><|start|>assistant<|channel|>final<|message|>print(1)<|return|>"
    },
]


@pytest.mark.parametrize("message", DIALECTS)
def test_every_dialect_has_one_normal_form(message: dict[str, object]) -> None:
    """Wherever a server puts the reasoning, the text is the same, and the border that it gave is kept."""
    completion = read_completion(orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}))
    assert (completion.text, completion.answer_start) == (NORMAL, NORMAL.index("</think>") + len("</think>"))


def test_a_tag_in_the_reasoning_is_not_the_border() -> None:
    """The server's border counts, not a tag that the reasoning speaks of."""
    message = {"content": "print(1)", "reasoning": "I must write </think> before it."}
    completion = read_completion(orjson.dumps({"choices": [{"message": message}]}))
    assert completion.answer_start is not None
    assert completion.text.encode()[completion.answer_start :] == b"\n\nprint(1)"


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"finish_reason": "max_tokens"}, "length"),
        ({"finish_reason": "model_length"}, "length"),
        ({"finish_reason": "stop"}, "stop"),
        ({"finish_reason": {"type": "abort", "message": "before prefill"}}, "abort"),
        ({"finish_reason": "stop", "error": {"code": 502}}, "error"),
        ({"finish_reason": None}, None),
    ],
)
def test_why_it_ended(choice: dict[str, object], reason: str | None) -> None:
    """Words for the length are one word; an object or an error inside the choice is named."""
    body = {"choices": [{"message": {"content": "x"}} | choice]}
    assert read_completion(orjson.dumps(body)).finish_reason == reason


@pytest.mark.parametrize(
    ("odd", "repairs"), [(b"\xff\xfe", ("invalid_utf8",)), (b"\\ud83d", ("lone_surrogates",)), (b"\\ud83d\\ude00", ())]
)
def test_half_characters_are_repaired(odd: bytes, repairs: tuple[str, ...]) -> None:
    """An answer that was paid for is not thrown away because of one character, and says what was replaced."""
    completion = read_completion(b'{"choices":[{"message":{"content":"odd ' + odd + b' sign"}}]}')
    assert completion.text.startswith("odd ")
    assert completion.text.endswith(" sign")
    assert completion.repairs == repairs
    completion.text.encode()


WHOLE: dict[str, object] = {
    "model": "m",
    "choices": [{"index": 0, "message": {"content": "print(1)", "reasoning": "Double."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4},
}
PARTS = [{"type": "thinking", "thinking": "Double."}, {"type": "text", "text": "print(1)"}]
CHUNKS: list[tuple[dict[str, str], str | None]] = [
    ({"role": "assistant"}, None),
    ({"reasoning_content": "Dou"}, None),
    ({"reasoning_content": "ble."}, None),
    ({"content": "print(1)"}, None),
    ({}, "stop"),
]
STREAM = b"".join(
    b"data: " + orjson.dumps({"model": "m", "choices": [{"delta": delta, "finish_reason": ending}]}) + b"\n\n"
    for delta, ending in CHUNKS
)
BODIES = {
    "a message of blocks": orjson.dumps({"model": "m", "content": PARTS, "stop_reason": "end_turn"}),
    "a response of items": orjson.dumps(
        {
            "model": "m",
            "status": "completed",
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Double."}]},
                {"type": "message", "content": [{"type": "output_text", "text": "print(1)"}]},
            ],
        }
    ),
    "candidates": orjson.dumps(
        {
            "modelVersion": "m",
            "candidates": [
                {
                    "content": {"parts": [{"text": "Double.", "thought": True}, {"text": "print(1)"}]},
                    "finishReason": "STOP",
                }
            ],
        }
    ),
    "a chat": orjson.dumps(
        {"model": "m", "message": {"content": "print(1)", "thinking": "Double."}, "done_reason": "stop"}
    ),
    "a response around it": orjson.dumps({"response": WHOLE}),
    "data around it": orjson.dumps({"code": 0, "data": WHOLE}),
    "a list of one": orjson.dumps([WHOLE]),
    "events": b"data: " + orjson.dumps(WHOLE) + b"\n\ndata: [DONE]\n\n",
    "events in pieces": STREAM + b"data: [DONE]\n\n",
    "comments before it": b": PROCESSING\n\n: PROCESSING\n\n" + orjson.dumps(WHOLE),
    "a mark before it": b"\xef\xbb\xbf" + orjson.dumps(WHOLE),
    "UTF-16": orjson.dumps(WHOLE).decode().encode("utf-16"),
    "NaN beside it": orjson.dumps(WHOLE).removesuffix(b"}") + b',"logprob":NaN}',
    "the choices turned round": orjson.dumps(
        WHOLE | {"choices": [{"index": 1, "message": {"content": "no"}}, *WHOLE["choices"]]}  # type: ignore[misc]
    ),
    "reasoning beside the message": orjson.dumps(
        WHOLE
        | {"choices": [{"message": {"content": "print(1)"}, "reasoning_content": "Double.", "finish_reason": "stop"}]}
    ),
    "a delta for the message": orjson.dumps(
        WHOLE | {"choices": [{"delta": {"content": "print(1)", "thought": "Double."}, "finishReason": "stop"}]}
    ),
    "one part for the content": orjson.dumps(
        WHOLE | {"choices": [{"message": {"content": {"type": "text", "text": "print(1)"}, "thoughts": "Double."}}]}
    ),
    "values in parts": orjson.dumps(
        WHOLE
        | {
            "choices": [
                {"message": {"content": [{"type": "text", "text": {"value": "print(1)"}}], "reasoning_text": "Double."}}
            ]
        }
    ),
    "encrypted parts beside it": orjson.dumps(
        WHOLE | {"choices": [{"message": {"content": [{"type": "redacted_thinking", "data": "x"}, *PARTS]}}]}
    ),
    "a summary": orjson.dumps(
        WHOLE
        | {
            "choices": [
                {
                    "message": {
                        "content": "print(1)",
                        "reasoning": {"summary": [{"type": "summary_text", "text": "Double."}]},
                    }
                }
            ]
        }
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_every_body_holds_the_same_completion(name: str) -> None:
    """Interfaces, gateways and proxies wrap it in many ways; reasoning, answer, border and model come out of all."""
    completion = read_completion(BODIES[name])
    assert (completion.text, completion.answer_start) == (NORMAL, NORMAL.index("</think>") + len("</think>"))
    assert completion.model == "m"


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 3, "completion_tokens": 4},
        {"input_tokens": 3, "output_tokens": 4},
        {"promptTokens": 3, "completionTokens": 4},
        {"promptTokenCount": 3, "candidatesTokenCount": 4},
        {"prompt_tokens": "3", "completion_tokens": 4.0},
    ],
)
def test_counts_have_several_names(usage: dict[str, object]) -> None:
    """What was paid is known whatever the gateway calls it."""
    read = read_completion(orjson.dumps(WHOLE | {"usage": usage})).usage
    assert (read.prompt_tokens, read.completion_tokens) == (3, 4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"finish_reason": None, "finishReason": "MAX_TOKENS"}, "length"),
        ({"finish_reason": "stop", "native_finish_reason": "MAX_TOKENS"}, "length"),
        ({"finish_reason": None, "stop_reason": "max_tokens"}, "length"),
        ({"message": {"content": None, "refusal": "I cannot."}}, "refusal"),
    ],
)
def test_an_end_is_read_wherever_it_is(changes: dict[str, object], reason: str) -> None:
    """A cut answer is never taken for a whole one, and a refusal is not an answer."""
    choice = {"message": {"content": "x"}, "finish_reason": "stop"} | changes
    assert read_completion(orjson.dumps({"choices": [choice]})).finish_reason == reason


def test_an_error_beside_the_choices_is_an_error() -> None:
    """A gateway whose server died in the middle says so beside what had come until then."""
    raw = orjson.dumps(WHOLE | {"error": {"code": 502, "message": "upstream"}})
    assert read_completion(raw).finish_reason == "error"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 402, "message": "Insufficient credits"}}, 402),
        ({"error": {"message": "overloaded", "code": "server_error"}}, 500),
        ({"error": "the model is loading"}, 500),
        ({"response": {"error": {"status": 429}}}, 429),
        ({"error": None, "choices": []}, None),
        ({"choices": [{"message": {"content": "x"}}], "error": {"code": 502}}, None),
        ([], None),
    ],
)
def test_an_error_that_came_as_if_all_were_well_has_a_status(body: object, status: int | None) -> None:
    """Some gateways answer 200 whatever happened."""
    assert error_in(orjson.dumps(body)) == status


@pytest.mark.parametrize(("end", "reason"), [(b"data: [DONE]\n\n", None), (b"", "error")])
def test_a_stream_that_was_not_ended_was_broken_off(end: bytes, reason: str | None) -> None:
    """Where no piece says why it ended, the mark at the end is all that tells."""
    piece = b"data: " + orjson.dumps({"choices": [{"delta": {"content": "x"}}]}) + b"\n\n"
    assert read_completion(piece + end).finish_reason == reason
