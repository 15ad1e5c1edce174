"""The web application: which page is at which address, and who may ask.

A page is for this machine unless a person says otherwise: only the name that the server was started under, or one of the
loopback, is answered, and only the pages themselves may store anything, so that no other site in the same browser can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

import orjson
from pydantic import BaseModel, ValidationError

from ocr_pipeline.errors import InputError, OptionError, PipelineError
from ocr_pipeline.store import Store
from ocr_pipeline.studio.browse_page import browse_page, got_html, problem_page, sample_page
from ocr_pipeline.studio.funnel_page import account_html, funnel_page
from ocr_pipeline.studio.markup import code_style, escaped, page
from ocr_pipeline.studio.review_page import Asked, Decided, Named, decide, next_items, review_page, undo
from ocr_pipeline.studio.root import Root

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["LOOPBACK", "build_app"]

Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
STATIC: Final = {"studio.css": "text/css", "studio.js": "text/javascript"}
POLICY: Final = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
"""No script but our own runs, whatever a statement holds."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def build_app(data: str, benchmarks: Path, host: str = "127.0.0.1") -> web.Application:
    """Return the application over a data root.

    Parameters
    ----------
    benchmarks
        Folder of the benchmarks that were not ingested, for their statements.
    host
        Where it listens: one of the loopback answers to no other name.
    """
    from aiohttp import web

    root = Root(Store(data), benchmarks)
    writing = asyncio.Lock()  # one after the other: each append writes the table anew
    running = asyncio.Lock()  # programs, for as long as they take
    app = web.Application(middlewares=[_guard(host)])
    app.router.add_get("/", _redirect(lambda _: "/review"))
    app.router.add_get("/find", _redirect(lambda asked: f"/sample/{quote(asked.query.get('id', '').strip())}"))
    app.router.add_get("/health", _text("ok", "text/plain"))
    pages: dict[str, Callable[[web.Request], str]] = {
        "/review": lambda asked: review_page(root, asked.query.get("queue", ""), asked.query.get("reviewer")),
        "/browse": lambda asked: browse_page(root.store, "samples", asked.query),
        "/browse/{what}": lambda asked: browse_page(root.store, asked.match_info["what"], asked.query),
        "/problem/{name:.+}": lambda asked: problem_page(root.store, asked.match_info["name"]),
        "/sample/{name:.+}": lambda asked: sample_page(root.store, asked.match_info["name"]),
        "/funnel": lambda asked: funnel_page(root.store, asked.query.get("dataset", "")),
    }
    for path, draw in pages.items():
        app.router.add_get(path, _page(draw))
    answers: dict[str, Handler] = {
        "/api/next": _answer(Asked, lambda body, _: next_items(root, body)),
        "/api/decide": _answer(Decided, lambda body, _: decide(root, body), writing),
        "/api/undo": _answer(Named, lambda body, _: undo(root, body), writing),
        "/api/account": _answer(Named, lambda _, __: {"html": account_html(root.store)}),
        "/api/got/{name:.+}": _answer(Named, lambda _, name: {"html": got_html(root.store, name)}, running),
    }
    for path, handler in answers.items():
        app.router.add_post(path, handler)
    for name, kind in STATIC.items():
        text = (files("ocr_pipeline.studio") / "static" / name).read_text(encoding="utf-8")
        app.router.add_get(f"/static/{name}", _text(text, kind))
    app.router.add_get("/static/code.css", _text(code_style(), "text/css"))
    return app


def _guard(host: str) -> Any:  # noqa: ANN401 - a middleware of aiohttp
    """Refuse who may not ask, and turn errors into a line on the page."""
    from aiohttp import web

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = _refusal(request, host)
        if refusal:
            return web.json_response({"error": refusal}, status=403, headers=HEADERS)
        try:
            response = await handler(request)
        except PipelineError as error:
            status = 400 if isinstance(error, OptionError) else 404 if isinstance(error, InputError) else 500
            if request.method == "POST":
                return web.json_response({"error": str(error)}, status=status, headers=HEADERS)
            body = page("", "not found", f"<p class='problem' role='alert'>{escaped(str(error))}</p>")
            response = web.Response(text=body, content_type="text/html", status=status)
        response.headers.update(HEADERS)
        return response

    return guarded


def _page(draw: Callable[[web.Request], str]) -> Handler:
    from aiohttp import web

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(text=await asyncio.to_thread(draw, request), content_type="text/html")

    return handle


def _answer(
    model: type[Body],
    answer: Callable[[Body, str], dict[str, Any]],
    turn: AbstractAsyncContextManager[None] | None = None,
) -> Handler:
    """Answer a body and the name in the address, in turn with whatever has the same lock."""
    from aiohttp import web

    async def handle(request: web.Request) -> web.StreamResponse:
        body = _read(model, await request.read())
        async with turn or nullcontext():
            said = await asyncio.to_thread(answer, body, request.match_info.get("name", ""))
        return web.Response(body=orjson.dumps(said), content_type="application/json")

    return handle


def _text(text: str, kind: str) -> Handler:
    from aiohttp import web

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type=kind)

    return handle


def _redirect(target: Callable[[web.Request], str]) -> Handler:
    from aiohttp import web

    async def handle(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(target(request))

    return handle


def _refusal(request: web.Request, host: str) -> str:
    """Return why a request is not answered, or nothing."""
    asked = _split(f"//{request.host}").hostname or ""
    if host in LOOPBACK and asked not in LOOPBACK:
        return f"this server answers to {host}, not to `{asked}`"
    if request.method != "POST":
        return ""
    origin = request.headers.get("Origin")
    if origin and _split(origin).netloc != request.host:
        return f"only the pages of this server may store anything, not `{origin}`"
    return "" if request.content_type == "application/json" else "the body must be JSON"


def _split(address: str) -> SplitResult:
    """Return the parts of an address; none of one that is malformed."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _read(model: type[Body], body: bytes) -> Body:
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "body"
        message = f"{place} of the question cannot be used: {first['msg']}"
        raise OptionError(message) from None
