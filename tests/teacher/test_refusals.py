"""What engines and gateways say when they refuse, and whose failure it is: their words are all that tells."""

from __future__ import annotations

import pytest

from ocr_pipeline.teacher.refusals import is_account, is_moderated, kind_of_refusal
from ocr_pipeline.teacher.reply import ErrorKind

SAID: dict[ErrorKind, list[tuple[int, str]]] = {
    ErrorKind.PROMPT_TOO_LONG: [
        (400, "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens"),
        (400, "Input length 9000 exceeds maximum length of 8192"),
        (400, "prompt contains 9000 tokens, longer than the maximum 8192"),
        (400, "The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
        (400, "Requested token count exceeds the model's maximum context length of 8192 tokens"),
        (422, "`inputs` must have less than 4096 tokens. Given: 5000"),
        (400, "Please reduce the length of the messages or completion."),
        (400, "The number of tokens to keep from the initial prompt is greater than the context length"),
        (400, "tokens_limit_reached: Request body too large for model. Max size: 8000 tokens."),
        (413, "Request Entity Too Large"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "string too long. Expected a string with maximum length 10485760"),
        (400, "Prompt length (9000) exceeds max_model_len (8192)"),
        (400, "This endpoint's maximum context length is 32768 tokens"),
        (400, "context_length_exceeded"),
        (400, "Range of input length should be [1, 30720]"),
        (400, "total tokens exceed the limit"),
        (400, "Total message token length exceed model limit"),
        (400, "too many input tokens"),
    ],
    ErrorKind.ACCOUNT: [
        (402, "Payment Required"),
        (403, "Your account is suspended due to insufficient balance, please recharge"),
        (400, "Your credit balance is too low to access the API"),
        (400, "Arrearage: Access denied, please make sure your account is in good standing."),
        (403, "This key has reached its monthly spend limit"),
        (400, "Out of credits"),
        (403, "account balance is negative"),
        (400, "Free tier of the model has been exhausted"),
        (403, "quota exceeded"),
    ],
    ErrorKind.MODERATION: [
        (400, "The response was filtered due to the prompt triggering Azure OpenAI's content management policy"),
        (400, "DataInspectionFailed: Input data may contain inappropriate content."),
        (400, "Content Exists Risk"),
        (403, "Your input violates our usage policies"),
        (400, "The request was rejected as a result of the safety system"),
        (400, "prompt blocked by safety filters: PROHIBITED_CONTENT"),
        (400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy"),
        (451, "Unavailable For Legal Reasons"),
    ],
    ErrorKind.SETTING: [
        (
            400,
            "Unsupported value: 'temperature' does not support 0.6 with this model. Only the default (1) value is supported.",
        ),
        (400, "max_tokens is too large: 100000. This model supports at most 8192 completion tokens"),
        (400, "Unknown parameter: 'top_k'"),
        (400, "Extra inputs are not permitted"),
        (422, "extra fields not permitted"),
        (400, "`seed` is not supported by this model"),
        (400, "temperature must be between 0 and 1"),
        (400, "As of transformers v4.44, default chat template is no longer allowed"),
        (400, "Only one of max_tokens and max_completion_tokens can be set"),
        (400, "this model does not support system messages"),
        (400, "invalid value for top_p"),
    ],
    ErrorKind.SERVER_ERROR: [
        (400, "CUDA error: out of memory"),
        (424, "Failed dependency"),
        (409, "model is loading"),
        (400, "EngineCore encountered an issue"),
        (400, "Model is currently loading, please wait"),
        (425, "Too early"),
        (400, "upstream connect error or disconnect/reset before headers"),
        (400, "no healthy upstream"),
        (408, "timeout"),
        (400, "NCCL error in: ProcessGroupNCCL"),
        (400, "Worker died"),
        (400, "server shutting down"),
        (400, "Service temporarily unavailable"),
        (400, "RuntimeError: CUDA"),
    ],
}
UNKNOWN = ["no", "bad request", "something went wrong", "validation failed", "n must be 1", ""]


@pytest.mark.parametrize(("status", "words", "kind"), [(*said, kind) for kind, every in SAID.items() for said in every])
def test_a_refusal_is_told_by_its_words(status: int, words: str, kind: ErrorKind) -> None:
    """Too long and turned down are the question's; all else is asked again."""
    assert kind_of_refusal(status, words.lower()) is kind


@pytest.mark.parametrize("words", UNKNOWN)
def test_words_that_nobody_knows_are_not_final(words: str) -> None:
    """A question is not lost for ever because its server speaks oddly."""
    assert not kind_of_refusal(400, words).is_permanent


@pytest.mark.parametrize(("status", "words"), SAID[ErrorKind.ACCOUNT])
def test_money_is_never_the_questions_fault(status: int, words: str) -> None:
    """Nor is a 403 that speaks of it the end of a run."""
    assert status == 402 or is_account(words.lower())
    assert not is_moderated(words.lower())
