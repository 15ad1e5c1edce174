"""The HTTP side of the service: routes, token, limits of a body, and one line for whatever is refused."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
from pydantic import BaseModel

from ocr_pipeline.listening import serve_app
from ocr_pipeline.serving.refusals import Refused
from ocr_pipeline.serving.requests import JudgeBatch, JudgeOne, JudgeTests, RunCode, Submit, Verify, read_body
from ocr_pipeline.serving.service import Service

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["build_app", "serve"]

Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]
MIB: Final = 1 << 20
OPEN_TO_ALL: Final = frozenset({"/health", "/ping"})
"""What probes ask without a token."""
FINISHING_S: Final = 10.0


def build_app(service: Service) -> web.Application:
    """Return the application; the token is that of the service's options."""
    from aiohttp import web

    token = service.options.token
    largest = int(service.options.body_mib * MIB)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        place = resource.canonical if resource is not None else "unknown"
        response = await _answered(request, handler, token)
        service.answers[place, response.status] += 1
        return response

    app = web.Application(client_max_size=largest, middlewares=[guarded])

    def post(path: str, model: type[Body], answer: Callable[[Body], Awaitable[dict[str, Any]]]) -> None:
        async def handle(request: web.Request) -> web.Response:
            body = await _body(request, service.options.body_seconds, largest)
            return _json(await answer(read_body(model, body)))

        app.router.add_post(path, handle)

    post("/run_code", RunCode, service.run_code)
    post("/submit", Submit, service.submit)
    post("/verify", Verify, service.verify)
    post("/judge", JudgeOne, service.judge)
    post("/judge/batch", JudgeBatch, service.judge_batch)
    post("/judge/long-batch", JudgeBatch, service.judge_batch)
    post("/judge_tests", JudgeTests, service.judge_tests)

    async def seed_session(_: web.Request) -> web.Response:
        return _json({})

    async def health(_: web.Request) -> web.Response:
        return _json(service.health())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=service.metrics())

    app.router.add_post("/seed_session", seed_session)
    app.router.add_get("/health", health)
    app.router.add_get("/ping", health)
    app.router.add_get("/metrics", metrics)
    return app


async def _answered(request: web.Request, handler: Handler, token: str | None) -> web.StreamResponse:
    """Answer a request, whatever is wrong with it, in JSON."""
    from aiohttp import web

    try:
        _require(token, request)
        return await handler(request)
    except Refused as refused:
        beside = refused.body if isinstance(refused.body, dict) else {}
        return _json({"error": str(refused), **beside}, refused.status, dict(refused.headers))
    except web.HTTPException as error:
        kept = {name: value for name, value in error.headers.items() if name == "Allow"}
        return _json({"error": error.reason}, error.status, kept)


def _require(token: str | None, request: web.Request) -> None:
    if token is None or request.path in OPEN_TO_ALL:
        return
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    wanted, had = (text.encode("utf-8", "surrogateescape") for text in (token, given.strip()))
    if scheme.lower() != "bearer" or not hmac.compare_digest(wanted, had):
        raise Refused(401, "a token is required: Authorization: Bearer …", headers={"WWW-Authenticate": "Bearer"})


async def _body(request: web.Request, seconds: float, largest: int) -> bytes:
    """Read a body within the limits of size and time."""
    if request.content_length is not None and request.content_length > largest:
        raise Refused(413, f"the body must be at most {largest} bytes, got {request.content_length}")
    try:
        return await asyncio.wait_for(request.read(), seconds)
    except TimeoutError as error:
        raise Refused(408, f"the body did not arrive within {seconds:g} seconds") from error


def _json(value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    from aiohttp import web

    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


async def serve(service: Service, *, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then finish what runs; port 0 takes a free one. The address is printed when it listens.

    Raises
    ------
    InputError
        When the port is taken.
    """
    await serve_app(
        build_app(service),
        host=service.options.host,
        port=port,
        greeting=lambda address: f"judging at {address} with {service.pool.workers} workers",
        shutdown_timeout_s=FINISHING_S,
        handler_cancellation=True,
    )
