"""Object storage: pyarrow streams the rows, obstore puts what must not overrule another writer.

A put can be conditional: it succeeds only if nobody put that name since it was read. That is all that keeps two machines
apart, so a storage that does not honour it is refused before anything is written. Passing failures are retried by both
libraries; what stays is one line that says what to do. What the objects mean does not belong here.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from ocr_pipeline.errors import OvertakenError, StoreError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["Found", "Objects", "Stored", "below", "explained", "open_root", "reaching", "whoever"]

RETRY_S: Final = 60.0
ATTEMPTS: Final = 7
FIRST_WAIT_S: Final = 0.2
PROBE: Final = "_conditional-puts"
CONDITIONAL: Final = ("s3", "gs", "gcs", "abfs", "abfss", "az")
S3_OPTIONS: Final = {"region", "scheme", "endpoint_override"}
TRIES: Final = re.compile(r" in [\d.]+[mµn]?s(, after .*?retry_timeout: \w+ *)?")
ADDRESS: Final = re.compile(r"\w+://[^\s)'\"]+|\d+\.\d+\.\d+\.\d+:\d+|\bport \d+")
ADVICE: Final = (
    (r"\b403\b|forbidden|access.?denied|invalidaccesskeyid|signaturedoesnotmatch|unauthori[sz]ed|credential",
     "check the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) and what they may do"),
    (r"nosuchbucket|no_such_bucket|bucket.*not.*found", "make the bucket, or name another in OCR_PIPELINE_DATA"),
    (r"\b50[0234]\b|slow.?down|service.?unavailable|internal.?server|timed? ?out|timeout",
     "it was asked several times; try again when the storage answers"),
    (r"connect|refused|network|dns|resolve|error sending request", "check the endpoint (AWS_ENDPOINT_URL) and the network"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """One small object as it is now."""

    data: bytes
    version: Mapping[str, str]
    """What tells this version from another: a tag, and with Google a number."""
    writer: str
    """Who put it, for a person."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a listing says of an object."""

    bytes: int
    modified: datetime


def whoever(run: str) -> dict[str, str]:
    """Say who writes: host, process and run. It goes beside an object, never into it."""
    return {"host": socket.gethostname(), "process": str(os.getpid()), "run": run or "none"}


@contextmanager
def reaching(place: str) -> Iterator[None]:
    """Turn what a storage says into one line.

    Raises
    ------
    StoreError
        With the first line of what it said, and what to do about it.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.startswith("obstore"):  # which readers may not have
            raise explained(place, error) from error
        raise


def explained(place: str, error: Exception) -> StoreError:
    """Return one line about a failure of a storage: what it said, and what to do."""
    text = _first_line(error)
    said = ADDRESS.sub(" ", text.replace(place, " "))  # a port or a name may hold the digits of a status
    advice = next((say for pattern, say in ADVICE if re.search(pattern, said, re.IGNORECASE)), "try again")
    return StoreError(f"`{place}` cannot be used: {text}; {advice}")


def _first_line(error: BaseException) -> str:
    """Return the first line of an error without the storage's XML, but with the code in it."""
    text = str(error)
    code = re.search(r"<Code>(\w+)</Code>", text)
    line = TRIES.sub(" ", text.split("\n", 1)[0].split("<?xml", 1)[0].split("<Error", 1)[0]).rstrip(" :.")
    return f"{line} ({code[1]})" if code and code[1] not in line else line


class Objects:
    """The objects of one root.

    Parameters
    ----------
    root
        Its URI.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._is_conditional = False

    @cached_property
    def _control(self) -> ObjectStore:
        """What gets, puts, lists and deletes objects by their names.

        Raises
        ------
        StoreError
            When this kind of storage has no conditional puts.
        """
        scheme = urlsplit(self._root).scheme
        if scheme not in CONDITIONAL:
            message = (
                f"data root `{self._root}` can be read, not written: {scheme}:// has no conditional puts, so two writers "
                "could destroy each other's rows; use a folder, s3://, gs:// or abfs://"
            )
            raise StoreError(message)
        from obstore.store import from_url

        bucket = urlsplit(self._root).netloc
        more: dict[str, Any] = {}
        if scheme == "s3":
            bucket, more = bucket.rpartition("@")[2], _s3_control(self._root)
        waits: Any = {"init_backoff": timedelta(seconds=FIRST_WAIT_S), "max_backoff": timedelta(seconds=RETRY_S / 4)}
        retries: Any = {"max_retries": ATTEMPTS, "retry_timeout": timedelta(seconds=RETRY_S), "backoff": waits}
        with reaching(self._root):
            return from_url(f"{scheme}://{bucket}", retry_config=retries, **more)

    def get(self, path: str) -> Found | None:
        """Return an object, or ``None``."""
        import obstore

        with reaching(path), suppress(FileNotFoundError):
            answer = obstore.get(self._control, _name(path))
            told = {str(name).lower(): str(value) for name, value in answer.attributes.items()}
            when = f"{answer.meta['last_modified']:%Y-%m-%d %H:%M:%S} UTC"
            writer = f"run {told.get('run', 'unknown')} (process {told.get('process', '?')} on {told.get('host', '?')}) at {when}"
            told_apart = {"e_tag": answer.meta["e_tag"], "version": answer.meta["version"]}
            version = {name: value for name, value in told_apart.items() if value is not None}
            return Found(answer.bytes().to_bytes(), version, writer)
        return None

    def put(self, path: str, data: bytes, *, replaces: Found | None, writer: Mapping[str, str]) -> None:
        """Put an object in the place of the one that was found before, or where none was.

        Raises
        ------
        OvertakenError
            When somebody else has put one since; says who.
        StoreError
            When the storage cannot be reached. Whether the object was put is then unknown.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        mode: Any = dict(replaces.version) if replaces else "create"
        try:
            obstore.put(self._control, _name(path), data, mode=mode, attributes=dict(writer), use_multipart=False)
        except (AlreadyExistsError, PreconditionError) as refused:
            now = self.get(path)
            if now is not None and now.data == data:
                return  # a retry met what its first try had put
            who = f"was replaced meanwhile by {now.writer}" if now else "was removed meanwhile"
            message = f"`{path}` {who}; what this run wrote was not published, run it again"
            raise OvertakenError(message) from refused
        except (OSError, BaseError) as error:
            raise explained(path, error) from error

    def put_plainly(self, path: str, data: bytes) -> None:
        """Put an object whatever is there."""
        import obstore

        with reaching(path):
            obstore.put(self._control, _name(path), data, use_multipart=False)

    def upload(self, path: str, file: Path) -> None:
        """Put a file of any size, in parts, whatever is there."""
        import obstore

        with reaching(path):
            obstore.put(self._control, _name(path), file)

    def listed(self, folder: str) -> dict[str, Stored]:
        """Return every object below a folder by its path in it."""
        import obstore

        prefix = f"{_name(folder)}/"
        with reaching(folder):
            return {
                one["path"].removeprefix(prefix): Stored(one["size"], one["last_modified"])
                for chunk in obstore.list(self._control, prefix=prefix)
                for one in chunk
            }

    def delete(self, paths: list[str]) -> None:
        """Delete objects; those that are gone already do not matter."""
        import obstore

        if paths:
            with reaching(paths[0]), suppress(FileNotFoundError):
                obstore.delete(self._control, [_name(path) for path in paths])

    def require_conditional_puts(self, base: str) -> None:
        """Try whether the storage keeps the first of two puts, and one whose tag is not the present one.

        Raises
        ------
        StoreError
            When it does not, or cannot be written.
        """
        if self._is_conditional:
            return
        path = f"{base}/{PROBE}"
        other = Found(b"", {"e_tag": '"00000000000000000000000000000000"', "version": "1"}, "")
        says: list[bool] = []
        for found in (None, None, other):
            try:
                self.put(path, os.urandom(16), replaces=found, writer={})
                says.append(True)
            except OvertakenError:
                says.append(False)
        if says[1] or says[2]:
            message = (
                f"data root `{self._root}` takes puts whose condition is not met (If-None-Match, If-Match), so two writers "
                "could destroy each other's rows; update the storage's software, or use another"
            )
            raise StoreError(message)
        self._is_conditional = True


def _name(path: str) -> str:
    """Return the name inside the bucket; pyarrow's paths begin with the bucket."""
    return path.partition("/")[2]


def below(root: str, name: str) -> str:
    """Return a place in a root; the options of a URI stay at its end."""
    place, mark, options = root.partition("?")
    return f"{place.rstrip('/')}/{name}{mark}{options}"


def open_root(root: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a data root and the root's path in it.

    Raises
    ------
    StoreError
        When it cannot be opened.
    """
    if "://" not in root:
        return pafs.LocalFileSystem(), str(Path(root).absolute())
    try:
        if root.startswith("s3://"):
            parts = urlsplit(root)
            base = f"{parts.netloc.rpartition('@')[2]}{parts.path}"
            return pafs.S3FileSystem(
                **_s3(root), retry_strategy=pafs.AwsStandardS3RetryStrategy(ATTEMPTS)
            ), base.rstrip("/")
        filesystem, base = pafs.FileSystem.from_uri(root)
    except (pa.ArrowInvalid, OSError) as error:
        message = f"data root `{root}` cannot be opened: {error}; give a folder or a URI such as s3://bucket/folder"
        raise StoreError(message) from error
    return filesystem, base.rstrip("/")


def _s3(root: str) -> dict[str, Any]:
    """Return what a URI and the environment say of an S3 storage, as pyarrow's file system takes it."""
    parts = urlsplit(root)
    given = dict(parse_qsl(parts.query))
    if set(given) - S3_OPTIONS:
        message = f"data root `{parts.scheme}://{parts.netloc}{parts.path}`: no option {', '.join(sorted(set(given) - S3_OPTIONS))}; there are {', '.join(sorted(S3_OPTIONS))}"
        raise StoreError(message)
    endpoint = (
        given.get("endpoint_override") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    )
    options: dict[str, Any] = {}
    if endpoint:
        scheme, _, host = endpoint.rpartition("://")
        options = {"endpoint_override": host.rstrip("/"), "scheme": scheme or given.get("scheme", "https")}
    region = given.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    options["region"] = region or ("us-east-1" if endpoint else pafs.resolve_s3_region(parts.netloc.rpartition("@")[2]))
    if parts.username and parts.password:
        options |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password)}
    return options


def _s3_control(root: str) -> dict[str, Any]:
    """Return the same as obstore takes it."""
    options = _s3(root)
    config: dict[str, Any] = {"region": options["region"]}
    if "endpoint_override" in options:
        config["endpoint"] = f"{options['scheme']}://{options['endpoint_override']}"
    if "access_key" in options:
        config |= {"access_key_id": options["access_key"], "secret_access_key": options["secret_key"]}
    plain = options.get("scheme") == "http"
    return {"config": config, "client_options": {"allow_http": plain}} | _profile(options)


def _profile(options: Mapping[str, Any]) -> dict[str, Any]:
    """Read credentials from the AWS files where there are no others: obstore leaves that to boto3."""
    folder = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    if "access_key" in options or "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    if "AWS_PROFILE" not in os.environ and not folder.exists():
        return {}
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        message = f"credentials of a profile (`{folder}`) are read by boto3: `pip install boto3`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise StoreError(message) from error
    return {"credential_provider": Boto3CredentialProvider()}
