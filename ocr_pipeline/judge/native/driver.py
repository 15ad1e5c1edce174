"""The Python side of the sandbox: the template process, and what a test process does with a candidate's program.

Runs as a script under a bare interpreter (``python -S -s -P -B``), never imported by the library: nothing of the
project is on its path. ``enter`` moves the process into its root and starts itself anew there with an empty
environment; ``serve`` preloads what programs import and forks. It never holds an expected output, except in ``check``,
which runs a checker of the data set in a jail where no candidate is.

The program is one line of JSON (what to do) followed by code: source to ``compile`` or ``check``, marshalled code for
the rest. The first process of a jail reads it, so that the tests need not; it runs none of it. A test process finds its
files on descriptors 0 to 3: standard input, output and error, and ``RESULT``; a checker also has 4 and 5, the test's
input and answer.
"""
# A script, not a module of the library: its values are whatever a candidate made, it stands in for the interpreter's
# own start and end, and it prints as one does.
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, ANN204, D105, ICN001, INP001, PLR0911, S606, SLF001, T201, TRY004
# mypy: ignore-errors

import array  # noqa: F401 - imported here and below so that candidates find them warm
import atexit
import bisect
import builtins
import cmath
import collections
import copy
import ctypes
import datetime
import decimal
import fractions
import functools
import gc
import heapq
import io
import itertools
import json
import marshal
import math
import operator
import os
import queue
import random
import re
import resource
import site
import statistics
import string
import struct
import sys
import textwrap
import threading
import time
import traceback
import types
import typing

RESULT = 3
STACK_BYTES = 256 << 20
RECURSION_LIMIT = 1000
USUAL_IMPORTS = (
    random, functools, collections, string, math, datetime, itertools, heapq, bisect, operator, typing, copy, re, json,
    decimal, fractions, statistics, queue, sys, os, io, time, cmath, struct, textwrap,
)  # fmt: skip
USUAL_STARS = (string, re, datetime, collections, heapq, bisect, copy, random, statistics, itertools, functools,
               operator, typing, math)  # fmt: skip

_exit, _read, _write = os._exit, os.read, os.write
_dumps, _loads, _unmarshal = json.dumps, json.loads, marshal.loads


class ListNode:
    """A node of a linked list, as LeetCode predefines it."""

    def __init__(self, val=0, next=None):  # noqa: A002 - LeetCode's name
        self.val = val
        self.next = next


class TreeNode:
    """A node of a binary tree, as LeetCode predefines it."""

    def __init__(self, val=0, left=None, right=None):
        self.val = val
        self.left = left
        self.right = right


# ---- the template ----


def enter(plan):
    """Move into the root of the plan, then start again as an empty interpreter that serves."""
    sandbox = ctypes.PyDLL(plan["library"])
    resource.setrlimit(resource.RLIMIT_STACK, (STACK_BYTES, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    error = 0
    if plan["tier"] == "A":
        error = sandbox.enter_root(
            os.fsencode(plan["root"]), _strings(itertools.chain.from_iterable(plan["binds"])),
            plan["user_namespace"], plan["template_uid"], plan["candidate_uid"],
        )  # fmt: skip
    elif plan["tier"] == "B":
        error = sandbox.enter_landlock(_strings(plan["readable"]), os.fsencode(plan["scratch"]), plan["candidate_uid"])
    if error:
        sys.exit(f"cannot enter tier {plan['tier']}: {os.strerror(error)}")
    os.chdir("/")
    flags = ["-S", "-s", "-P", "-B", "-X", "utf8"]
    arguments = [plan["python"], *flags, plan["driver"], "serve", json.dumps(plan["serve"])]
    os.execve(plan["python"], arguments, {"PYTHONHASHSEED": "0"})


def serve(plan):
    """Fork jails and tests until the supervisor is gone; a test process runs its program and never returns."""
    sandbox = ctypes.PyDLL(plan["library"])
    sandbox.configure(plan["namespaces"], plan["confined"], plan["net_namespace"], plan["candidate_uid"],
                      os.fsencode(plan["scratch"]))  # fmt: skip
    readable = _strings(plan["readable"])
    if plan["confined"] and not plan["namespaces"]:
        error = sandbox.prepare_landlock(readable)
        if error:
            sys.exit(f"cannot prepare Landlock: {os.strerror(error)}")
    site.setquit()
    sys.set_int_max_str_digits(0)
    sys.argv[:] = ["main.py"]
    sys.path[:] = [path for path in sys.path if path.startswith((sys.base_prefix, "/usr/"))] + plan["packages"]
    os.environ.clear()
    gc.collect()
    gc.freeze()
    if sandbox.serve(plan["control"]) == 1:
        prepared = prepare(sandbox.program_file())
        gc.freeze()
        sandbox.serve_jail()
        run_test(prepared)


def _strings(items):
    encoded = [os.fsencode(item) for item in items]
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


# ---- a test process ----


def prepare(program):
    """Return all that a test can be given before it starts: its work, its module, its job and its code; runs nothing."""
    try:
        header, body = os.pread(program, os.fstat(program).st_size, 0).split(b"\n", 1)
        job = _loads(header)
        main = types.ModuleType("__main__")
        main.__builtins__ = builtins
        main.__file__ = "main.py"
        if job.get("usual_names"):
            main.__dict__.update(usual_names())
        code = body if job["do"] in ("compile", "check") else _unmarshal(body)
        return JOBS[job["do"]], main, job, code
    except Exception as error:  # noqa: BLE001 - the test reports it, as if it had read the program itself
        return _fail, types.ModuleType("__main__"), error, b""


def _fail(_main, error, _code):
    raise error


def run_test(prepared):
    """Do what the program file says, then end as an interpreter ends."""
    status = 1
    try:
        main = sys.modules["__main__"] = prepared[1]
        status = _guarded(*prepared)
        status = _shut_down(main, status)
    finally:
        _exit(status)


def _read_all(descriptor):
    chunks = []
    while chunk := _read(descriptor, 1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)


def _write_all(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[_write(descriptor, view) :]


def _guarded(work, *arguments):
    """Run it; return the exit status that an interpreter would give."""
    try:
        work(*arguments)
    except SystemExit as stop:
        return _status_of(stop.code)
    except BaseException as error:  # noqa: BLE001 - the top of a program: an interpreter reports and ends
        where = error.__traceback__
        error.__traceback__ = where.tb_next and where.tb_next.tb_next  # what is the candidate's own
        sys.excepthook(type(error), error, error.__traceback__)
        return RAISED if getattr(error, "from_candidate", False) else 1
    return 0


def _status_of(code):
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _shut_down(main, status):
    """Join threads, run exit functions, drop the program's objects and flush, in the order of the interpreter."""
    failed = _guarded(_join_threads)
    _guarded(atexit._run_exitfuncs)
    main.__dict__.clear()
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        if stream is not None and not getattr(stream, "closed", False):
            failed = _guarded(stream.flush) or failed
    return status or (120 if failed else 0)


def _join_threads():
    """Wait for threads; where there were none this is not entered, because it touches 40 pages (0.17 ms of 1.4)."""
    if len(threading._active) > 1 or threading._limbo or threading._threading_atexits:
        threading._shutdown()


def compile_source(_main, _job, body):
    """Write the marshalled code of a source, so that its tests need not compile it again."""
    code = compile(body, "main.py", "exec", dont_inherit=True)
    _write_all(RESULT, marshal.dumps(code))


def run_program(main, job, code):
    """Run a program that reads standard input and writes standard output."""
    sys.argv[1:] = job.get("arguments", ())
    sys.setrecursionlimit(RECURSION_LIMIT + 6)  # the frames below the program
    exec(code, main.__dict__)  # noqa: S102 - this is what a judge does


def call_function(main, job, code, _dumps=_dumps, _write_all=_write_all):
    """Call a function with the arguments on standard input and write its typed result to RESULT."""
    arguments = _loads(_read_all(0))
    _run_prelude(main, job)
    function = _find_function(_define(main, code), job["function"])
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT + 6))
    result = function(*_adapted(function, arguments))
    sys.setrecursionlimit(100_000)
    _write_all(RESULT, _dumps(flatten(result)).encode())


def usual_names():
    """Return the names that LeetCode predefines; none of them hides a built-in."""
    names = {module.__name__: module for module in USUAL_IMPORTS}
    for module in USUAL_STARS:
        public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        names.update({name: getattr(module, name) for name in public if not hasattr(builtins, name)})
    names.update(inf=math.inf, ListNode=ListNode, TreeNode=TreeNode, datetime=datetime)
    return names


def _find_function(names, wanted):
    """Find it as a method of ``Solution`` (or of the only class that has it), else as a module's function."""
    candidates = [names.get("Solution"), *(item for item in names.values() if isinstance(item, type))]
    for owner in candidates:
        if isinstance(owner, type) and callable(getattr(owner, wanted, None)):
            return getattr(owner(), wanted)
    if not callable(names.get(wanted)):
        message = f"the program defines no function {wanted!r}"
        raise NameError(message)
    return names[wanted]


def _adapted(function, arguments):
    """Turn lists into linked lists and trees where the parameters are annotated so."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    annotations = getattr(function, "__annotations__", {})
    names = [name for name in (code.co_varnames[: code.co_argcount] if code else ()) if name != "self"]
    return [_as_annotated(str(annotations.get(name, "")), value)
            for name, value in itertools.zip_longest(names, arguments[: max(len(arguments), 0)])
            ][: len(arguments)]  # fmt: skip


def _as_annotated(annotation, value):
    if isinstance(value, list) and "ListNode" in annotation and "List[" not in annotation.replace("ListNode", ""):
        head = None
        for item in reversed(value):
            head = ListNode(item, head)
        return head
    if isinstance(value, list) and "TreeNode" in annotation and "List[" not in annotation:
        return _tree(value)
    return value


def _tree(values):
    nodes = [None if value is None else TreeNode(value) for value in values]
    children = iter(nodes[1:])
    for node in nodes:
        if node is not None:
            node.left = next(children, None)
            node.right = next(children, None)
    return nodes[0] if nodes else None


# ---- plain values between processes: a flat table, so that depth, cycles and shared objects survive ----


def flatten(value):
    """Describe a value as ``[kind, payload]`` rows; the first row is the value. Never pickle."""
    rows, numbers, todo, keep = [], {}, [value], []

    def number_of(item):
        key = id(item)
        if key not in numbers:
            numbers[key] = len(numbers)
            todo.append(item)
        return numbers[key]

    numbers[id(value)] = 0
    while len(rows) < len(todo):
        item = todo[len(rows)]
        keep.append(item)
        rows.append(_row(item, number_of))
    return rows


def _row(item, number_of):
    kind = type(item)
    if item is None or kind in (bool, str):
        return ["v", item]
    if kind is int:
        return ["v", item] if -(1 << 53) < item < 1 << 53 else ["i", str(item)]
    if kind is float:
        return ["f", repr(item)]
    if isinstance(item, dict):
        return ["d", [[number_of(key), number_of(each)] for key, each in list(item.items())]]
    for tag, kinds in (("l", (list, collections.deque)), ("t", tuple), ("s", (set, frozenset))):
        if isinstance(item, kinds):
            return [tag, [number_of(each) for each in list(item)]]
    return _other_row(item, number_of)


def _other_row(item, number_of):
    if isinstance(item, (bytes, bytearray)):
        return ["b", bytes(item).hex()]
    if isinstance(item, complex):
        return ["c", [repr(item.real), repr(item.imag)]]
    for base in (bool, int, float, str):  # subclasses: IntEnum, numpy's float64, …
        if isinstance(item, base):
            return _row(base(item), number_of)
    if type(item).__module__.partition(".")[0] == "numpy" and hasattr(item, "tolist"):
        return _row(item.tolist(), number_of)
    if hasattr(item, "__next__"):
        return _row(list(itertools.islice(item, 1_000_000)), number_of)
    if type(item).__name__ in ("ListNode", "TreeNode", "Node") and hasattr(item, "__dict__"):
        return ["n", [type(item).__name__, [[name, number_of(each)] for name, each in vars(item).items()]]]
    return ["o", type(item).__name__]


def _define(main, code):
    """Run a program as an imported module: its ``__main__`` guard stays closed. Return the names that are its own."""
    before = dict(main.__dict__)
    main.__name__ = "solution"
    sys.modules["solution"] = main
    sys.setrecursionlimit(RECURSION_LIMIT + 6)
    exec(code, main.__dict__)  # noqa: S102
    return {name: value for name, value in main.__dict__.items() if name not in before or before[name] is not value}


# ---- asserts: the program of asserts and the candidate run in two jails and exchange plain values ----

FAILED, RAISED, GONE, INSEPARABLE = 10, 11, 12, 13  # exit codes of a checking process; asserting.py knows them


class Opaque:
    """A value of a kind that does not travel; it equals nothing."""

    def __eq__(self, other):
        return False

    __hash__ = None


class CandidateError(Exception):
    """Stands for an exception of the candidate that is no built-in."""


def unflatten(rows, names):
    """Rebuild what :func:`flatten` described; nodes become objects of the classes in ``names``."""
    built = {}

    def value_of(number):
        if number not in built:
            kind, payload = rows[number]
            if kind == "l":
                made = built[number] = []
                made.extend([value_of(each) for each in payload])
            elif kind == "d":
                made = built[number] = {}
                for key, each in payload:
                    made[value_of(key)] = value_of(each)
            elif kind == "n":
                classes = {"ListNode": ListNode, "TreeNode": TreeNode}
                made = built[number] = object.__new__(names.get(payload[0]) or classes.get(payload[0], Opaque))
                for name, each in payload[1]:
                    setattr(made, name, value_of(each))
            elif kind in "ts":
                built[number] = {"t": tuple, "s": set}[kind]([value_of(each) for each in payload])
            else:
                built[number] = _plain(kind, payload)
        return built[number]

    return value_of(0)


def _plain(kind, payload):
    if kind == "c":
        return complex(*map(float, payload))
    readers = {"v": lambda value: value, "i": int, "f": float, "b": bytes.fromhex, "g": iter}
    return readers[kind](payload) if kind in readers else Opaque()


def _say(message):
    data = _dumps(message).encode()
    _write_all(RESULT, len(data).to_bytes(4, "big") + data)


def _hear():
    """Return the next message, or ``None`` when the other side is gone."""
    size = _read_exactly(4)
    data = size and _read_exactly(int.from_bytes(size, "big"))
    return _loads(data) if data else None


def _read_exactly(size):
    chunks = []
    while size:
        chunk = _read(RESULT, min(size, 1 << 20))
        if not chunk:
            return None
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def serve_objects(main, job, code):
    """Define the candidate's program and answer calls until the checking process is gone."""
    _run_prelude(main, job)
    own = _define(main, code)
    paths = {}
    while (request := _hear()) is not None:
        if request["op"] == "names":
            _say({name: _kind(own, name) for name in request["names"]})
            continue
        try:
            path = request["path"]
            if path not in paths:
                paths[path] = eval(path, main.__dict__)  # noqa: S307 - the data set's own entry point
            arguments, named = unflatten(request["arguments"], main.__dict__)
            answer = {"value": flatten(paths[path](*arguments, **named))}
        except Exception as error:  # noqa: BLE001 - it travels to whoever called
            answer = {"error": [type(error).__name__, str(error)[:1000]]}
        _say(answer)


def _run_prelude(main, job):
    """Run what the data set puts before a program: imports of the starter code, helpers of its tests."""
    if job["prelude"]:
        exec(compile(job["prelude"], "prelude.py", "exec"), main.__dict__)  # noqa: S102


def _kind(names, name):
    if name not in names:
        return ["missing"]
    value = names[name]
    if isinstance(value, type):
        return ["class"]
    if callable(value):
        return ["function"]
    rows = flatten(value)
    return ["value", rows] if all(kind != "o" for kind, _ in rows) else ["object"]


def check_candidate(main, job, body):
    """Run a program of asserts whose candidate is in another jail; exit codes tell how it ended."""
    sys.setrecursionlimit(100_000)
    _run_prelude(main, job)
    code = compile(body, "asserts.py", "exec", dont_inherit=True)
    try:
        for name, (kind, *rows) in _ask({"op": "names", "names": sorted(_global_names(code))}).items():
            if kind in ("class", "object"):
                sys.exit(INSEPARABLE)
            if kind == "function":
                main.__dict__[name] = _proxy(name, main.__dict__)
            elif kind == "value":
                main.__dict__[name] = unflatten(rows[0], main.__dict__)
        main.__dict__["__entry_point__"] = _proxy(job["entry_point"], main.__dict__)
        exec(code, main.__dict__)  # noqa: S102
    except AssertionError:
        traceback.print_exc()
        sys.exit(FAILED)


def _ask(message):
    try:
        _say(message)
        answer = _hear()
    except OSError:
        answer = None
    if answer is None:
        sys.exit(GONE)
    return answer


def _proxy(path, names):
    def call(*arguments, **named):
        rows = flatten((arguments, named))
        if any(kind == "o" for kind, _ in rows):
            sys.exit(INSEPARABLE)
        answer = _ask({"op": "call", "path": path, "arguments": rows})
        if "error" in answer:
            kind = getattr(builtins, answer["error"][0], None)
            if not (isinstance(kind, type) and issubclass(kind, Exception)):
                kind = CandidateError
            error = kind.__new__(kind, answer["error"][1])
            error.args = (answer["error"][1],)
            error.from_candidate = True
            raise error
        return unflatten(answer["value"], names)

    return call


def _global_names(code):
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


def check_together(main, job, code):
    """Run candidate and asserts in one process, where values cannot travel: weaker, and said so."""
    _run_prelude(main, job)
    _define(main, code)
    main.__dict__["__entry_point__"] = eval(job["entry_point"], main.__dict__)  # noqa: S307
    try:
        exec(compile(job["program"], "asserts.py", "exec"), main.__dict__)  # noqa: S102
    except AssertionError:
        traceback.print_exc()
        sys.exit(FAILED)
    _write_all(RESULT, job["token"].encode())


JOBS = {
    "compile": compile_source, "run": run_program, "call": call_function, "objects": serve_objects,
    "check": check_candidate, "together": check_together,
}  # fmt: skip

if __name__ == "__main__":
    {"enter": enter, "serve": serve}[sys.argv[1]](json.loads(sys.argv[2]))
