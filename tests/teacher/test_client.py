"""Every fault of a server against the client: what happened, how many requests it took; no hang, no loss."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from ocr_pipeline.errors import OptionError, TeacherError
from ocr_pipeline.teacher import records, reply
from ocr_pipeline.teacher.client import authorization, base_url
from ocr_pipeline.teacher.replay import Planned, Replayer
from ocr_pipeline.teacher.transport import HttpReply
from tests.teacher import world as tw


class Scripted(Replayer):
    """Plays a list of plans, then answers."""

    def __init__(self, *plans: Planned) -> None:
        super().__init__(tw.recordings(), faults=tw.parse_faults(""))
        self.plans = list(plans)

    def plan(self, body: bytes) -> Planned:
        """Return the next plan of the script, or an answer."""
        return self.plans.pop(0) if self.plans else super().plan(body)


def scripted(*plans: Planned) -> tw.World:
    """Return a world with one scripted server."""
    return tw.World({tw.URL: Scripted(*plans)})


def failing(status: int, message: str = "no", **headers: str) -> Planned:
    """Return an error reply."""
    body = orjson.dumps({"error": {"message": message}})
    return Planned(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        ("429:0.3", "rate_limited"),
        ("500:0.3", "server_error"),
        ("503:0.3", "server_error"),
        ("reset:0.3", "connection"),
        ("stall:0.3", "timeout"),
        ("garbage:0.3", "malformed_reply"),
        ("wrong_model:0.3", "wrong_model"),
    ],
)
def test_a_fault_that_passes_costs_retries_and_no_answer(faults: str, kind: str, tmp_path: Path) -> None:
    """With three attempts in ten failing, every problem is answered once and the retries are counted by kind."""
    here = tw.world(faults)
    counts, rows = tw.run(here, tw.problems(100), tmp_path)
    assert (counts.kept, counts.dropped) == (100, {})
    assert all(row["text"].startswith("<think>") and row["model"] == tw.MODEL for row in rows)
    assert counts.notes["retries"] == counts.notes[f"retries_{kind}"] == len(here.seen) - 100
    assert 20 <= counts.notes["retries"] <= 80


@pytest.mark.parametrize("faults", ["truncate:1", "no_think:1", "loop:1"])
def test_a_bad_answer_is_an_answer(faults: str, tmp_path: Path) -> None:
    """What the model did is stored, not tried again: other steps judge it."""
    here = tw.world(faults)
    counts, rows = tw.run(here, tw.problems(10), tmp_path)
    assert (counts.kept, len(here.seen)) == (10, 10)
    assert {row["finish_reason"] for row in rows} == ({"stop"} if faults.startswith("no") else {"length"})


def test_retry_after_is_kept(tmp_path: Path) -> None:
    """A replica that asks for 40 seconds is left alone for 40 seconds."""
    here = scripted(failing(429, Retry_After="40"))
    tw.run(here, tw.problems(1), tmp_path)
    assert len(here.seen) == 2
    assert 40 <= here.occupancy[1][0] - here.occupancy[0][0] < 50


def test_retry_after_may_be_a_date(tmp_path: Path) -> None:
    """The other form of the header is understood."""
    here = scripted(failing(429, Retry_After="Fri, 15 Jan 2027 08:01:00 GMT"))
    tw.run(here, tw.problems(1), tmp_path)
    assert 59 <= here.occupancy[1][0] < 70  # the simulated clock starts at 08:00:00


@pytest.mark.parametrize("value", ["soon", "", "-5", "nan", "inf"])
def test_a_senseless_retry_after_is_no_reason_to_hang(value: str, tmp_path: Path) -> None:
    """A header that makes no sense gives an ordinary wait."""
    here = scripted(failing(429, Retry_After=value))
    tw.run(here, tw.problems(1), tmp_path)
    assert here.now_s < 700


def test_an_overloaded_server_gets_fewer_requests_at_a_time(tmp_path: Path) -> None:
    """Back-pressure: after a 429 the window of that replica shrinks, and grows again with success."""

    class Limited(Replayer):
        running = 0
        refused = 0

        def plan(self, body: bytes) -> Planned:
            if here.in_flight > 10:
                Limited.refused += 1
                return failing(429, Retry_After="1")
            planned = super().plan(body)
            return Planned(planned.status, planned.body, planned.headers, delay_s=1.0)

    here = tw.World({tw.URL: Limited(tw.recordings(), faults=tw.parse_faults(""))})
    counts, _ = tw.run(here, tw.problems(1000), tmp_path, settings=tw.config(window=100))
    assert counts.kept == 1000
    assert Limited.refused < 500, "a window of 100 at a server for 10 would be refused nine times in ten"


REFUSALS = [
    (400, "cannot", "bad_request", False),
    (422, "cannot", "bad_request", False),
    (413, "cannot", "prompt_too_long", False),
    (400, "the request exceeds the available context size, try increasing it", "prompt_too_long", False),
    (422, "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3000", "prompt_too_long", False),
    (403, "your input was flagged by moderation", "moderation", True),
    (402, "Insufficient Balance", "account", False),
    (429, "You exceeded your current quota, please check your billing details", "account", False),
    (400, "you must provide a chat template", "setting", False),
    (400, "Unsupported parameter: 'max_tokens'", "setting", False),
]


@pytest.mark.parametrize(("status", "words", "kind", "is_final"), REFUSALS)
def test_a_refusal_is_a_row(status: int, words: str, kind: str, is_final: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a column
    """The refused request is one row with its error, the others are answered; only what its question caused is final."""
    here = scripted(failing(status, words))
    counts, rows = tw.run(here, tw.problems(5), tmp_path)
    assert (counts.kept, counts.dropped) == (4, {kind: 1})
    assert [(row["error"].partition(":")[0], row["is_final"]) for row in rows if row["error"]] == [(kind, is_final)]
    again, _ = tw.run(here, tw.problems(5), tmp_path)
    assert (again.notes["paid"], len(here.seen)) == ((0, 5) if is_final else (1, 6))


def test_a_prompt_that_is_too_long_for_the_server_has_a_kind_of_its_own(tmp_path: Path) -> None:
    """The words that vLLM uses for it are known."""
    here = scripted(failing(400, "This model's maximum context length is 4096 tokens. However, you requested 9000."))
    counts, _ = tw.run(here, tw.problems(2), tmp_path)
    assert counts.dropped == {"prompt_too_long": 1}


def test_a_request_that_never_succeeds_is_a_row_and_is_asked_again_next_time(tmp_path: Path) -> None:
    """Eight attempts, then a row with the error; the next run pays for it, as nothing was bought."""
    here = scripted(*[failing(500, "out of order")] * 8)
    counts, rows = tw.run(here, tw.problems(1), tmp_path)
    assert (counts.dropped, rows[0]["error"], rows[0]["attempts"]) == (
        {"server_error": 1},
        "server_error: HTTP 500: out of order",
        8,
    )
    again, rows = tw.run(here, tw.problems(1), tmp_path)
    assert (again.kept, again.notes["paid"], rows[0]["error"]) == (1, 1, None)


def test_a_run_whose_first_requests_are_all_refused_ends(tmp_path: Path) -> None:
    """A wrong option is one line, not a million rows."""
    here = scripted(*[failing(400, "unknown field `temperatur`")] * 1000)
    with pytest.raises(
        TeacherError, match=r"20 requests in a row failed alike \(setting\): unknown field `temperatur`"
    ):
        tw.run(here, tw.problems(1000), tmp_path)
    assert len(here.seen) < 60


@pytest.mark.parametrize(
    ("status", "words"), [(401, "refused the key"), (403, "refused the key"), (404, "check --url")]
)
def test_a_wrong_configuration_ends_the_run_in_one_line(status: int, words: str, tmp_path: Path) -> None:
    """Key and model are not the fault of a request; what was answered before is kept."""
    here = tw.World({tw.URL: Scripted()})
    tw.run(here, tw.problems(3), tmp_path)
    here.servers = {tw.URL: Scripted(failing(status))}
    with pytest.raises(TeacherError, match=words):
        tw.run(here, tw.problems(4), tmp_path)
    here.servers = {tw.URL: Scripted()}
    counts, _ = tw.run(here, tw.problems(4), tmp_path)
    assert (counts.kept, counts.notes["reused"]) == (4, 3)


def test_requests_go_to_all_replicas_alike(tmp_path: Path) -> None:
    """The least loaded gets the next one."""
    here = tw.world("delay:constant(1)", replicas=4)
    tw.run(here, tw.problems(400), tmp_path, settings=tw.config(window=40))
    assert all(90 <= count <= 110 for count in Counter(url for url, _ in here.seen).values())


def test_a_dead_replica_is_taken_out_and_comes_back(tmp_path: Path) -> None:
    """While one of two is down the other gets everything; afterwards both work; nothing is lost or counted twice."""
    here = tw.world("delay:constant(20)", replicas=2, is_down=lambda url, now_s: "-0:" in url and 100 < now_s < 400)
    counts, rows = tw.run(here, tw.problems(500), tmp_path, settings=tw.config(window=10))
    assert (counts.kept, counts.notes["replicas_taken_out"]) == (500, 1)
    assert {row["attempts"] for row in rows} == {1}
    assert sum(count > 1 for count in here.arrived.values()) == 0
    back = [
        now_s for (url, _), (now_s, _) in zip(here.seen, here.occupancy, strict=True) if "-0:" in url and now_s > 400
    ]
    assert min(back) < 450


def test_a_server_that_is_down_for_minutes_is_waited_for(tmp_path: Path) -> None:
    """Nothing fails and nothing is counted as an attempt while the only server starts again."""
    here = tw.world("delay:constant(10)", is_down=lambda _, now_s: 50 < now_s < 600)
    counts, rows = tw.run(here, tw.problems(100), tmp_path)
    assert (counts.kept, {row["attempts"] for row in rows}) == (100, {1})


def test_a_server_that_never_comes_back_ends_the_run(tmp_path: Path) -> None:
    """After the patience there is one line that says what to do, and what was answered is kept."""
    here = tw.world("delay:constant(10)", is_down=lambda _, now_s: now_s > 50)
    with pytest.raises(TeacherError, match=r"has not answered for 900 s; start it again"):
        tw.run(here, tw.problems(100), tmp_path)
    assert 900 < here.now_s < 1100
    here.is_down = lambda _url, _now_s: False
    counts, _ = tw.run(here, tw.problems(100), tmp_path)
    assert (counts.kept, counts.notes["reused"]) == (100, sum(here.arrived.values()) - counts.notes["paid"])


def test_the_window_is_full_until_the_queue_ends(tmp_path: Path) -> None:
    """A slow answer holds up nobody: no drain between batches."""
    here = tw.world("delay:lognormal(5,1.5)")
    tw.run(here, tw.problems(500), tmp_path, settings=tw.config(window=20, deadline_s=10**6))
    last_sent_s = here.occupancy[-1][0]
    busy = [count for now_s, count in here.occupancy if 1 < now_s < last_sent_s]
    assert here.most_in_flight == 20
    assert min(busy) >= 18, "only answers on their way to the disk may be missing"
    assert sum(busy) / len(busy) > 19.9


def test_the_key_is_sent_and_stands_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It comes from the environment, goes into the header, and is in no file and no output."""
    monkeypatch.setenv("TEACHER_KEY", "sk-very-secret")
    here = tw.world()
    rows = tw.Rows()
    tw.generate(
        tw.batches(tw.problems(3)),
        config=tw.config(),
        server=tw.attach([tw.URL], "TEACHER_KEY"),
        ledger=tmp_path,
        dataset="toy",
        writer=rows,
        outside=here.outside,
    )
    assert here.headers == {"Authorization": "Bearer sk-very-secret"}
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir()) + repr(rows.list()).encode()
    assert b"sk-very-secret" not in stored + "".join(capfd.readouterr()).encode()


@pytest.mark.parametrize("key", ["sk-1\r\nX-Evil: 1", "schlüssel", "sk\x00"])
def test_a_key_that_no_header_holds_is_one_line(key: str) -> None:
    """Neither another header nor a traceback; the key itself is not shown."""
    with pytest.raises(TeacherError, match="`KEY` must hold a key of plain letters") as caught:
        authorization("KEY", {"KEY": key})
    assert key not in str(caught.value)


def test_a_missing_key_is_one_line() -> None:
    """The message names the variable."""
    with pytest.raises(TeacherError, match="`NO_SUCH_KEY` holds no key"):
        authorization("NO_SUCH_KEY", {})


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://host:8000", "http://host:8000/v1"),
        ("http://host:8000/", "http://host:8000/v1"),
        ("http://host:8000/v1/", "http://host:8000/v1"),
        ("https://api.example/openai/v1", "https://api.example/openai/v1"),
        ("http://host/v1/chat/completions", "http://host/v1"),
    ],
)
def test_urls_are_taken_as_people_write_them(url: str, base: str) -> None:
    """With or without the version, a slash or the whole endpoint."""
    assert base_url(url) == base


@pytest.mark.parametrize("url", ["", "host:8000", "ftp://host", "http://", "http://host:port"])
def test_what_is_no_url_is_said_so(url: str) -> None:
    """The message shows one that works."""
    with pytest.raises(OptionError, match="is not an address of a server; give one such as"):
        base_url(url)


@pytest.mark.parametrize("url", ["http://user:secret@host/v1", "http://secret@host", "http://u:secret/x@host"])
def test_an_address_holds_no_password(url: str) -> None:
    """It would stand in messages and manifests; the line says where a key belongs."""
    with pytest.raises(
        OptionError, match="no user name or password; name the variable with its key as --api-key-env"
    ) as caught:
        base_url(url)
    assert "secret" not in str(caught.value)


def test_replicas_of_different_models_are_refused(tmp_path: Path) -> None:
    """The served root tells two models under one name apart, before anything is asked."""

    class Other(Replayer):
        def models(self) -> bytes:
            return orjson.dumps({"data": [{"id": tw.MODEL, "root": "/models/other"}]})

    here = tw.world(replicas=2)
    here.servers["http://teacher-1:8000/v1"] = Other(tw.recordings(), faults=tw.parse_faults(""))
    with pytest.raises(TeacherError, match="do not serve the same model"):
        tw.run(here, tw.problems(1), tmp_path)
    assert here.seen == []


def test_another_revision_under_the_same_name_is_asked_anew(tmp_path: Path) -> None:
    """The server was restarted with other weights: the old answers are not its answers."""
    here = tw.world()
    tw.run(here, tw.problems(3), tmp_path)
    get = here.get

    async def renamed(url: str, *, timeout_s: float) -> Any:
        reply = await get(url, timeout_s=timeout_s)
        return HttpReply(200, {}, reply.body.replace(b'"root":"replay/sample"', b'"root":"/models/new"'))

    here.get = renamed  # type: ignore[method-assign]
    counts, rows = tw.run(here, tw.problems(3), tmp_path)
    assert (counts.notes["reused"], counts.notes["paid"]) == (0, 3)
    assert {row["model"] for row in rows} == {"replay/sample@/models/new"}


def test_an_answer_that_does_not_fit_the_served_context_is_refused_at_the_start(tmp_path: Path) -> None:
    """One line instead of a refusal for every problem."""

    class Small(Replayer):
        def models(self) -> bytes:
            return orjson.dumps({"data": [{"id": tw.MODEL, "max_model_len": 2048}]})

    here = tw.World({tw.URL: Small(tw.recordings(), faults=tw.parse_faults(""))})
    with pytest.raises(TeacherError, match="max_tokens is 16384, but `replay/sample` is served with a context of 2048"):
        tw.run(here, tw.problems(1), tmp_path)


@pytest.mark.parametrize("words", ["CUDA out of memory", "EngineCore encountered an issue"])
def test_a_failure_of_the_machine_is_tried_again(words: str, tmp_path: Path) -> None:
    """A 400 that speaks of the machine says nothing of the question."""
    counts, _ = tw.run(scripted(failing(400, words)), tw.problems(2), tmp_path)
    assert (counts.kept, counts.notes["retries_server_error"]) == (2, 1)


def test_a_pod_that_starts_again_does_not_end_the_run(tmp_path: Path) -> None:
    """A 404 of a server that answered before passes."""

    class Restarting(tw.Replayer):
        asked = 0

        def plan(self, body: bytes) -> Planned:
            Restarting.asked += 1
            return failing(404, "not found") if Restarting.asked == 4 else super().plan(body)

    here = tw.World({tw.URL: Restarting(tw.recordings(), faults=tw.parse_faults(""))})
    counts, _ = tw.run(here, tw.problems(6), tmp_path, settings=tw.config(window=1))
    assert counts.kept == 6


def test_replies_under_another_name_are_paid_once(tmp_path: Path) -> None:
    """A gateway that renames the model: every reply is kept, and becomes the answer when its name is accepted."""
    here = tw.World({tw.URL: tw.Replayer(tw.recordings(), faults=tw.parse_faults("wrong_model:1.0"))})
    with pytest.raises(TeacherError, match="give --accept-model another/model"):
        tw.run(here, tw.problems(4), tmp_path)
    assert len(here.seen) == 4
    accepted, _ = tw.run(here, tw.problems(4), tmp_path, settings=tw.config(accept_models=("another/model",)))
    assert (accepted.kept, accepted.notes["paid"], len(here.seen)) == (4, 0, 4)


def test_a_redirect_of_a_request_is_named(tmp_path: Path) -> None:
    """A 301 would lose the body of the request, so the run ends with the address to give."""
    with pytest.raises(TeacherError, match="sends requests on to `/other/v1`"):
        tw.run(scripted(failing(301, "", Location="/other/v1")), tw.problems(2), tmp_path)


def test_a_renamed_field_is_sent_and_the_key_stays(tmp_path: Path) -> None:
    """What is left out or renamed on the wire is the same question: nothing is asked again."""
    here = scripted()
    tw.run(here, tw.problems(2), tmp_path)
    renamed = tw.config(rename=("max_tokens=max_completion_tokens",), leave_out=("top_p",))
    again, _ = tw.run(here, tw.problems(3), tmp_path, settings=renamed)
    assert (again.notes["reused"], again.notes["paid"]) == (2, 1)


def test_an_error_in_a_good_status_is_what_it_says(tmp_path: Path) -> None:
    """An empty account that a gateway reports with HTTP 200 is a failure of the account, asked again by the next run."""
    words = json.dumps({"error": {"code": 402, "message": "Insufficient credits"}})
    here = scripted(Planned(200, words.encode(), {}))
    counts, rows = tw.run(here, tw.problems(3), tmp_path)
    assert (counts.kept, counts.dropped) == (2, {"account": 1})
    assert [row["is_final"] for row in rows if row["error"]] == [False]
    assert tw.run(here, tw.problems(3), tmp_path)[0].kept == 3


@pytest.mark.parametrize("body", [b"<html>odd", b'{"odd": {"content": "x"}}', b'{"choices": []}'])
def test_a_reply_that_no_reader_could_read_is_read_by_a_new_one_for_nothing(
    body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The raw reply was kept, so the answer comes out of the ledger: nothing is asked."""

    class Odd(tw.Replayer):
        def plan(self, asked: bytes) -> Planned:
            planned = super().plan(asked)
            return Planned(planned.status, body + b"|" + planned.body, planned.headers, planned.delay_s)

    here = tw.World({tw.URL: Odd(tw.recordings(), faults=tw.parse_faults(""))})
    settings = tw.config(max_attempts=1)
    before, _ = tw.run(here, tw.problems(3), tmp_path, settings=settings)
    assert (before.kept, before.dropped, len(here.seen)) == (0, {"malformed_reply": 3}, 3)

    known = reply.completion_in
    monkeypatch.setattr(reply, "completion_in", lambda raw: known(raw.removeprefix(body + b"|")))
    after, rows = tw.run(here, tw.problems(3), tmp_path, settings=settings)
    assert (after.kept, after.notes["paid"], len(here.seen)) == (3, 0, 3)
    assert all(row["text"].startswith("<think>") for row in rows)


def test_an_answer_of_an_earlier_reader_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reasoning that an earlier reader left behind is in the text of the next run, and nothing is asked."""
    monkeypatch.setattr(reply, "REASONING_FIELDS", ())
    here = tw.World({tw.URL: Spoken(tw.recordings(), faults=tw.parse_faults(""))})
    _, before = tw.run(here, tw.problems(2), tmp_path)
    assert [row["text"] for row in before] == ["print(1)"] * 2
    monkeypatch.undo()
    monkeypatch.setattr(records, "READER", reply.READER + 1)
    counts, after = tw.run(here, tw.problems(2), tmp_path)
    assert (counts.notes["paid"], len(here.seen)) == (0, 2)
    assert [row["text"] for row in after] == ["<think>\nDouble.\n</think>\n\nprint(1)"] * 2


class Spoken(tw.Replayer):
    """Gives the reasoning in a field of its own."""

    def plan(self, body: bytes) -> Planned:
        """Plan the same answer for every request."""
        planned = super().plan(body)
        told = json.loads(planned.body)
        told["choices"][0]["message"] = {"role": "assistant", "content": "print(1)", "reasoning": "Double."}
        return Planned(planned.status, json.dumps(told).encode(), planned.headers, planned.delay_s)


def test_repaired_characters_are_noted_in_the_row(tmp_path: Path) -> None:
    """A half character costs that character, not the answer, and the row says so."""

    class Half(tw.Replayer):
        def plan(self, body: bytes) -> Planned:
            planned = super().plan(body)
            return Planned(
                planned.status, planned.body.replace(b"xxxx", b"\\ud83d", 1), planned.headers, planned.delay_s
            )

    here = tw.World({tw.URL: Half(tw.recordings(), faults=tw.parse_faults(""))})
    counts, rows = tw.run(here, tw.problems(1), tmp_path)
    assert (counts.kept, rows[0]["repairs"]) == (1, ["lone_surrogates"])
    assert tw.run(here, tw.problems(1), tmp_path)[1][0]["repairs"] == ["lone_surrogates"]
