"""Where the service listens, who may ask, and how much one request may cost."""

from __future__ import annotations

import ipaddress
import os
from typing import Final

from ocr_pipeline.errors import OptionError
from ocr_pipeline.options import Options, option

__all__ = ["ServeOptions"]

LOOPBACK_NAME: Final = "localhost"


class ServeOptions(Options):
    """How the service is reached, and its limits per request."""

    host: str = option("127.0.0.1", "Address to listen on; any but a loopback address needs a token")
    token_env: str = option(
        "OCR_JUDGE_TOKEN", "Environment variable with the token that requests carry (Authorization: Bearer …)"
    )
    queue: int = option(
        256, "Programs that wait for a worker; above, requests get 429", unit="programs", ge=0, affects_output=False
    )
    body_mib: float = option(64.0, "Largest body of a request", unit="MiB", gt=0)
    body_seconds: float = option(60.0, "Longest time in which a body arrives", unit="seconds", gt=0)
    tests_per_request: int = option(1_000, "Most tests of a request", unit="tests", ge=1)
    longest_run: float = option(60.0, "Longest CPU time that a request may ask for, per test", unit="seconds", gt=0)
    longest_request: float = option(
        600.0, "Longest time that a worker spends on one program; above, it was not run", unit="seconds", gt=0
    )
    largest_memory: float = option(4_096.0, "Most memory that a request may ask for", unit="MiB", gt=0)

    @property
    def token(self) -> str | None:
        """The token, where one is set.

        Raises
        ------
        OptionError
            When others than this machine can ask and there is none.
        """
        token = os.environ.get(self.token_env) or None
        if token is None and not self.is_loopback:
            message = f"--host {self.host} lets other machines run programs here: put a token into {self.token_env}"
            raise OptionError(message)
        return token

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can ask."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == LOOPBACK_NAME
