"""The key of a request: everything that decides the answer changes it, nothing else does."""

import hashlib
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.store import canonical_json
from ocr_pipeline.teacher.client import wire_body
from ocr_pipeline.teacher.request import Identity, Message, Request, request_id

IDENTITY = Identity("teacher/model", "rev-1")
values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
params = st.dictionaries(st.text(min_size=1, max_size=8), values | st.lists(values, max_size=3), max_size=6)
messages = st.lists(
    st.builds(Message, st.sampled_from(["user", "system"]), st.text(max_size=20)), min_size=1, max_size=3
)
requests = st.builds(Request, messages.map(tuple), params)


def normal(value: Any) -> Any:
    """Return what a value means in JSON, with whole floats as integers."""
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, dict):
        return {name: normal(item) for name, item in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value), "number"
    return (value, "number") if isinstance(value, int | float) and not isinstance(value, bool) else value


@given(requests, requests)
def test_two_requests_share_a_key_only_when_they_ask_the_same(left: Request, right: Request) -> None:
    """Equal keys mean equal messages and equal parameters, and the other way round."""
    same = left.messages == right.messages and normal(dict(left.params)) == normal(dict(right.params))
    assert (request_id(left, IDENTITY) == request_id(right, IDENTITY)) == same


@given(requests, st.data())
def test_the_order_of_parameters_never_matters(request: Request, data: st.DataObject) -> None:
    """A dictionary in another order is the same question."""
    shuffled = dict(data.draw(st.permutations(list(request.params.items()))))
    assert request_id(request, IDENTITY) == request_id(replace(request, params=shuffled), IDENTITY)


@given(requests, params.filter(bool))
def test_any_added_parameter_changes_the_key(request: Request, more: dict[str, Any]) -> None:
    """A field that was not sent before is another question."""
    changed = replace(request, params=dict(request.params) | {f"new_{name}": value for name, value in more.items()})
    assert request_id(request, IDENTITY) != request_id(changed, IDENTITY)


@given(requests, st.text(min_size=1, max_size=5))
def test_model_revision_roles_and_own_key_fields_are_part_of_it(request: Request, text: str) -> None:
    """An answer can never be mistaken for another model's, revision's, role's or step's."""
    key = request_id(request, IDENTITY)
    first, *rest = request.messages
    others = [
        request_id(request, Identity(IDENTITY.model + text, IDENTITY.revision)),
        request_id(request, Identity(IDENTITY.model, f"{IDENTITY.revision}{text}")),
        request_id(request, Identity(IDENTITY.model)),
        request_id(replace(request, messages=(Message(first.role, first.content + text), *rest)), IDENTITY),
        request_id(replace(request, messages=(Message("assistant", first.content), *rest)), IDENTITY),
        request_id(replace(request, messages=(*request.messages, Message("user", ""))), IDENTITY),
        request_id(replace(request, key={"step": text}), IDENTITY),
    ]
    assert len({key, *others}) == len(others) + 1


@given(requests, st.text(max_size=5))
def test_who_it_is_for_is_not_part_of_it(request: Request, text: str) -> None:
    """A problem that got another id reuses its answers."""
    assert request_id(request, IDENTITY) == request_id(replace(request, subject={"problem_id": text}), IDENTITY)


def test_the_key_is_stable_between_versions() -> None:
    """Ledgers outlive releases: this value may only change together with the ledger's schema."""
    request = Request((Message("user", "How many?"),), {"temperature": 0.6, "seed": 1, "max_tokens": 16384})
    assert request_id(request, IDENTITY) == "ec90d5854e6a25f9446188804624c26854d800e2bbed11a44b6ce5e71417ca3e"


@given(
    requests,
    st.text(max_size=5),
    st.none() | st.text(max_size=5),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(0, 2**63)),
)
def test_the_key_is_the_hash_of_canonical_json(
    request: Request, model: str, revision: str | None, key: dict[str, str | int]
) -> None:
    """Whatever writes the JSON that is hashed, quotes, control characters and the order of names are as ever."""
    asked = replace(request, key=key)
    hashes = [hashlib.sha256(message.content.encode()).hexdigest() for message in request.messages]
    roles = [[message.role, digest] for message, digest in zip(request.messages, hashes, strict=True)]
    parts = ["ocr_pipeline request 1", model, revision, roles, asked.params_json, key]
    expected = hashlib.sha256(canonical_json(parts).encode()).hexdigest()
    assert request_id(asked, Identity(model, revision)) == expected


@given(st.sampled_from([0.0, 1.0, 2.0]))
def test_whole_floats_and_integers_are_one_number(value: float) -> None:
    """A temperature of 1 and of 1.0 is paid once."""
    asked = [Request((Message("user", "q"),), {"temperature": number}) for number in (value, int(value))]
    assert len({request_id(request, IDENTITY) for request in asked}) == 1


def test_what_is_hashed_is_what_is_sent() -> None:
    """The body holds the model, the messages and every parameter, and nothing of who it is for."""
    request = Request((Message("user", "q"),), {"seed": 3}, key={"step": "x"}, subject={"problem_id": "p"})
    assert wire_body(request, "m") == b'{"model":"m","messages":[{"role":"user","content":"q"}],"seed":3}'
