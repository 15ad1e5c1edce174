"""Replies in their normal form: reasoning in tags however it came, nothing cut, moved or repaired."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        "usage": {"prompt_tokens": -1, "completion_tokens": "7"},
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


@pytest.mark.parametrize("odd", [b"\xff\xfe", b"\\ud83d"])
def test_half_characters_are_repaired(odd: bytes) -> None:
    """An answer that was paid for is not thrown away because of one character."""
    text = read_completion(b'{"choices":[{"message":{"content":"odd ' + odd + b' sign"}}]}').text
    assert text.startswith("odd ")
    assert text.endswith(" sign")
    text.encode()
