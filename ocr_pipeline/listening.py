"""Serving an application of aiohttp until somebody asks it to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ocr_pipeline.errors import InputError

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["serve_app"]

BACKLOG: Final = 4_096


async def serve_app(
    app: web.Application,
    *,
    host: str,
    port: int,
    greeting: Callable[[str], str],
    shutdown_timeout_s: float,
    **options: Any,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what runs; port 0 takes a free one.

    Parameters
    ----------
    greeting
        Gives the line that is printed when it listens, from its address such as ``http://127.0.0.1:8000``.
    shutdown_timeout_s
        How long what runs may take to finish.

    Raises
    ------
    InputError
        When the port is taken.
    """
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout_s, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError as error:
        await runner.cleanup()
        message = (
            f"port {port} of {host} cannot be used: {error.strerror or error}; give another --port, or 0 for a free one"
        )
        raise InputError(message) from error
    address, number = runner.addresses[0][:2]
    shown = f"[{address}]" if ":" in address else address
    sys.stdout.write(f"{greeting(f'http://{shown}:{number}')}\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        await stop.wait()
    finally:
        await runner.cleanup()
