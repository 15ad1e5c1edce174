"""Several teachers in one run: who is asked for what, what it costs, and what becomes of it when one of them fails."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError, OptionError, TeacherError
from ocr_pipeline.mixing import largest_remainder
from ocr_pipeline.teacher.forecast import Forecast, forecasts
from ocr_pipeline.teacher.replay import Planned
from ocr_pipeline.teacher.servers import attach
from ocr_pipeline.teacher.several import ByShare, PerProblem, read_teachers
from tests.teacher import world as tw

SMALL, LARGE = "house/small", "house/large"
URLS = {SMALL: "http://small:8000/v1", LARGE: "http://large:8000/v1"}


class Named(tw.Replayer):
    """A replayed teacher under a name of its own."""

    def __init__(self, model: str) -> None:
        super().__init__(tw.recordings(), model=model, faults=tw.parse_faults(""))


class Refusing(Named):
    """A teacher that takes no key."""

    def plan(self, body: bytes) -> Planned:
        """Refuse every request."""
        del body
        return Planned(401, b'{"error": "no"}', {})


def both() -> tw.World:
    """Return a world with two teachers."""
    return tw.World({url: Named(model) for model, url in URLS.items()})


def listed(folder: Path, **parts: Any) -> Path:
    """Write a list of both teachers, with what each has of its own."""
    path = folder / "teachers.json"
    entries = [{"model": model, "url": url, **parts[model.removeprefix("house/")]} for model, url in URLS.items()]
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def run(
    here: tw.World, folder: Path, teachers: Path, count: int = 10, **changes: Any
) -> tuple[StageCounts, list[dict[str, Any]]]:
    """Ask both about some problems."""
    return tw.run(here, tw.problems(count), folder, settings=tw.config(teachers=teachers, **changes))


def test_one_table_holds_the_answers_of_all(tmp_path: Path) -> None:
    """The model tells them apart, and each teacher gave its number of samples to every problem."""
    counts, rows = run(both(), tmp_path, listed(tmp_path, small={"samples": 2}, large={"samples": 1}))
    assert (counts.kept, counts.notes["paid"], counts.notes["teachers"]) == (30, 30, 2)
    given_to = Counter((row["problem_id"], row["model"]) for row in rows)
    assert set(given_to.values()) == {1, 2}
    assert all(number == (2 if model == SMALL else 1) for (_, model), number in given_to.items())
    assert [row["problem_id"] for row in rows] == sorted(row["problem_id"] for row in rows)


def test_shares_are_exact_over_all_problems(tmp_path: Path) -> None:
    """A quarter of 40 requests is 10 of them; another seed draws others."""
    teachers = listed(tmp_path, small={"share": 3}, large={"share": 1})
    _, rows = run(both(), tmp_path / "a", teachers, count=20, samples=2)
    assert Counter(row["model"] for row in rows) == {SMALL: 30, LARGE: 10}
    _, others = run(both(), tmp_path / "b", teachers, count=20, samples=2, seed=1)
    drawn = [{row["problem_id"] for row in each if row["model"] == LARGE} for each in (rows, others)]
    assert drawn[0] != drawn[1]


def test_what_a_single_teacher_was_paid_for_is_used(tmp_path: Path) -> None:
    """A ledger that was written with one teacher serves the run with two: its requests have the same keys."""
    alone = tw.World({URLS[SMALL]: Named(SMALL)})
    before, _ = tw.run(alone, tw.problems(10), tmp_path, settings=tw.config(model=SMALL, samples=2))
    here = both()
    counts, rows = run(here, tmp_path, listed(tmp_path, small={"samples": 2}, large={"samples": 1}))
    assert (before.notes["paid"], counts.notes["reused"], counts.notes["paid"]) == (20, 20, 10)
    assert {url for url, _ in here.seen} == {URLS[LARGE]}
    assert Counter(row["model"] for row in rows) == {SMALL: 20, LARGE: 10}
    alone_again, _ = tw.run(alone, tw.problems(10), tmp_path, settings=tw.config(model=SMALL, samples=2))
    assert alone_again.notes["paid"] == 0


def test_the_same_again_asks_nothing_and_gives_the_same_rows(tmp_path: Path) -> None:
    """Also with shares, and whatever the order of the problems."""
    here, teachers = both(), listed(tmp_path, small={"share": 0.5}, large={"share": 0.5})
    _, rows = run(here, tmp_path, teachers, samples=3)
    turned = tw.problems(10)[::-1]
    counts, again = tw.run(here, turned, tmp_path, settings=tw.config(teachers=teachers, samples=3))
    assert (counts.notes["paid"], again) == (0, rows)


@pytest.mark.parametrize("reason", ["unreachable", "another model", "refused"])
def test_a_teacher_that_fails_does_not_stop_the_others(tmp_path: Path, reason: str) -> None:
    """Its requests are rows that say why, and are asked by the next run; nothing of the others is asked again."""
    here = both()
    if reason == "unreachable":
        here.is_down = lambda url, _now_s: url == URLS[SMALL]
    else:
        here.servers[URLS[SMALL]] = Named("other/model") if reason == "another model" else Refusing(SMALL)
    teachers = listed(tmp_path, small={"samples": 1}, large={"samples": 1})
    counts, rows = run(here, tmp_path, teachers)
    assert (counts.kept, counts.dropped, counts.notes["teachers_failed"]) == (10, {"setting": 10}, 1)
    assert {row["model"] for row in rows if row["error"]} == {SMALL}
    assert not any(row["is_final"] for row in rows if row["error"])
    mended = both()
    counts, _ = run(mended, tmp_path, teachers)
    assert (counts.kept, counts.notes["paid"]) == (20, 10)


def test_a_run_whose_teachers_all_fail_ends_in_one_line(tmp_path: Path) -> None:
    """There is nothing to go on with."""
    here = both()
    here.is_down = lambda _url, _now_s: True
    with pytest.raises(TeacherError, match="cannot be reached"):
        run(here, tmp_path, listed(tmp_path, small={"samples": 1}, large={"samples": 1}))


def test_caps_count_all_teachers_each_at_its_price(tmp_path: Path) -> None:
    """What the first one cost is gone for the second; what a cap left unasked is a row."""
    parts = {"small": {"samples": 1, "prompt_price": 1.0}, "large": {"samples": 1, "prompt_price": 10.0}}
    counts, rows = run(both(), tmp_path, listed(tmp_path, **parts), budget_requests=13)
    assert (counts.kept, counts.dropped) == (13, {"budget": 7})
    assert Counter(row["model"] for row in rows if row["error"]) == {LARGE: 7}


def test_options_of_the_run_may_be_otherwise_for_one(tmp_path: Path) -> None:
    """Temperature, length and names of fields; the other has those of the run."""
    own = {"samples": 1, "temperature": 0.9, "max_tokens": 128, "leave_out": ["top_p"]}
    here = both()
    _, rows = run(here, tmp_path, listed(tmp_path, small={"samples": 1}, large=own), count=1)
    sent = {url: json.loads(body) for url, body in here.seen}
    assert (sent[URLS[LARGE]]["temperature"], sent[URLS[LARGE]]["max_tokens"]) == (0.9, 128)
    assert "top_p" in sent[URLS[SMALL]]
    assert "top_p" not in sent[URLS[LARGE]]
    assert {json.loads(row["params"])["max_tokens"] for row in rows} == {128, 16_384}


def test_the_forecast_is_told_by_teacher(tmp_path: Path) -> None:
    """Requests and cost of each; one that cannot be used says so."""
    here = both()
    here.is_down = lambda url, _now_s: url == URLS[SMALL]
    parts = {"small": {"samples": 1}, "large": {"samples": 2, "completion_price": 2.0}}
    config = tw.config(teachers=listed(tmp_path, **parts))
    found = dict(
        forecasts(
            tw.batches(tw.problems(10)),
            config=config,
            server=attach(list(URLS.values())),
            ledger=tmp_path,
            dataset="toy",
            outside=here.outside,
        )
    )
    assert isinstance(found[SMALL], TeacherError)
    assert isinstance(found[LARGE], Forecast)
    assert (found[LARGE].requests, found[LARGE].cost is not None) == (20, True)
    assert here.seen == []


def test_what_affects_the_answers_is_in_the_settings(tmp_path: Path) -> None:
    """Models, parts and sampling are in the fingerprint; where a server is and how many it takes is not."""
    first = tw.config(teachers=listed(tmp_path, small={"samples": 1}, large={"samples": 1, "window": 4})).settings
    second = tw.config(
        teachers=listed(tmp_path, small={"samples": 1}, large={"samples": 1, "url": "http://b/v1"})
    ).settings
    third = tw.config(teachers=listed(tmp_path, small={"samples": 1}, large={"samples": 2})).settings
    assert first == second
    assert first != third
    assert "teachers" not in tw.config().settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "cannot be read"),
        ("{}", "must hold a list of teachers"),
        ("[]", "must hold a list of teachers"),
        ('[{"model": "a"}]', "teacher `a` must have either samples or a share"),
        ('[{"model": "a", "samples": 1, "share": 1}]', "teacher `a` must have either samples or a share"),
        ('[{"model": "a", "samples": 1}, {"model": "b", "share": 1}]', "must all have samples, or all have shares"),
        ('[{"model": "a", "samples": 1}, {"model": "a", "samples": 1}]', "names `a` twice"),
        ('[{"model": "a", "samples": 0}]', "must not all have 0"),
        ('[{"model": "a", "samples": -1}]', "samples must be at least 0, got -1"),
        ('[{"samples": 1}]', "model is required"),
        ('[{"model": "a", "samples": 1, "temprature": 1}]', "a teacher has no option `temprature`"),
        ('[{"model": "a", "samples": 1, "language": "cpp"}]', "a teacher has no option `language`"),
    ],
)
def test_a_list_that_is_wrong_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    """Before anything is asked."""
    (tmp_path / "teachers.json").write_text(text, encoding="utf-8")
    with pytest.raises((InputError, OptionError), match=message):
        read_teachers(tmp_path / "teachers.json")


def test_a_list_may_be_yaml(tmp_path: Path) -> None:
    """As configuration is written elsewhere."""
    text = "teachers:\n- model: a\n  url: http://a/v1\n  samples: 1\n- model: b\n  urls: [http://b/v1]\n  samples: 2\n"
    (tmp_path / "teachers.yaml").write_text(text, encoding="utf-8")
    assert [(each.model, each.urls, each.samples) for each in read_teachers(tmp_path / "teachers.yaml")] == [
        ("a", ("http://a/v1",), 1),
        ("b", ("http://b/v1",), 2),
    ]


def test_rounds_need_one_teacher(tmp_path: Path) -> None:
    """Who gets another round would change who was asked before."""
    with pytest.raises(OptionError, match="enough_accepted needs one teacher"):
        tw.config(teachers=listed(tmp_path, small={"samples": 1}, large={"samples": 1}), enough_accepted=1)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any), st.integers(0, 40))
def test_more_samples_take_none_away_and_whole_rounds_are_exact(weights: list[int], samples: int) -> None:
    """Per problem: the numbers add up, grow with the samples, and are the weights themselves for their sum."""
    split = PerProblem(tuple(weights))
    counts, more = split.counts("p", samples), split.counts("p", samples + 1)
    assert sum(counts) == samples
    assert all(after >= before for before, after in zip(counts, more, strict=True))
    assert list(split.counts("p", sum(weights))) == weights


@given(
    st.lists(st.floats(0, 9), min_size=1, max_size=5).filter(lambda shares: sum(shares) > 0.01),
    st.integers(0, 60),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_shares_of_all_requests_are_exact(shares: list[float], problems: int, samples: int, seed: int) -> None:
    """Over all problems each teacher has its part to the exact number, in whatever order they come."""
    wanted = [(f"p{number}", samples) for number in range(problems)]
    split = ByShare.of(shares, seed, lambda: wanted)
    found = [sum(column) for column in zip(*(split.counts(*each) for each in wanted), strict=True)]
    assert (found or [0] * len(shares)) == largest_remainder(problems * samples, [Fraction(share) for share in shares])
    assert ByShare.of(shares, seed, lambda: wanted[::-1]) == split
