"""Whether a plan speaks of what its program does: a cheap check on words, no model.

Each thing that a program can do has a pattern that shows it in the code and a pattern that shows it in a plan. A plan
that is silent about most of them is told apart, and so is one that shares no word with a program whose names are
words. It finds plans that belong to another program; a plan that names everything in a wrong order passes. A judge
model can say more.
"""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True, slots=True)
class _Feature:
    name: str
    in_code: re.Pattern[str]
    in_plan: re.Pattern[str]


def _feature(name: str, in_code: str, in_plan: str) -> _Feature:
    return _Feature(name, re.compile(in_code), re.compile(in_plan, re.IGNORECASE))


FEATURES: Final = (
    _feature(
        "loop",
        r"\b(for|while)\b",
        r"\b(for (each|every|all)|each|every|loop|iterat|repeat|while|until|go (through|over)|walk|scan|travers|step through|in turn|one (by|after)|of the|the \w+s\b|elements|names|values|numbers|over (the|all)|across|all (the )?\w+)",
    ),
    _feature(
        "condition",
        r"\bif\b|\?.*:",
        r"\b(if|when|whenever|check|whether|otherwise|unless|compare|only|but not|except|exceeds?|in case|once|satisf|condition|where)\b",
    ),
    _feature(
        "sort",
        r"\bsort(ed)?\b|\.sort\(",
        r"\b(sort|order(ed|ing)? (by|them|from)|ascending|descending|increasing|decreasing)",
    ),
    _feature(
        "mapping",
        r"\bdict\b|Counter|defaultdict|unordered_map|\bmap<|= *\{\}|\{\w+: ",
        r"\b(dictionar|map(ping)?|count|frequen|table|look ?up|hash|remember|record|store|tally|histogram|keyed)",
    ),
    _feature(
        "set",
        r"\bset\(|unordered_set|\bset<",
        r"\b(set|distinct|unique|different|duplicat|seen|visited|already|without repetition)",
    ),
    _feature(
        "heap", r"heapq|heappush|heappop|priority_queue", r"\b(heap|priority|smallest|largest|minimum|maximum|cheapest)"
    ),
    _feature(
        "queue", r"deque|\bqueue<|popleft", r"\b(queue|deque|breadth|bfs|wave|window|level by level|front|both ends)"
    ),
    _feature(
        "modulo",
        r"%",
        r"\b(modulo|mod|remainder|divisib|divid|parity|even|odd|wrap|cycl|multiple|digit|rest|leap)",
    ),
    _feature(
        "extreme",
        r"\b(max|min)\s*\(",
        r"\b(max|min|largest|smallest|greatest|best|highest|lowest|most|least|longest|shortest|larger|smaller|bigger|cap|bound|earliest|latest|at (least|most)|furthest|nearest)",
    ),
    _feature(
        "sum",
        r"\bsum\s*\(|accumulate|\+=",
        r"\b(sum|total|add|accumulat|count|increment|increas|append|plus|tally|running|collect|grow|advanc|move|one more)",
    ),
    _feature(
        "product",
        r"\*=|\bpow\(|\*\*",
        r"\b(product|multipl|power|square|factor|exponent|times|double|cube|root)",
    ),
    _feature(
        "bits", r"<<|>>|\^|\bbin\(|&\s*1\b", r"\b(bit|xor|shift|binary|mask|subset|power of two|halv|doubl|parity)"
    ),
    _feature(
        "binary_search",
        r"bisect|lower_bound|upper_bound",
        r"\b(binary search|bisect|search|position|insert|half|first .* (not|at least|greater|larger))",
    ),
)
REQUIRED_SHARE: Final = 0.5
MIN_FEATURES: Final = 3
"""With fewer things to speak of, silence about one of them says little."""
FOREIGN: Final = {
    "sort": re.compile(r"\bsort(s|ed|ing)?\b", re.IGNORECASE),
    "heap": re.compile(r"\b(heap|priority queue)\b", re.IGNORECASE),
    "queue": re.compile(r"\b(breadth-first|bfs|deque)\b", re.IGNORECASE),
    "binary_search": re.compile(r"\bbinary search\b", re.IGNORECASE),
}
"""Words that name a method so plainly that the code has to show it."""
SHOWN_OTHERWISE: Final = {
    "binary_search": re.compile(r"//\s*2|/\s*2|>>\s*1|\bmid\b"),
    "queue": re.compile(r"\.pop\(0\)|\[\w*head\w*\]|\blevel\b|frontier"),
    "heap": re.compile(r"heap"),
    "sort": re.compile(r"sort|\bswap\b"),
}
NEGATED: Final = re.compile(r"\b(no|not|without|already|instead of|need(less)? to)\b[^.;,]{0,30}$", re.IGNORECASE)


MIN_NAMES: Final = 4
"""Below that many words in its names, a program says too little of its problem (see the log of plans)."""
NAME: Final = re.compile(r"[A-Za-z_]\w*")
WORD: Final = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}")
COMMENT: Final = re.compile(r"#.*|//.*")
ENDINGS: Final = ("ings", "ing", "ies", "ied", "es", "ed", "er", "s", "y")
LEAST_STEM: Final = 3
IN_EVERY_PROGRAM: Final = """
split append stdin readline read join strip collections items values keys sort pop get lower upper math heapq deque
defaultdict counter popleft replace format main solve solution self count index result answer name line data vector
string iostream bits using namespace include begin push back size endl long const auto
"""
COMMON_NAMES: Final = frozenset([*keyword.kwlist, *dir(builtins), *NAME.findall(IN_EVERY_PROGRAM)])


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a program does, what the plan says of it, and what the plan says that the program does not do."""

    done: frozenset[str]
    mentioned: frozenset[str]
    invented: frozenset[str]
    names: frozenset[str]
    """Stems of the words in the program's names, without those of every program."""
    shared: frozenset[str]
    """Those that the plan uses."""

    @property
    def share(self) -> float:
        """Share of what the program does that the plan mentions; 1 when it does nothing that we know."""
        return len(self.mentioned) / len(self.done) if self.done else 1.0

    @property
    def agrees(self) -> bool:
        """Enough is mentioned, nothing is invented, and both speak of the same things."""
        silent = len(self.done) >= MIN_FEATURES and self.share < REQUIRED_SHARE
        strange = len(self.names) >= MIN_NAMES and not self.shared
        return not silent and not strange and not self.invented


def agreement(plan: str, code: str) -> Agreement:
    """Compare the words of a plan with the constructs of its program."""
    done = frozenset(feature.name for feature in FEATURES if feature.in_code.search(code))
    mentioned = frozenset(feature.name for feature in FEATURES if feature.name in done and feature.in_plan.search(plan))
    invented = frozenset(name for name in FOREIGN if name not in done and _invents(name, plan, code))
    names = _names(code)
    return Agreement(done, mentioned, invented, names, names & {_stem(word) for word in WORD.findall(plan)})


def _names(code: str) -> frozenset[str]:
    words = (word for name in NAME.findall(COMMENT.sub("", code)) for word in WORD.findall(name))
    return frozenset(_stem(word) for word in words if len(word) > LEAST_STEM and word.lower() not in COMMON_NAMES)


def _stem(word: str) -> str:
    """Cut the endings of English nouns and verbs; crude, and the same on both sides."""
    word = word.lower()
    ends = (ending for ending in ENDINGS if word.endswith(ending) and len(word) - len(ending) >= LEAST_STEM)
    return word.removesuffix(next(ends, ""))


def _invents(name: str, plan: str, code: str) -> bool:
    if SHOWN_OTHERWISE[name].search(code):
        return False
    return any(not NEGATED.search(plan[: match.start()]) for match in FOREIGN[name].finditer(plan))
