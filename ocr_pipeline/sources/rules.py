"""The named rules of ingest: why a raw row was rejected, what was repaired, and why a test is suspect.

Every rule is counted. ``docs/sources.md`` lists each with where it comes from and how often it fired; a test keeps
that table complete. What a rule looks for stands with the reader or parser that applies it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Reason", "Rejection", "Repair", "RowDefect", "Suspicion"]


class Reason(StrEnum):
    """Why a raw row could not become a problem."""

    UNREADABLE_ROW = "unreadable_row"
    WRONG_TYPE = "wrong_type"
    INVALID_JSON = "invalid_json"
    NESTED_TOO_DEEPLY = "nested_too_deeply"
    MISMATCHED_COUNTS = "mismatched_counts"
    NO_TESTS = "no_tests"
    UNREADABLE_TESTS = "unreadable_tests"
    FORBIDDEN_PICKLE = "forbidden_pickle"
    EMPTY_STATEMENT = "empty_statement"
    LINKS_ONLY = "links_only"
    DUPLICATE_ID = "duplicate_id"


class Repair(StrEnum):
    """What was mended or noted in a raw row that was kept."""

    NEWLINES = "newlines"
    UNICODE_NFC = "unicode_nfc"
    HTML_ENTITIES = "html_entities"
    NUL_REMOVED = "nul_removed"
    LONE_SURROGATES = "lone_surrogates"
    INVALID_UTF8 = "invalid_utf8"
    LENIENT_JSON = "lenient_json"
    JOINED_LINES = "joined_lines"
    STRINGIFIED_VALUES = "stringified_values"
    SINGLE_TEST_NOT_LISTED = "single_test_not_listed"
    UNWRAPPED_EXPECTED = "unwrapped_expected"
    WRAPPED_ARGUMENTS = "wrapped_arguments"
    CALL_TEXT_SPLIT = "call_text_split"
    INTEGER_KEYS = "integer_keys"
    HUGE_INTEGERS = "huge_integers"
    NAN_TESTS_DROPPED = "nan_tests_dropped"
    NULL_TESTS_DROPPED = "null_tests_dropped"
    UNREADABLE_CALL = "unreadable_call"
    ASSERT_PROGRAM = "assert_program"
    EXAMPLES_FROM_STATEMENT = "examples_from_statement"
    NO_TESTS = "no_tests"
    NO_SOLUTIONS = "no_solutions"
    UNREADABLE_SOLUTIONS_DROPPED = "unreadable_solutions_dropped"
    UNREADABLE_TAGS = "unreadable_tags"
    UNREADABLE_LIMIT = "unreadable_limit"
    UNREADABLE_DATE = "unreadable_date"
    UNREADABLE_RATING = "unreadable_rating"
    UNREADABLE_FILE_NAME = "unreadable_file_name"
    UNKNOWN_ENUM = "unknown_enum"
    STARTER_CODE_SPLIT = "starter_code_split"
    OTHER_LANGUAGE = "other_language"
    INTERACTIVE_FROM_STATEMENT = "interactive_from_statement"


class Suspicion(StrEnum):
    """Why a test is not to be trusted blindly."""

    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"
    EMPTY_EXPECTED = "empty_expected"
    TRUNCATED = "truncated"
    GENERATED_WITHOUT_SOLUTION = "generated_without_solution"
    INTEGER_KEYS = "integer_keys"
    OUT_OF_BOUNDS = "out_of_bounds"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A reason with what was wrong, and the value."""

    reason: Reason
    detail: str


class RowDefect(Exception):  # noqa: N818 - not an error of ours: a finding about one raw row, caught by the ingest loop
    """Ends the reading of one raw row with a :class:`Rejection`; never leaves this package."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.rejection = Rejection(reason, detail)
