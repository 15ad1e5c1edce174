"""The judge a problem was first published on, from its address or from what the source calls it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

__all__ = ["site_of"]

HOSTS: Final = {
    "acm.timus.ru": "timus",
    "atcoder.jp": "atcoder",
    "codechef.com": "codechef",
    "codeforces.com": "codeforces",
    "codewars.com": "codewars",
    "geeksforgeeks.org": "geeksforgeeks",
    "hackerearth.com": "hackerearth",
    "hackerrank.com": "hackerrank",
    "kattis.com": "kattis",
    "leetcode.com": "leetcode",
    "u-aizu.ac.jp": "aizu",
}
NAMES: Final = frozenset(HOSTS.values()) | {"codejam"}


def site_of(url: str | None, name: str | None = None) -> str | None:
    """Return the site's short name; ``None`` when neither the name nor the address tells."""
    if name:
        known = re.sub(r"[^a-z]", "", name.lower())
        if known in NAMES:
            return known
    try:
        host = (urlsplit(url or "").hostname or "").lower()
    except ValueError:
        return None
    return next((site for end, site in HOSTS.items() if host == end or host.endswith(f".{end}")), None)
