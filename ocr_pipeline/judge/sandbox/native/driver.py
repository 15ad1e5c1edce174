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
# A script, not a module of the library: its values are whatever a candidate made, it does the work of the interpreter's
# own start and end, and it prints as one does.
# ruff: noqa: F821, ANN001, ANN002, ANN003, ANN201, ANN202, ANN204, D102, D105, ICN001, INP001, PLR0911, S606, SLF001, T201, TRY004
# mypy: ignore-errors

import array
import atexit
import bisect
import builtins
import cmath
import collections
import copy
import ctypes
import datetime
import decimal
import dis
import fractions
import functools
import gc
import heapq
import importlib
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

STACK_BYTES = 1 << 30  # how far the main stack may grow at most: the room that exec leaves below it
RECURSION_LIMIT = 1000
FUNCTION_RECURSION_LIMIT = 50_000  # as LiveCodeBench's runner sets it
SCALARS = {int, float, str, bool, type(None)}
DEEPEST_PLAIN = 500  # what the C encoder of JSON surely takes
USUAL_IMPORTS = (
    random, functools, collections, string, math, datetime, itertools, heapq, bisect, operator, typing, copy, re, json,
    decimal, fractions, statistics, queue, sys, os, io, time, cmath, struct, textwrap,
)  # fmt: skip
USUAL_STARS = (string, re, datetime, collections, heapq, bisect, copy, random, statistics, itertools, functools,
               operator, typing, math)  # fmt: skip

IS_PYPY = sys.implementation.name == "pypy"
# What PyPy lacks: a library that keeps its lock, and garbage that need not be looked at again.
LIBRARY, FREEZE = getattr(ctypes, "PyDLL", ctypes.CDLL), getattr(gc, "freeze", gc.collect)

NODE_NAMES = ("ListNode", "TreeNode")
ELEMENTS = re.compile(r"[Ll]ist\[(.*)\]")  # of a list of something

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
    sandbox = LIBRARY(plan["library"])
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    soft = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))
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
    flags = ["-S", "-s", "-B", "-X", "utf8"]
    arguments = [plan["python"], *flags, plan["driver"], "serve", json.dumps(plan["serve"])]
    os.execve(plan["python"], arguments, {"PYTHONHASHSEED": "0"})


def serve(plan):
    """Fork jails and tests until the supervisor is gone; a test process runs its program and never returns."""
    globals().update(plan["constants"])  # RESULT and the exit statuses of asserts, from protocol.py
    sandbox = LIBRARY(plan["library"])
    sandbox.configure(plan["namespaces"], plan["confined"], plan["net_namespace"], plan["candidate_uid"],
                      os.fsencode(plan["scratch"]))  # fmt: skip
    readable = _strings(plan["readable"])
    if plan["confined"] and not plan["namespaces"]:
        error = sandbox.prepare_landlock(readable)
        if error:
            sys.exit(f"cannot prepare Landlock: {os.strerror(error)}")
    site.setquit()
    site.setcopyright()
    if hasattr(sys, "set_int_max_str_digits"):  # older PyPy has no limit
        sys.set_int_max_str_digits(0)
    sys.argv[:] = ["main.py"]
    sys.path[:] = [path for path in sys.path if path.startswith((sys.base_prefix, "/usr/"))] + plan["packages"]
    os.environ.clear()
    if IS_PYPY:
        _bound_recursion(sys.setrecursionlimit)
    gc.collect()
    FREEZE()
    if sandbox.serve(plan["control"]) == 1:
        prepared = prepare(sandbox.program_file())
        FREEZE()
        sandbox.serve_jail()
        run_test(prepared)


def _bound_recursion(set_limit):
    """Keep PyPy from reserving 1.3 kB per frame and thread for a recursion that the stack has no room for."""

    def bounded(limit):
        stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
        set_limit(min(limit, stack >> 10) if stack > 0 else limit)

    sys.setrecursionlimit = bounded


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
        job["uses_numba"] = b"numba" in body
        job["opens_files"] = b"open" in body
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
        if IS_PYPY and getattr(prepared[2], "get", {}.get)("opens_files"):
            gc.collect()  # it writes what is left in files that nobody closed
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
    failed = _flush(sys.stdout, sys.stderr) or failed  # while the program's own streams can still use its globals
    if IS_PYPY:  # it keeps the values of a cleared module
        main.__dict__.update(dict.fromkeys(main.__dict__))
    main.__dict__.clear()
    failed = _flush(sys.__stdout__, sys.__stderr__) or failed
    return status or (120 if failed else 0)


def _flush(*streams):
    """Flush what is open; say whether something failed."""
    failed = 0
    for stream in streams:
        if stream is not None and not getattr(stream, "closed", False):
            failed = _guarded(stream.flush) or failed
    return failed


def _join_threads():
    """Wait for threads; where there were none this is not entered, because it touches 40 pages (0.17 ms of 1.4)."""
    if len(threading._active) > 1 or threading._limbo or threading._threading_atexits:
        threading._shutdown()


def compile_source(_main, _job, body):
    """Write the marshalled code of a source, so that its tests need not compile it again."""
    code = compile(body, "main.py", "exec", dont_inherit=True)
    _write_all(RESULT, marshal.dumps(code))


def _without_numba_cache(job):
    """Let numba's ``cache=True`` do nothing: a program has no file here beside which numba could keep what it compiled."""
    if job["uses_numba"]:
        try:
            from numba.core.dispatcher import Dispatcher
        except ImportError:
            return  # the program's own import says so
        Dispatcher.enable_caching = lambda _: None


def run_program(main, job, code):
    """Run a program that reads standard input and writes standard output."""
    _without_numba_cache(job)
    sys.argv[1:] = job.get("arguments", ())
    sys.setrecursionlimit(RECURSION_LIMIT + 6)  # the frames below the program
    exec(code, main.__dict__)  # noqa: S102 - this is what a judge does


def call_function(main, job, code, _dumps=_dumps, _write_all=_write_all):
    """Call a function with the arguments on standard input and write its typed result to RESULT."""
    arguments = _loads(_read_all(0))
    _run_prelude(main, job)
    names = _define(main, code)
    function = _find_function(names, job["function"])
    sys.setrecursionlimit(max(sys.getrecursionlimit(), FUNCTION_RECURSION_LIMIT))
    named = arguments if isinstance(arguments, dict) else {}
    given = [] if arguments is named else arguments if isinstance(arguments, list) else [arguments]
    annotations = getattr(function, "__annotations__", None) or {}
    result = function(*_adapted(function, annotations, given, names),
                      **{name: _as_annotated(str(annotations.get(name, "")), value, names)
                         for name, value in named.items()})  # fmt: skip
    if result is None and (node := _node_of(str(annotations.get("return", "")))):
        rows = [["n", [node, []]]]  # an empty list or tree
    else:
        rows = {"plain": result} if _is_plain(result) else flatten(result)
    _write_all(RESULT, _dumps(rows).encode())


def _is_plain(value):
    """Whether JSON keeps a result as it is, and none of its containers is reached twice, so that it cannot explode."""
    todo, seen = [value], set()
    while todo:
        item = todo.pop()
        if type(item) in SCALARS:
            continue
        if type(item) is not list or id(item) in seen:
            return False
        seen.add(id(item))
        kinds = set(map(type, item))
        if not kinds <= SCALARS:
            todo += item if kinds.isdisjoint(SCALARS) else [each for each in item if type(each) not in SCALARS]
    return len(seen) < DEEPEST_PLAIN or _depth(value) < DEEPEST_PLAIN


def _depth(value):
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [each for item in level if type(item) is list for each in item if type(each) is list]
    return depth


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


def _adapted(function, annotations, arguments, names):
    """Turn lists into linked lists and trees where the parameters are annotated so."""
    inner = getattr(function, "__func__", function)
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    code = getattr(inner, "__code__", None)
    parameters = code.co_varnames[: code.co_argcount] if code else ()
    parameters = parameters[1:] if hasattr(function, "__self__") else parameters
    return [value if name is None else _as_annotated(str(annotations.get(name, "")), value, names)
            for name, value in itertools.zip_longest(parameters[: len(arguments)], arguments)]  # fmt: skip


def _node_of(annotation):
    """Return the node class that an annotation names, where it speaks of one list or tree; else nothing."""
    if ELEMENTS.search(annotation):
        return None
    return next((name for name in NODE_NAMES if name in annotation), None)


def _as_annotated(annotation, value, names):
    elements = ELEMENTS.search(annotation)
    if elements and isinstance(value, list):
        return [_as_annotated(elements[1], each, names) for each in value]
    node = _node_of(annotation)
    if node is None or not isinstance(value, list):
        return value
    made = names.get(node) if isinstance(names.get(node), type) else globals()[node]
    return _linked(value, made) if node == "ListNode" else _tree(value, made)


def _linked(values, made):
    head = None
    for item in reversed(values):
        node = object.__new__(made)
        node.val, node.next = item, head
        head = node
    return head


def _tree(values, made):
    def node_of(value):
        node = object.__new__(made)
        node.val, node.left, node.right = value, None, None
        return node

    nodes = [None if value is None else node_of(value) for value in values]
    children = iter(nodes[1:])
    for node in nodes:
        if node is not None:
            node.left = next(children, None)
            node.right = next(children, None)
    return nodes[0] if nodes else None


# ---- plain values between processes: a flat table, so that depth, cycles and shared objects survive ----


def flatten(value, other=None):
    """Describe a value as ``[kind, payload]`` rows; the first row is the value. Never pickle.

    ``other`` may give the row of an item, or ``None``; it comes before the usual ones.
    """
    rows, numbers, todo = [], {}, [value]

    def number_of(item):
        key = id(item)
        if key not in numbers:
            numbers[key] = len(todo)
            todo.append(item)
        return numbers[key]

    numbers[id(value)] = 0
    rows.extend((other and other(item, number_of)) or _row(item, number_of) for item in todo)  # which grows
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
    if type(item).__name__ in NODE_NAMES and hasattr(item, "__dict__"):
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


# ---- asserts: the program of asserts and the candidate run in two jails, and each holds objects for the other ----
#
# A message asks the other side to do something with one of its objects, or answers. While a side waits for an answer
# it does what it is asked, so that a function handed over as an argument can be called back. Values that JSON and the
# standard library know travel as copies; anything else stays where it is, and the other side gets a Remote.
# The asserting side believes no answer about equality: a Remote equals nothing but itself.

LONGEST_MESSAGE = 256 << 20
ARGUMENT_KINDS = (list, dict, set, tuple, collections.deque, bytearray)
UNSHOWN_KINDS = (types.ModuleType, types.FrameType, types.CodeType, types.TracebackType)
PRIVATE_PREFIXES = ("_", "gi_", "cr_", "ag_", "f_", "tb_", "co_")  # what leads to frames and globals
ENTRY_CLASS = re.compile(r"[A-Z]\w*")
PUBLIC_DUNDERS = {"__name__", "__qualname__", "__doc__", "__wrapped__", "__annotations__", "__defaults__", "__code__"}


class Opaque:
    """A value of a kind that does not travel; it equals nothing."""

    def __eq__(self, other):
        return False

    __hash__ = None


class CandidateError(Exception):
    """An exception of the other side that is not a built-in one."""


class Remote:
    """An object of the other side: what is done with it is done there."""

    __slots__ = ("_remote_at",)

    def __init__(self, peer, number):
        object.__setattr__(self, "_remote_at", (peer, number))

    def __call__(self, *arguments, **named):
        return _there(self, "call", *arguments, **named)

    def __getattr__(self, name):
        if name[:2] == "__" and name not in PUBLIC_DUNDERS:
            raise AttributeError(name)
        return _there(self, "getattr", name)

    def __setattr__(self, name, value):
        _there(self, "setattr", name, value)

    def __getitem__(self, key):
        return _there(self, "getitem", key)

    def __setitem__(self, key, value):
        _there(self, "setitem", key, value)

    def __delitem__(self, key):
        _there(self, "delitem", key)

    def __contains__(self, item):
        peer = self._remote_at[0]
        peer.leaned |= not peer.compares  # a list would be looked into; here its word counts
        return bool(_there(self, "contains", item))

    def __len__(self):
        return int(_there(self, "len"))

    def __bool__(self):
        return bool(_there(self, "bool"))

    def __iter__(self):
        return _there(self, "iter")

    def __next__(self):
        return _there(self, "next")

    def __enter__(self):
        return _there(self, "enter")

    def __exit__(self, *_):
        return bool(_there(self, "exit"))

    def __str__(self):
        return str(_there(self, "str"))

    def __repr__(self):
        return str(_there(self, "repr"))

    def __format__(self, spec):
        return format(str(self), spec)

    def __instancecheck__(self, item):
        return isinstance(item, Remote) and bool(_there(self, "isinstance", item))

    def __eq__(self, other):
        peer = self._remote_at[0]
        if self is other or not isinstance(other, Remote) or not peer.compares:
            return self is other
        return _there(self, "eq", other) is True

    def __hash__(self):
        return hash(self._remote_at[1])


def _arithmetic(name):
    def operate(self, other):
        if not self._remote_at[0].compares or not isinstance(other, Remote):
            return NotImplemented
        return _there(self, name, other)

    return operate


OPERATORS = (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lt",
    "le",
    "gt",
    "ge",
)
for _name in OPERATORS:
    setattr(Remote, f"__{_name}__", _arithmetic(_name))

ACTIONS = {
    "call": lambda it, *arguments, **named: it(*arguments, **named),
    "getattr": getattr, "setattr": setattr, "contains": operator.contains, "getitem": operator.getitem,
    "setitem": operator.setitem, "delitem": operator.delitem, "len": len, "bool": bool, "iter": iter, "next": next,
    "str": str, "repr": repr, "enter": lambda it: it.__enter__(), "exit": lambda it: it.__exit__(None, None, None),
    "isinstance": lambda it, item: isinstance(item, it), "eq": operator.eq,
    **{name: getattr(operator, name if name not in ("and", "or") else f"{name}_") for name in OPERATORS},
}  # fmt: skip


def _there(remote, action, *arguments, **named):
    peer, number = remote._remote_at
    return peer.ask(action, number, arguments, named)


class Peer:
    """One of two processes that hold objects for each other."""

    def __init__(self, names, entry_point, *, guarded):
        self.names = names
        self.guarded = guarded  # the asserting side shows only what was handed over, and no private names of it
        # Where the data set tests a class, two of its objects may be compared by the class itself.
        self.compares = ENTRY_CLASS.fullmatch(entry_point) is not None
        self.leaned = False  # whether asserts believed an object of the candidate's
        self._held = []
        self._numbers = {}
        self._remotes = {}

    def hold(self, item):
        """Return the number under which the other side may use an object."""
        if self.guarded and isinstance(item, UNSHOWN_KINDS):
            message = f"a {type(item).__name__} does not travel"
            raise TypeError(message)
        if id(item) not in self._numbers:
            self._numbers[id(item)] = len(self._held)
            self._held.append(item)
        return self._numbers[id(item)]

    # -- asking --

    def ask(self, action, number, arguments=(), named=None):
        """Have something done by the other side; its exceptions are raised here."""
        sent = []
        request = {"do": action, "on": number, "arguments": self._pack((list(arguments), named or {}), sent)}
        if sys.stdout is not sys.__stdout__:
            request["echo"] = True
        _say(request)
        while True:
            answer = _hear()
            if answer is None:
                self._end()
            if "do" not in answer:
                break
            self.serve(answer)
        if answer.get("printed"):
            sys.stdout.write(answer["printed"])
        if "error" in answer:
            raise self._error(answer["error"], may_stop=action in ("next", "getattr"))
        return self._unpack(answer["value"], sent)[0]

    def _end(self):
        """End at once when the other side is gone: nothing here may catch that and go on."""
        sys.stderr.flush()
        _exit(GONE if self.guarded else 0)

    def _error(self, told, *, may_stop):
        kinds, text = told
        if "StopIteration" in kinds and not may_stop:  # would end a loop of the asserts early, as if all had been right
            kinds = ["RuntimeError"]
        known = [self.names.get(name) or getattr(builtins, name, None) for name in kinds]
        own = ("builtins", "__main__", "solution")  # not, for example, what a test framework takes for a skipped test
        kind = next((each for each in known if isinstance(each, type) and issubclass(each, Exception)
                     and each.__module__ in own), CandidateError)  # fmt: skip
        error = kind.__new__(kind, text)
        error.args = (text,)
        error.from_candidate = self.guarded
        return error

    # -- answering --

    def serve_until_alone(self):
        """Do what is asked until the other side is gone."""
        while (request := _hear()) is not None:
            self.serve(request)

    def serve(self, request):
        """Do one thing and answer."""
        received, answer = {}, {}
        start = _printed_bytes() if request.get("echo") else None
        try:
            on, action = self._held[request["on"]], request["do"]
            arguments, named = self._unpack(request["arguments"], (), received)
            if self.guarded and action in ("getattr", "setattr"):
                _require_public(arguments[0])
            result = ACTIONS[action](on, *arguments, **named)
            answer["value"] = self._pack([result, arguments, named], None, received)
        except Exception as error:  # noqa: BLE001 - it travels to whoever asked
            answer = {"error": [[each.__name__ for each in type(error).__mro__], _told(error)]}
        if start is not None:
            size = min(_printed_bytes() - start, LONGEST_MESSAGE >> 4)
            answer["printed"] = os.pread(1, size, start).decode(errors="replace")
        _say(answer)

    # -- values --

    def _pack(self, value, sent=None, received=None):
        """Flatten; ``sent`` gathers what goes away as an argument, ``received`` knows the numbers of what came as one."""

        def other(item, number_of):
            if sent is not None:
                sent.append(item)
            if received and id(item) in received:
                number, _ = received[id(item)]
                return ["=", [number, self._rich_row(item, number_of) or _row(item, number_of)]]
            return self._rich_row(item, number_of)

        return flatten(value, other)

    def _rich_row(self, item, number_of):
        """Return the row of what keeps its type on the way, or stays here."""
        kind = type(item)
        if kind in PLAIN_KINDS:
            return None
        if kind is Remote:
            return ["h", item._remote_at[1]]
        name = kind.__name__
        if KNOWN_KINDS.get(name) is kind:
            return ["k", [name, number_of(KNOWN_PARTS[name](item))]]
        if isinstance(item, tuple) and hasattr(kind, "_fields"):
            return ["m", [name, list(kind._fields), number_of(tuple(item))]]
        if kind.__module__ == "numpy" and hasattr(item, "dtype") and item.dtype.kind in "biufcSU":
            return ["a", [item.dtype.str, list(item.shape) if name == "ndarray" else None, number_of(item.tolist())]]
        if name in NODE_NAMES and hasattr(item, "__dict__"):
            return None
        if isinstance(item, (int, float, str, bytes, complex)):
            return None
        if isinstance(item, (list, dict, set, frozenset, tuple, collections.deque)) and not self.compares:
            return None
        return ["r", self.hold(item)]

    def _unpack(self, rows, sent, received=None):
        """Rebuild what the other side's ``_pack`` described."""
        built, done, waiting, todo = self._shells(rows, sent), set(), set(), [0]
        while todo:  # parts first, without recursion; in a cycle what can be filled later is already there
            at = todo[-1]
            if at not in done and at not in waiting:
                waiting.add(at)
                todo += [each for each in _parts_of(rows[at]) if each not in done and each not in waiting]
                continue
            todo.pop()
            if at in done:
                continue
            done.add(at)
            if at in built:
                self._fill(rows[at], built[at], built)
            else:
                built[at] = self._value(rows[at], built)
        if received is not None:
            received.update({id(item): (number, item) for number, item in built.items()
                             if isinstance(item, ARGUMENT_KINDS) or _is_node_or_array(item)})  # fmt: skip
        return built[0]

    def _shells(self, rows, sent):
        """Return the empty objects of what can be filled later, by number; those of arguments are the arguments."""
        shells = {}
        for number, (kind, payload) in enumerate(rows):
            if kind in "lsd":
                shells[number] = {"l": list, "s": set, "d": dict}[kind]()
            elif kind == "n" and payload[0] in NODE_NAMES:
                own = self.names.get(payload[0])
                shells[number] = object.__new__(own if isinstance(own, type) else globals()[payload[0]])
            elif kind == "=":
                shells[number] = sent[payload[0]]
        return shells

    def _fill(self, row, item, built):
        """Give a shell its content; a changed argument gets its new one in place."""
        kind, payload = row[1][1] if row[0] == "=" else row
        if kind == "k" and isinstance(item, (bytearray, array.array)):
            item[:] = KNOWN_MAKERS[payload[0]](built[payload[1]])
        elif kind == "k" and isinstance(item, dict):
            content = dict(built[payload[1]])
            item.clear()
            item.update(content)
        elif kind == "k" and isinstance(item, collections.deque):
            item.clear()
            item.extend(built[payload[1]])
        elif kind == "a" and payload[1] is not None:
            item[...] = built[payload[2]]
        elif kind == "n" and type(item).__name__ in NODE_NAMES:  # a row of the other side changes no other objects
            for name, each in payload[1]:
                setattr(item, name, built[each])
        elif kind == "d" and isinstance(item, dict):
            content = [(built[key], built[each]) for key, each in payload]
            item.clear()
            item.update(content)
        elif kind == "l" and isinstance(item, (list, collections.deque)):
            content = [built[each] for each in payload]
            item.clear()
            item.extend(content)
        elif kind == "s" and isinstance(item, set):
            item.clear()
            item.update([built[each] for each in payload])

    def _value(self, row, built):
        """Return the value of a row whose parts are built."""
        kind, payload = row
        if kind == "t":
            return tuple([built.get(each) for each in payload])
        if kind == "k":
            return KNOWN_MAKERS[payload[0]](built.get(payload[1]))
        if kind == "m":
            name, fields, number = payload
            return collections.namedtuple(name, fields, rename=True)(*built.get(number, ()))  # noqa: PYI024
        if kind == "a":
            import numpy

            made = numpy.array(built.get(payload[2]), dtype=payload[0])
            return made[()] if payload[1] is None else made.reshape(payload[1])
        if kind == "r":
            return self._remotes.setdefault(payload, Remote(self, payload))
        if kind == "h":
            return self._held[payload]
        if kind == "c":
            return complex(*map(float, payload))
        readers = {"v": lambda value: value, "i": int, "f": float, "b": bytes.fromhex}
        return readers[kind](payload) if kind in readers else Opaque()


PLAIN_KINDS = {int, float, str, bool, type(None), list, dict, set, tuple, bytes, complex}
KNOWN_KINDS = {
    "deque": collections.deque, "Counter": collections.Counter, "OrderedDict": collections.OrderedDict,
    "defaultdict": collections.defaultdict, "frozenset": frozenset, "bytearray": bytearray, "range": range,
    "Decimal": decimal.Decimal, "Fraction": fractions.Fraction, "datetime": datetime.datetime, "date": datetime.date,
    "time": datetime.time, "timedelta": datetime.timedelta, "array": array.array,
}  # fmt: skip
KNOWN_PARTS = {
    "deque": list, "Counter": dict, "OrderedDict": lambda item: list(item.items()), "defaultdict": dict,
    "frozenset": list, "bytearray": bytes,
    "range": lambda item: (item.start, item.stop, item.step),
    "Decimal": str, "Fraction": str, "datetime": datetime.datetime.isoformat, "date": datetime.date.isoformat,
    "time": datetime.time.isoformat, "timedelta": lambda item: (item.days, item.seconds, item.microseconds),
    "array": lambda item: (item.typecode, list(item)),
}  # fmt: skip
KNOWN_MAKERS = {
    "deque": collections.deque, "Counter": collections.Counter, "OrderedDict": collections.OrderedDict,
    "defaultdict": lambda content: collections.defaultdict(None, content), "frozenset": frozenset,
    "bytearray": bytearray, "range": lambda parts: range(*parts), "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction, "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat, "time": datetime.time.fromisoformat,
    "timedelta": lambda parts: datetime.timedelta(*parts), "array": lambda parts: array.array(*parts),
}  # fmt: skip


def _printed_bytes():
    sys.stdout.flush()
    return os.lseek(1, 0, os.SEEK_CUR)


def _require_public(name):
    if str(name).startswith(PRIVATE_PREFIXES):
        raise AttributeError(name)


def _parts_of(row):
    """Return the numbers of the rows that a row's value is made of."""
    kind, payload = row
    if kind in ("l", "t", "s"):
        return payload
    if kind == "d":
        return [each for pair in payload for each in pair]
    if kind == "n":
        return [each for _, each in payload[1]]
    if kind in ("k", "m", "a"):
        return payload[-1:]
    return _parts_of(payload[1]) if kind == "=" else ()


def _is_node_or_array(item):
    return type(item).__name__ in (*NODE_NAMES, "ndarray")


def _told(error):
    """Return the text of an exception, as its first argument where that is a text."""
    return error.args[0] if len(error.args) == 1 and isinstance(error.args[0], str) else str(error)[:100_000]


def _say(message):
    data = _dumps(message).encode()
    _write_all(RESULT, len(data).to_bytes(4, "big") + data)


def _hear():
    """Return the next message, or ``None`` when the other side is gone."""
    try:
        size = int.from_bytes(_read_exactly(4), "big")
        return _loads(_read_exactly(size)) if size <= LONGEST_MESSAGE else None
    except (OSError, EOFError):
        return None


def _read_exactly(size):
    chunks = []
    while size:
        chunk = _read(RESULT, min(size, 1 << 20))
        if not chunk:
            raise EOFError
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def serve_objects(main, job, code):
    """Define the candidate's program and serve its objects until the checking process is gone."""
    _run_prelude(main, job)
    own = _define(main, code)
    peer = Peer(main.__dict__, job["entry_point"], guarded=False)
    for first in (lambda name: _described(own, name), lambda path: eval(path, main.__dict__)):  # noqa: S307
        peer.hold(first)
    peer.serve_until_alone()


NAMES, PATHS = 0, 1  # what a candidate's process holds first: its names, and what the data set's entry point is


def _run_prelude(main, job):
    """Run what the data set puts before a program: imports of the starter code, helpers of its tests."""
    if job["prelude"]:
        exec(compile(job["prelude"], "prelude.py", "exec"), main.__dict__)  # noqa: S102


def _described(names, name):
    """Say what a name of the candidate's is: nothing, a module, an exception, or an object."""
    if name not in names:
        return None
    value = names[name]
    if isinstance(value, types.ModuleType):
        return ["module", value.__name__]
    if isinstance(value, type) and issubclass(value, Exception):
        return ["exception", [each.__name__ for each in value.__mro__]]
    return ["object", value]


def check_candidate(main, job, body):
    """Run a program of asserts whose candidate is in another jail; exit codes tell how it ended."""
    sys.setrecursionlimit(100_000)
    _run_prelude(main, job)
    code = compile(body, "asserts.py", "exec", dont_inherit=True)
    names = main.__dict__
    entry = job["entry_point"]
    peer = Peer(names, entry, guarded=True)
    leaning = False
    try:
        names["__entry_point__"] = tested = peer.ask("call", PATHS, (entry,))
        if entry.isidentifier():
            names[entry] = tested
        for name in sorted(_unknown_names(code, names) - {entry}):
            described = peer.ask("call", NAMES, (name,))
            if described is not None:
                leaning |= _adopt(names, name, *described, is_root=entry.startswith((f"{name}(", f"{name}.")))
        exec(code, names)  # noqa: S102
    except AssertionError:
        traceback.print_exc()
        sys.exit(FAILED)
    except SystemExit as stop:  # as test frameworks end
        if stop.code:
            raise
    if leaning or peer.leaned:
        sys.exit(LEANING)


def _adopt(names, name, kind, value, *, is_root):
    """Take a name that only the candidate defines; say whether the asserts now lean on what it says."""
    if kind == "module":
        if value.partition(".")[0] in sys.stdlib_module_names or value in ("numpy", "scipy", "sympy", "pandas"):
            names[name] = importlib.import_module(value)
        return False
    if kind == "exception":
        base = next(each for each in (getattr(builtins, each, None) for each in value) if isinstance(each, type))
        names[name] = type(name, (base,), {})
        return False
    names[name] = value
    return not is_root


def _unknown_names(code, names):
    """Return the global names that a program loads and neither it, its prelude nor Python defines."""
    loaded, stored = set(), set()
    todo = [code]
    while todo:
        part = todo.pop()
        for instruction in dis.get_instructions(part):
            if instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_CLASSDEREF"):
                loaded.add(instruction.argval)
            elif instruction.opname == "STORE_GLOBAL" or (instruction.opname == "STORE_NAME" and part is code):
                stored.add(instruction.argval)
        todo += [constant for constant in part.co_consts if isinstance(constant, types.CodeType)]
    return {name for name in loaded - stored if name not in names and not hasattr(builtins, name)}


def check_together(main, job, code):
    """Run candidate and asserts in one process, because the data set says so: weaker, and said so."""
    _run_prelude(main, job)
    _define(main, code)
    main.__dict__["__entry_point__"] = eval(job["entry_point"], main.__dict__)  # noqa: S307
    try:
        exec(compile(job["program"], "asserts.py", "exec"), main.__dict__)  # noqa: S102
    except AssertionError:
        traceback.print_exc()
        sys.exit(FAILED)
    _write_all(RESULT, b"passed")


JOBS = {
    "compile": compile_source, "run": run_program, "call": call_function, "objects": serve_objects,
    "check": check_candidate, "together": check_together,
}  # fmt: skip

if __name__ == "__main__":
    {"enter": enter, "serve": serve}[sys.argv[1]](json.loads(sys.argv[2]))
