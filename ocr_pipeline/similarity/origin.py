"""Where a problem was first published: judge, contest and index, in one canonical form whatever a source writes.

Read from addresses, from names such as ``1575_A. Another Sorting Problem`` and from native ids. One problem may have several
origins, for a judge may know it under a number and under a name; only origins of one kind can be compared. An address
of a judge that is not known here, or of a contest as a whole, says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["other_origin", "part_bases", "parts_of_one", "read_origins", "same_origin"]

ADDRESS_CHARACTERS: Final = 500
_AROUND_ADDRESS: Final = " \t\r\n<>()[]\"'.,;"
_ADDRESS_IN_ADDRESS: Final = re.compile(r"(?<=[/=])(?=https?:)", re.IGNORECASE)
_CODEFORCES_HOSTS: Final = r"(?:[\w-]+\.)*(?:codeforces\.(?:com|ml|cc|es|net)|codeforc\.es)"
_INDEX: Final = r"([a-z]\d{0,2}|\d{1,2})(?![^/?])"
_LISTED: Final = re.compile(r"\A(?:\d{1,4}\s*[.:)]\s+|\d{4}[\-_. ])")
_KATA: Final = re.compile(r"[0-9a-f]{24}", re.IGNORECASE)


def _task(site: str) -> Callable[[str], str]:
    return lambda name: f"{site}:{name.lower().replace('-', '_')}"


def _codeforces(contest: str, index: str) -> str:
    return f"codeforces:{int(contest)}/{index.upper()}"


_atcoder, _codechef, _kattis, _spoj = _task("atcoder"), _task("codechef"), _task("kattis"), _task("spoj")


def _slug(site: str) -> Callable[[str], str]:
    """Compare words without what joins them: ``pow-x-n`` and ``powx-n`` are one name."""
    return lambda name: f"{site}.name:{re.sub(r'[^a-z0-9]+', '', name.lower())}"


_hackerrank, _hackerearth, _geeksforgeeks = _slug("hackerrank"), _slug("hackerearth"), _slug("geeksforgeeks")


def _leetcode(name: str) -> str:
    """Return LeetCode's name without the number that lists and folders put before it: ``1. Two Sum``, ``0001-two-sum``."""
    return _slug("leetcode")(_LISTED.sub("", name))


def _aizu(name: str) -> str:
    return f"aizu:{name.zfill(4).upper()}"


def _atcoder_letter(contest: str, number: str, letter: str) -> str:
    return _atcoder(f"{contest}{number}_{letter}")


def _codewars(kata: str) -> str:
    return f"codewars.id:{kata.lower()}" if _KATA.fullmatch(kata) else _slug("codewars")(kata)


_ADDRESSES: Final[tuple[tuple[str, re.Pattern[str], Callable[..., str]], ...]] = tuple(
    (host, re.compile(pattern, re.IGNORECASE), form)
    for host, pattern, form in (
        (_CODEFORCES_HOSTS, rf"/problemset/(?:gym)?problem/(\d+)/?{_INDEX}", _codeforces),
        (_CODEFORCES_HOSTS, rf"/(?:contests?|gym|status)/(\d+)/problem/{_INDEX}", _codeforces),
        (r"(?:[\w-]+\.)*atcoder\.jp", r"/tasks/([\w-]+)", _atcoder),
        (r"(?:[\w-]+\.)*codechef\.com", r"/(?:problems|submit)(?:-old)?/([\w]+)(?=[/?]|$)", _codechef),
        (r"(?:[\w-]+\.)*hackerrank\.com", r"/challenges/([\w-]+)", _hackerrank),
        (
            r"(?:[\w-]+\.)*hackerearth\.com",
            r"/(?:practice-problems/[\w-]+|problem/[\w-]+|algorithm|approximate|multiplayer|golf)/([\w-]+)",
            _hackerearth,
        ),
        (r"(?:[\w-]+\.)*leetcode(?:-cn)?\.(?:com|cn)", r"/problems/([\w-]+)", _leetcode),
        (r"(?:[\w-]+\.)*kattis\.com", r"/problems/([\w.-]+)", _kattis),
        (r"(?:[\w-]+\.)*codewars\.com", r"/kata/([\w-]+)", _codewars),
        (r"(?:[\w-]+\.)*geeksforgeeks\.org", r"/problems/([\w-]+)", _geeksforgeeks),
        (r"(?:[\w-]+\.)*u-aizu\.ac\.jp", r"[?&]id=(\w+)", _aizu),
        (
            r"(?:[\w-]+\.)*u-aizu\.ac\.jp",
            r"/(?:problems|challenges|courses|services)(?:/[\w.-]+)*?/(\d{4}|[A-Z]{2,5}\d?_\d+_[A-Z])(?=[/?]|$)",
            _aizu,
        ),
        (r"acm\.timus\.ru", r"[?&]num=(\d+)", _task("timus")),
        (r"(?:www\.)?spoj\.com", r"/problems/([\w]+)", _spoj),
        (r"(?:www\.)?acmicpc\.net", r"/problem/(\d+)", _task("baekjoon")),
        (r"(?:www\.)?luogu\.(?:com\.cn|com|org)", r"/problem/CF(\d+)([A-Z]\d?)(?=[/?]|$)", _codeforces),
        (r"(?:www\.)?luogu\.(?:com\.cn|com|org)", r"/problem/AT_(\w+)", _atcoder),
        (r"(?:www\.)?luogu\.(?:com\.cn|com|org)", r"/problem/(P\d+)", _task("luogu")),
        (r"(?:www\.)?vjudge\.net", r"/problem/(?:CodeForces|Gym)-(\d+)([A-Z]\d?)(?=[/?]|$)", _codeforces),
        (r"(?:www\.)?vjudge\.net", r"/problem/AtCoder-(\w+)", _atcoder),
    )
)
_CODEFORCES_NAME: Final = re.compile(
    r"(?:codeforces|cf|gym)?[_\-/. ]?(\d{1,6})[_\-/. ]?([A-Z]\d{0,2})(?:\.\s.*)?", re.IGNORECASE
)
_CODEFORCES_TITLE: Final = re.compile(r"(\d{1,6})_([A-Z]\d{0,2})\. .+", re.DOTALL)
_ATCODER_TASK: Final = re.compile(r"[a-z][a-z0-9\-]*_[a-z0-9]+(?:_[a-z0-9]+)*", re.IGNORECASE)
_ATCODER_LETTER: Final = re.compile(r"(abc|arc|agc)[ \-_]?(\d{3})[ \-]([a-h]|ex)", re.IGNORECASE)
_AIZU_NAME: Final = re.compile(r"\d{4}|[A-Z]{2,5}\d?_\d+_[A-Z]", re.IGNORECASE)
_HEXADECIMAL: Final = re.compile(r"(?=[a-f]*\d)[0-9a-f]{8,}")
_PART: Final = re.compile(r"(codeforces:\d+/[A-Z])\d+")
_CODENET: Final = re.compile(r"(p\d{5})(?:\s.*)?", re.DOTALL)
_NAME: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.IGNORECASE)
_NAMED: Final[Mapping[str, Callable[[str], str]]] = {
    "codechef": _codechef,
    "codewars": _codewars,
    "geeksforgeeks": _geeksforgeeks,
    "hackerearth": _hackerearth,
    "hackerrank": _hackerrank,
    "kattis": _kattis,
    "leetcode": _leetcode,
}


def read_origins(
    *, site: str | None = None, url: str | None = None, native_id: str | None = None, title: str | None = None
) -> frozenset[str]:
    """Return the origins of a problem, such as ``codeforces:1575/A``; none when nothing that is given tells."""
    name, heading = ((text or "").strip()[:ADDRESS_CHARACTERS] for text in (native_id, title))
    judge = "".join(character for character in (site or "").casefold() if character.isalnum())
    found = {*_of_address(url), *_of_address(name), *_of_name(judge, name), *_of_title(judge, heading)}
    return frozenset(found)


def _of_address(url: str | None) -> Iterator[str]:
    if not url or "/" not in url or len(url) > ADDRESS_CHARACTERS:
        return
    url = _ADDRESS_IN_ADDRESS.split(url)[-1].strip(_AROUND_ADDRESS)  # an archive's address holds the archived one
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host = parts.hostname or ""
    except ValueError:
        return
    place = unquote(parts.path).rstrip(_AROUND_ADDRESS)
    place += (f"?{parts.query}" if parts.query else "") + (parts.fragment if parts.fragment.startswith("/") else "")
    for hosts, pattern, form in _ADDRESSES:
        if re.fullmatch(hosts, host) and (match := pattern.search(place)):
            yield form(*match.groups())
            return


def _of_title(site: str, title: str) -> Iterator[str]:
    """Read titles that tell by themselves; LeetCode's are its names, other judges give one title to several problems."""
    if match := _CODENET.fullmatch(title):  # CodeNet's numbers of AtCoder's and Aizu's problems
        yield f"codenet:{match[1]}"
    elif site in {"codeforces", ""} and (match := _CODEFORCES_TITLE.fullmatch(title)):
        yield _codeforces(*match.groups())
    elif site == "leetcode" and title.isascii() and any(character.isalpha() for character in title):
        yield _leetcode(title)  # a translated title is another name


def _of_name(site: str, name: str) -> Iterator[str]:
    """Read what a judge calls the problem. Plain numbers say nothing: LeetCode has two of them for each problem."""
    yield from _of_title(site if site != "leetcode" or _LISTED.match(name) else "", name)
    if site == "codeforces" and (match := _CODEFORCES_NAME.fullmatch(name)):
        yield _codeforces(*match.groups())
    elif site == "atcoder" and _ATCODER_TASK.fullmatch(name):
        yield _atcoder(name)
    elif site == "atcoder" and (match := _ATCODER_LETTER.fullmatch(name)):
        yield _atcoder_letter(*match.groups())
    elif site == "aizu" and _AIZU_NAME.fullmatch(name):
        yield _aizu(name)
    elif site == "codewars" and _KATA.fullmatch(name):
        yield _codewars(name)
    elif site in _NAMED and _NAME.fullmatch(name) and not (name.isdigit() or _HEXADECIMAL.fullmatch(name)):
        yield _NAMED[site](name)


def same_origin(left: Iterable[str], right: Iterable[str]) -> bool:
    """Say whether both were published at one place."""
    return not set(left).isdisjoint(right)


def other_origin(left: Iterable[str], right: Iterable[str]) -> bool:
    """Say whether one judge knows both, under different names of one kind."""
    kinds = {one.partition(":")[0] for one in left} & {one.partition(":")[0] for one in right}
    return bool(kinds) and not same_origin(left, right)


def parts_of_one(left: Iterable[str], right: Iterable[str]) -> bool:
    """Say whether one contest has both as parts of one problem, such as D1 and D2: an easy and a hard version."""
    return not part_bases(left).isdisjoint(part_bases(right)) and not same_origin(left, right)


def part_bases(origins: Iterable[str]) -> set[str]:
    """Return the problems that these are parts of: ``codeforces:1/D`` of ``codeforces:1/D2``."""
    return {match[1] for one in origins if (match := _PART.fullmatch(one))}
