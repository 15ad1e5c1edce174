"""The program of the compile worker: reads sources, answers what CPython's own compiler says, never runs one.

It is started as a script with an empty environment and imports only the standard library. A source that brings the
compiler down (memory, recursion, time) brings down this process and nothing else: the limits stand here, the parent
starts another one. Frames: the parent sends a count, then length and UTF-8 of each source; each answer is one struct
and a message.
"""

from __future__ import annotations

import resource
import signal
import struct
import sys
import warnings

COUNT = struct.Struct("<I")
ANSWER = struct.Struct("<?iiH")  # accepted, line from 1, column in bytes from 1, length of the message
MEMORY_BYTES = 2 << 30
SECONDS_PER_SOURCE = 10.0
LONGEST_MESSAGE = 200


def judge(source: str) -> tuple[bool, int, int, str]:
    """Return whether CPython accepts ``source``, and where and why not."""
    try:
        compile(source, "<answer>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return False, error.lineno or 0, _byte_column(error), error.msg or ""
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        return False, 0, 0, type(error).__name__
    return True, 0, 0, ""


def _byte_column(error: SyntaxError) -> int:
    before = (error.text or "")[: max((error.offset or 1) - 1, 0)]
    return len(before.encode("utf-8", "replace")) + 1


def main() -> None:
    """Answer batch after batch until standard input ends."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.read(COUNT.size):
        sources = [_read_source(requests) for _ in range(COUNT.unpack(head)[0])]
        for source in sources:
            signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_SOURCE)  # its default action ends the process
            accepted, line, column, message = judge(source.decode("utf-8", "replace"))
            signal.setitimer(signal.ITIMER_PROF, 0)
            detail = message.encode()[:LONGEST_MESSAGE]
            answers.write(ANSWER.pack(accepted, line, column, len(detail)) + detail)
            answers.flush()


def _read_source(requests: object) -> bytes:
    read = requests.read  # type: ignore[attr-defined]
    return read(COUNT.unpack(read(COUNT.size))[0])  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
