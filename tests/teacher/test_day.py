"""A day of traffic with every fault at once, at a clock that jumps: no hang, no loss, and every row explained."""

from collections import Counter
from pathlib import Path

import pytest

from tests.teacher import world as tw

FAULTS = (
    "429:0.03,500:0.02,503:0.01,reset:0.02,stall:0.003,garbage:0.01,wrong_model:0.01,"
    "truncate:0.02,no_think:0.02,loop:0.02,delay:lognormal(300,1.0)"
)
DAY_S = 86_400.0


def outages(url: str, now_s: float) -> bool:
    """Take one replica down for half an hour each six hours, and both for ten minutes at noon."""
    if 43_200 <= now_s < 43_800:
        return True
    return "-0:" in url and now_s % 21_600 > 19_800


@pytest.mark.parametrize("window", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_twenty_four_hours_with_all_faults_lose_nothing(window: int, tmp_path: Path) -> None:
    """Two replicas with outages, ten kinds of faults: every request ends as an answer, and every retry is counted."""
    wanted = 300 * window
    here = tw.world(FAULTS, replicas=2, is_down=outages)
    counts, rows = tw.run(here, tw.problems(wanted), tmp_path, settings=tw.config(window=window))
    assert here.now_s > DAY_S, f"only {here.now_s / 3600:.1f} h of traffic"
    assert counts.rows_in == len(rows) == counts.kept == wanted, counts.dropped
    retries = {
        name.removeprefix("retries_"): count for name, count in counts.notes.items() if name.startswith("retries_")
    }
    assert set(retries) == {"rate_limited", "server_error", "connection", "timeout", "malformed_reply", "wrong_model"}
    refused_connections = sum(retries.values()) + wanted - len(here.seen)
    assert 0 < refused_connections <= 12 * window, "an outage costs at most the window, then the replica is left alone"
    finishes = Counter(row["finish_reason"] for row in rows)
    assert 0.02 < finishes["length"] / wanted < 0.06, "cut and looping answers are answers"
    assert all(row["model"] == tw.MODEL and row["text"] for row in rows)
    assert tw.run(here, tw.problems(wanted), tmp_path)[0].notes["paid"] == 0
