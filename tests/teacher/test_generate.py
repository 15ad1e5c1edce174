"""Responses from the ledger: everything wanted is a row, everything unaffected is reused, the order never matters."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_pipeline.asking import Budget
from ocr_pipeline.errors import BudgetError, InputError, OptionError
from ocr_pipeline.store import FileWriter
from ocr_pipeline.tables import RESPONSES
from ocr_pipeline.teacher.budget import Account
from ocr_pipeline.teacher.forecast import forecast
from ocr_pipeline.teacher.policy import Subject, UntilAccepted
from ocr_pipeline.teacher.reply import Usage
from tests.teacher import world as tw

Row = dict[str, Any]


def test_rows_are_sorted_by_problem_and_sample_whatever_the_order_of_the_problems(tmp_path: Path) -> None:
    """Shuffled input gives the same rows."""
    rows = tw.problems(30)
    _, first = tw.run(tw.world(), rows, tmp_path / "a", settings=tw.config(samples=3))
    _, second = tw.run(
        tw.world("delay:uniform(1,100)"),
        rows[::-1],
        tmp_path / "b",
        settings=tw.config(samples=3),
    )
    assert [(row["problem_id"], row["sample_index"]) for row in first] == [
        (row["problem_id"], sample) for row in rows for sample in range(3)
    ]
    assert first == second


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs into two ledgers write the same file."""
    hashes = set()
    for name in ("a", "b"):
        with FileWriter(tmp_path / f"{name}.parquet", RESPONSES) as writer:
            tw.run(tw.world(), tw.problems(50), tmp_path / name, writer=writer, settings=tw.config(samples=2))
        hashes.add(hashlib.sha256((tmp_path / f"{name}.parquet").read_bytes()).hexdigest())
    assert len(hashes) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_inserted_deleted_and_reordered_problems_reuse_everything_else(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever the two lists of problems are, the second run pays exactly for what the first one did not have."""
    numbers = st.lists(st.integers(0, 30), max_size=12, unique=True)
    first, second = data.draw(numbers), data.draw(numbers)
    samples = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    wanted = [
        {(problem, sample) for problem in chosen for sample in range(count)}
        for chosen, count in zip((first, second), samples, strict=True)
    ]
    for chosen, count, paid in zip((first, second), samples, (wanted[0], wanted[1] - wanted[0]), strict=True):
        rows = [row for number in chosen for row in tw.problems(1, start=number)]
        counts, out = tw.run(tw.world(), rows, folder, settings=tw.config(samples=count))
        assert counts.notes["paid"] == len(paid)
        assert len(out) == len(chosen) * count


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.7},
        {"top_p": 0.9},
        {"max_tokens": 1000},
        {"seed": 100},
        {"thinking_budget": 500},
        {"revision": "other"},
        {"language": "cpp"},
        {"extra": {"repetition_detection": {"min_count": 4}}},
    ],
)
def test_any_change_of_what_is_asked_asks_anew(changes: Row, tmp_path: Path) -> None:
    """No answer to another question is ever used."""
    tw.run(tw.world(), tw.problems(3), tmp_path)
    counts, _ = tw.run(tw.world(), tw.problems(3), tmp_path, settings=tw.config(**changes))
    assert (counts.notes["reused"], counts.notes["paid"]) == (0, 3)


@pytest.mark.parametrize("changes", [{"window": 3}, {"deadline_s": 5.0}, {"max_attempts": 2}, {"samples": 1}])
def test_a_change_of_how_it_is_asked_reuses_everything(changes: Row, tmp_path: Path) -> None:
    """Window, deadline and attempts decide no answer."""
    tw.run(tw.world(), tw.problems(3), tmp_path)
    counts, _ = tw.run(tw.world(), tw.problems(3), tmp_path, settings=tw.config(**changes))
    assert (counts.notes["reused"], counts.notes["paid"]) == (3, 0)


def test_a_changed_statement_asks_only_for_that_problem(tmp_path: Path) -> None:
    """One letter is enough."""
    rows = tw.problems(5)
    tw.run(tw.world(), rows, tmp_path)
    rows[2]["statement"] += "."
    counts, _ = tw.run(tw.world(), rows, tmp_path)
    assert counts.notes["paid"] == 1


def test_a_renamed_problem_keeps_its_answer(tmp_path: Path) -> None:
    """The row carries the new id, nothing is paid."""
    rows = tw.problems(2)
    tw.run(tw.world(), rows, tmp_path)
    rows[0]["problem_id"] = "apps/test/9"
    counts, out = tw.run(tw.world(), rows, tmp_path)
    assert (counts.notes["paid"], out[0]["problem_id"]) == (0, "apps/test/9")


def test_equal_problems_are_paid_once_and_the_second_names_the_first(tmp_path: Path) -> None:
    """Each wanted row is there, with a key of its own; the witness does not depend on the order."""
    rows = [{"problem_id": name, "statement": "Problem twins"} for name in ("b", "a")]
    here = tw.world()
    counts, out = tw.run(here, rows, tmp_path, settings=tw.config(samples=2))
    assert (counts.rows_in, counts.kept, counts.dropped, len(here.seen)) == (4, 2, {"same_request": 2}, 2)
    assert [(row["problem_id"], row["error"]) for row in out] == [
        ("a", None),
        ("a", None),
        ("b", "same_request: asked for a"),
        ("b", "same_request: asked for a"),
    ]
    assert len({row["request_id"] for row in out}) == 4


def test_braces_and_placeholders_in_a_statement_reach_the_teacher_as_they_are(tmp_path: Path) -> None:
    """Prompts are filled in one pass."""
    here = tw.world()
    statement = "Problem {question} {{statement}} {{starter_code}} {0} %s $x \\1 {{{{"
    tw.run(here, [{"problem_id": "p", "statement": statement}], tmp_path)
    assert statement in json.loads(here.seen[0][1])["messages"][0]["content"]


def test_seeds_follow_the_sample_index(tmp_path: Path) -> None:
    """Sample i has seed base + i, and the parameters of the row say so."""
    _, out = tw.run(tw.world(), tw.problems(1), tmp_path, settings=tw.config(samples=3, seed=40))
    assert [json.loads(row["params"])["seed"] for row in out] == [40, 41, 42]


def test_samples_of_one_problem_are_asked_one_after_another(tmp_path: Path) -> None:
    """A server that keeps the state of prefixes computes each prompt once."""
    here = tw.world()
    tw.run(here, tw.problems(3), tmp_path, settings=tw.config(samples=4, window=1))
    contents = [json.loads(body)["messages"][0]["content"] for _, body in here.seen]
    assert contents == sorted(contents)


def test_a_cap_on_requests_stops_cleanly_and_counts_earlier_runs(tmp_path: Path) -> None:
    """Run again with the same cap: nothing more is paid and the rows are the same; a higher cap goes on."""
    capped = tw.config(budget_requests=5)
    first, rows = tw.run(tw.world(), tw.problems(12), tmp_path, settings=capped)
    assert (first.kept, first.dropped) == (5, {"budget": 7})
    assert {row["error"] for row in rows} == {None, "budget: budget_requests 5"}
    again, same = tw.run(tw.world(), tw.problems(12), tmp_path, settings=capped)
    assert (again.notes["paid"], same) == (0, rows)
    more, _ = tw.run(tw.world(), tw.problems(12), tmp_path, settings=tw.config(budget_requests=8))
    assert (more.kept, more.notes["paid"]) == (8, 3)


@pytest.mark.parametrize(
    "budget", [Budget(budget_tokens=100_000), Budget(budget_cost=0.1, prompt_price=1.0, completion_price=1.0)]
)
def test_a_cap_on_tokens_or_money_is_never_passed(budget: Budget, tmp_path: Path) -> None:
    """What is in flight is reserved at its largest, and what comes back smaller makes room for more."""
    counts, _ = tw.run(tw.world("delay:constant(5)"), tw.problems(1000), tmp_path, settings=tw.config(**dict(budget)))
    spent = counts.notes["prompt_tokens"] + counts.notes["completion_tokens"]
    assert 80_000 < spent <= 100_000


def test_a_cap_on_time_stops_cleanly(tmp_path: Path) -> None:
    """What is in flight is still taken; nothing new is sent."""
    here = tw.world("delay:constant(10)")
    counts, _ = tw.run(here, tw.problems(200), tmp_path, settings=tw.config(budget_time_s=60.0))
    assert (counts.kept, here.in_flight) == (counts.notes["paid"], 0)
    assert 48 <= counts.kept <= 70
    assert here.now_s < 100


def test_a_cap_without_room_for_one_request_is_an_error(tmp_path: Path) -> None:
    """One line that names the cap."""
    with pytest.raises(BudgetError, match="budget_tokens 1000 has no room for a single request"):
        tw.run(tw.world(), tw.problems(2), tmp_path, settings=tw.config(budget_tokens=1000))


def test_money_without_a_price_cannot_be_capped() -> None:
    """The message says what is missing."""
    with pytest.raises(OptionError, match="no price is known"):
        Budget(budget_cost=5.0)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=40), st.integers(0, 500))
def test_an_account_never_lets_the_sum_pass_its_cap(costs: list[tuple[int, int]], cap: int) -> None:
    """Whatever answers cost, up to what was reserved."""
    account = Account(Budget(budget_tokens=cap))
    waiting: list[tuple[Usage, Usage]] = []
    for cost, slack in costs:
        largest = Usage(0, cost + slack)
        if account.has_room(largest):
            account.reserve(largest)
            waiting.append((largest, Usage(0, cost)))
        elif waiting:
            reserved, used = waiting.pop(0)
            account.release(reserved)
            account.spend(used)
        assert account.tokens + sum(reserved.tokens for reserved, _ in waiting) <= cap


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tokenizer that counts words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))  # noqa: S106 - a token of text
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    words.save(str(path))
    return path


def test_a_prompt_over_the_limit_is_a_row_and_is_not_asked(tokenizer: Path, tmp_path: Path) -> None:
    """Counted by the teacher's own tokenizer; a higher limit asks it."""
    rows = [{"problem_id": "long", "statement": "Problem " + "word " * 500}, *tw.problems(1)]
    here = tw.world()
    limited = tw.config(tokenizer=tokenizer, max_prompt_tokens=300)
    counts, out = tw.run(here, rows, tmp_path, settings=limited)
    assert (counts.kept, counts.dropped, len(here.seen)) == (1, {"prompt_too_long": 1}, 1)
    assert out[0]["error"] == "prompt_too_long: 595 tokens, 300 are allowed"
    more, _ = tw.run(here, rows, tmp_path, settings=tw.config(tokenizer=tokenizer, max_prompt_tokens=900))
    assert (more.kept, more.notes["paid"]) == (2, 1)


def test_answers_are_counted_by_the_tokenizer_or_estimated_and_say_so(tokenizer: Path, tmp_path: Path) -> None:
    """Beside the server's own count; a failure has none; another tokenizer is another configuration."""
    here, asked = tw.world(), tw.config(max_attempts=1)
    _, estimated = tw.run(here, tw.problems(1), tmp_path, settings=asked)
    counting = tw.config(tokenizer=tokenizer, max_prompt_tokens=300)
    rows = [*tw.problems(1), {"problem_id": "z", "statement": "Problem " + "word " * 500}]
    _, counted = tw.run(here, rows, tmp_path, settings=counting)
    seen = [(row["text_tokens"], row["text_tokens_by"], row["completion_tokens"]) for row in (*estimated, *counted)]
    assert seen == [(63, "estimate", 50), (5, "tokenizer", 50), (None, None, None)]
    assert asked.settings["tokenizer"] is None
    assert counting.settings["tokenizer"] == hashlib.sha256(tokenizer.read_bytes()).hexdigest()


def test_a_limit_without_a_tokenizer_is_an_error() -> None:
    """Tokens cannot be counted with somebody else's tokenizer."""
    with pytest.raises(InputError, match="no tokenizer is given to count with"):
        tw.config(max_prompt_tokens=100)


def test_the_forecast_counts_what_is_new_and_rests_on_answers_seen(tmp_path: Path) -> None:
    """Before anything is known it says that it assumes; afterwards it knows mean and tail."""
    here, rows = tw.world(), tw.problems(40)
    where: Row = {"server": tw.attach([tw.URL]), "ledger": tmp_path, "dataset": "toy", "outside": here.outside}
    before = forecast(tw.batches(rows), config=tw.config(), **where)
    assert (before.requests, before.reused, before.completion_tokens, before.time_s) == (40, 0, 40 * 8192, None)
    assert "assuming half of max_tokens" in before.basis
    assert not list(tmp_path.iterdir())
    tw.run(here, rows, tmp_path)
    priced = Budget(prompt_price=1.0, completion_price=10.0)
    after = forecast(tw.batches(tw.problems(140)), config=tw.config(**dict(priced)), **where)
    assert (after.requests, after.reused, after.completion_tokens) == (100, 40, 5000)
    assert after.time_s == pytest.approx(100 * 1.0 / 8, rel=0.01)
    assert after.cost == pytest.approx((after.prompt_tokens + 10 * 5000) / 1e6)


def test_a_forecast_is_what_the_run_then_pays(tmp_path: Path) -> None:
    """Requests and reuse agree with the counts of the run, equal problems included."""
    rows = [*tw.problems(10), {"problem_id": "z", "statement": "Problem number 3"}]
    here = tw.world()
    where: Row = {"server": tw.attach([tw.URL]), "ledger": tmp_path, "dataset": "toy", "outside": here.outside}
    expected = forecast(tw.batches(rows), config=tw.config(samples=2), **where)
    counts, _ = tw.run(here, rows, tmp_path, settings=tw.config(samples=2))
    assert (expected.requests, expected.reused) == (counts.notes["paid"], counts.notes["reused"]) == (20, 0)


def test_more_samples_until_enough_are_accepted(tmp_path: Path) -> None:
    """A second round asks more for what is unsolved, nothing for what is solved, and keeps what there is."""
    rows = tw.problems(3)
    tw.run(tw.world(), rows, tmp_path, settings=tw.config(samples=2))
    ids = [row["problem_id"] for row in rows]
    policy = UntilAccepted(accepted={ids[0]: 1}, asked=dict.fromkeys(ids, 2), enough=1, most=16)
    counts, out = tw.run(tw.world(), rows, tmp_path, settings=tw.config(samples=2), policy=policy)
    assert counts.notes["paid"] == 4
    assert [sum(row["problem_id"] == name for row in out) for name in ids] == [2, 4, 4]


@given(st.integers(0, 100), st.integers(0, 100), st.sampled_from([None, 800, 1500, 2500]), st.integers(1, 8))
def test_the_policy_never_takes_samples_away_and_gives_hard_problems_more(
    accepted: int, asked: int, rating: int | None, samples: int
) -> None:
    """What was asked stays; at most 16 tries, 32 for hard ones; enough is enough."""
    subject = Subject("p", rating)
    policy = UntilAccepted({"p": accepted}, {"p": asked}, enough=2, most=16)
    wanted = policy.samples(subject, samples)
    assert wanted >= asked
    assert wanted <= max(asked, samples, 32 if rating == 2500 else 16)
    assert wanted == asked or accepted < 2 or asked == 0


def test_easy_problems_think_half_as_long(tmp_path: Path) -> None:
    """The budget of each problem stands in its parameters."""
    rows = [row | {"rating": rating} for row, rating in zip(tw.problems(2), (800, 2400), strict=True)]
    _, out = tw.run(tw.world(), rows, tmp_path, settings=tw.config(thinking_budget=1000), policy=UntilAccepted())
    assert [json.loads(row["params"])["thinking_token_budget"] for row in out] == [500, 1000]


def test_a_language_nobody_is_asked_for_is_an_error() -> None:
    """The message names those there are."""
    with pytest.raises(InputError, match="language must be one of python, cpp, got `rust`"):
        tw.config(language="rust")


def test_problems_without_a_needed_column_are_an_error(tmp_path: Path) -> None:
    """The message names what is there."""
    with pytest.raises(InputError, match="no column `statement`; they have problem_id, text"):
        tw.run(tw.world(), [{"problem_id": "p", "text": "x"}], tmp_path)
