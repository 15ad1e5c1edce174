"""One place of publication in the many forms in which sources write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.similarity.origin import other_origin, parts_of_one, read_origins, same_origin

ADDRESSES = {
    "codeforces:1575/A": [
        "https://codeforces.com/problemset/problem/1575/A",
        "http://www.codeforces.com/contest/1575/problem/a?locale=ru",
        "https://m1.codeforces.com/contest/1575/problem/A",
        "https://mirror.codeforces.com/contest/1575/problem/A/",
        "codeforces.com/contest/1575/problem/A#comments",
        "https://web.archive.org/web/2022/https://codeforces.com/contest/1575/problem/A",
        "<https://codeforces.com/contest/01575/problem/A>.",
        "https://vjudge.net/problem/CodeForces-1575A",
        "https://www.luogu.com.cn/problem/CF1575A",
    ],
    "codeforces:102001/B": [
        "https://codeforces.com/gym/102001/problem/B",
        "https://codeforces.com/problemset/gymProblem/102001/B",
        "https://vjudge.net/problem/Gym-102001B",
    ],
    "atcoder:abc100_a": [
        "https://atcoder.jp/contests/abc100/tasks/abc100_a?lang=en",
        "https://abc100.contest.atcoder.jp/tasks/abc100_a",
        "https://vjudge.net/problem/AtCoder-abc100_a",
    ],
    "codechef:flow001": [
        "https://www.codechef.com/problems/FLOW001",
        "https://www.codechef.com/JAN21C/problems/FLOW001?tab=statement",
    ],
    "hackerrank.name:solvemefirst": [
        "https://www.hackerrank.com/challenges/solve-me-first/problem",
        "https://www.hackerrank.com/contests/w1/challenges/solve-me-first",
    ],
    "hackerearth.name:monkandrotation3": [
        "https://www.hackerearth.com/problem/algorithm/monk-and-rotation-3/",
        "https://www.hackerearth.com/practice/a/b/c/practice-problems/algorithm/monk-and-rotation-3/editorial/",
        "https://www.hackerearth.com/challenges/competitive/july-20/algorithm/monk-and-rotation-3/",
        "https://www.hackerearth.com/code-monk-arrays/algorithm/monk-and-rotation-3/",
    ],
    "leetcode.name:twosum": [
        "https://leetcode.com/problems/two-sum/description/",
        "https://leetcode.cn/problems/two-sum/",
        "https://leetcode.com/contest/weekly-contest-400/problems/two-sum/",
    ],
    "kattis:hello": ["https://open.kattis.com/problems/hello", "https://kth.kattis.com/problems/hello/statistics"],
    "codewars.id:54da5a58ea159efa38000836": ["https://www.codewars.com/kata/54da5a58ea159efa38000836/train/python"],
    "geeksforgeeks.name:missingnumber4257": [
        "https://practice.geeksforgeeks.org/problems/missing-number4257/1",
        "https://www.geeksforgeeks.org/problems/missing-number4257/0",
    ],
    "aizu:1160": [
        "http://judge.u-aizu.ac.jp/onlinejudge/description.jsp?id=1160&lang=jp",
        "https://onlinejudge.u-aizu.ac.jp/challenges/search/titles/1160",
        "https://onlinejudge.u-aizu.ac.jp/#/problems/1160",
    ],
}


@pytest.mark.parametrize(("origin", "url"), [(one, url) for one, urls in ADDRESSES.items() for url in urls])
def test_every_address_of_a_problem_is_one_origin(origin: str, url: str) -> None:
    """Contest and problem set, mirror and archive, other tabs of the page: one place."""
    assert read_origins(url=url) == {origin}


@pytest.mark.parametrize(
    ("site", "name", "origin"),
    [
        ("codeforces", "1575_A. Another Sorting Problem", "codeforces:1575/A"),
        (None, "1575_A. Another Sorting Problem", "codeforces:1575/A"),
        ("Codeforces", "1575/A", "codeforces:1575/A"),
        ("codeforces", "CF1575A", "codeforces:1575/A"),
        ("codeforces", "1575_A1. Sorting (easy version)", "codeforces:1575/A1"),
        ("codeforces", "gym102001B", "codeforces:102001/B"),
        ("atcoder", "abc100_a", "atcoder:abc100_a"),
        ("AtCoder", "ABC100 A", "atcoder:abc100_a"),
        (None, "p02269 Dictionary", "codenet:p02269"),
        ("codechef", "FLOW001", "codechef:flow001"),
        ("hackerearth", "monk-and-rotation-3", "hackerearth.name:monkandrotation3"),
        ("leetcode", "two-sum", "leetcode.name:twosum"),
        ("leetcode", "1. Two Sum", "leetcode.name:twosum"),
        ("leetcode", "0001-two-sum", "leetcode.name:twosum"),
        ("leetcode", "24-game", "leetcode.name:24game"),
        ("kattis", "hello", "kattis:hello"),
        ("aizu", "ITP1_1_A", "aizu:ITP1_1_A"),
        ("GeeksforGeeks", "missing-number4257", "geeksforgeeks.name:missingnumber4257"),
        ("codewars", "54da5a58ea159efa38000836", "codewars.id:54da5a58ea159efa38000836"),
    ],
)
def test_names_tell_the_origin_as_addresses_do(site: str | None, name: str, origin: str) -> None:
    """What CodeContests, LiveCodeBench and folders call a problem is the same place as its address."""
    assert read_origins(site=site, native_id=name) == {origin}


@pytest.mark.parametrize(
    "url",
    [
        "https://judge.example/problem/1575/A",
        "https://codeforces.com.example/contest/1575/problem/A",
        "https://codeforces.com/contest/1575",
        "https://codeforces.com/contest/1575/submission/1",
        "https://leetcode.com/explore/interview/card/1/",
        "https://[::1/contest/1/problem/A",
        "not an address",
        "/" * 10_000,
        "",
    ],
)
def test_other_addresses_say_nothing(url: str) -> None:
    """A judge that is not known, a whole contest, a broken address: silence."""
    assert read_origins(url=url) == frozenset()


@pytest.mark.parametrize(
    ("site", "name"),
    [("codeforces", "0096b2f2fbaddfa5"), ("leetcode", "1"), ("apps", "1575A"), ("kattis", "12"), ("codechef", "A B")],
)
def test_numbers_and_hashes_of_a_data_set_say_nothing(site: str, name: str) -> None:
    """LeetCode has two numbers for each problem, and a data set numbers its own rows."""
    assert read_origins(site=site, native_id=name) == frozenset()


def test_a_translated_title_is_not_another_name() -> None:
    """Only a title in the judge's own words can be compared with its name in addresses."""
    assert read_origins(site="leetcode", title="1. \N{CJK UNIFIED IDEOGRAPH-4E24}") == frozenset()


@given(
    st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.sampled_from(["codeforces", "leetcode", ""])
)
def test_any_text_can_be_read(url: str, name: str, title: str, site: str) -> None:
    """Nothing that a source writes is an error."""
    origins = read_origins(site=site, url=url, native_id=name, title=title)
    assert all(":" in one for one in origins)


def test_only_origins_of_one_kind_are_compared() -> None:
    """A judge's number and its name for one problem are not two problems; two of its numbers are."""
    by_number, by_name = {"codewars.id:54da5a58ea159efa38000836"}, {"codewars.name:findtheoddint"}
    assert not other_origin(by_number, by_name)
    assert not same_origin(by_number, by_name)
    assert other_origin({"codeforces:1/A"}, {"codeforces:1/B"})
    assert not other_origin({"codeforces:1/A"}, {"atcoder:abc100_a"})
    assert not other_origin({"codeforces:1/A", "codeforces:2/C"}, {"codeforces:2/C"})


def test_an_easy_and_a_hard_version_are_parts_of_one() -> None:
    """D1 and D2 of one contest are; D1 and E1, or D and D of two contests, are not."""
    assert parts_of_one({"codeforces:1/D1"}, {"codeforces:1/D2"})
    assert not parts_of_one({"codeforces:1/D1"}, {"codeforces:1/E1"})
    assert not parts_of_one({"codeforces:1/D"}, {"codeforces:2/D"})
