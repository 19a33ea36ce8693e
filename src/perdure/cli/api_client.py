"""Perdure's API as commands call it: where it is, who calls, and what becomes of its errors.

On the standard library's client: importing another takes longer than the call. See
`docs/adr/0027-commands-are-clients-of-the-api.md`.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from secrets import token_hex
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from perdure.cli.environment import (
    API_KEY,
    API_KEY_FILE,
    API_URL,
    DATA_DIR,
    DATA_DIR_DEFAULT,
    DataFolder,
    read_environment,
)
from perdure.cli.output import tell
from perdure.core.errors import ConfigurationError, PerdureError

PATIENCE_S: Final = 30.0
"""How long a command goes on asking an API that cannot answer now, or does not."""
_ANSWERS_WITHIN_S: Final = 60.0
_STREAM_SILENT_MAX_S: Final = 40.0
"""An event stream is kept alive every 15 seconds."""
_PAUSE_S: Final = 1.0
_PAGE_MAX: Final = 100

_LATER: Final = frozenset({429, 503})
"""It asks to come again; 503 also where it does not know whether it did what it was asked."""
_LOST: Final = frozenset({502, 504})
"""What a proxy says that has no answer of it."""
_IN_USE: Final = "idempotency_key_in_use"
_NEW_KEY: Final = "`perdure keys create NAME --role operator`, on the machine of the database,"


class ApiError(PerdureError):
    """The API says no, or does not answer.

    Args:
        status: Of its answer; 0: there is none.
    """

    code = "api_error"

    def __init__(
        self, message: str, *, code: str | None = None, param: str | None = None, status: int = 0
    ) -> None:
        super().__init__(message, code=code, param=param)
        self.status = status


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is, and the key to it.

    Args:
        found: Where the key was found, in words.
        folder: The data folder whose API it is; None: another one.
    """

    url: str
    key: str
    found: str
    folder: Path | None


def find_access(folder: DataFolder) -> Access:
    """Return what the environment says, or what `perdure up` wrote into its folder.

    The folder's key is for the folder's API alone: it is sent to no other address.

    Raises:
        ConfigurationError: Address or key are missing, or are none.
        OSError: The key's file cannot be read.
    """
    own_url = read_environment(folder.environment_path).get(API_URL)
    url = os.environ.get(API_URL) or own_url
    if not url:
        raise ConfigurationError(
            f"No API is known: set {API_URL} and {API_KEY}, or choose with --data-dir the folder of"
            f" a `perdure up`; {folder.path} is none.",
            code="api_not_known",
        )
    if not _is_address(url):
        raise ConfigurationError(
            f"{API_URL} is {url!r}; write it as https://perdure.example.", param=API_URL
        )
    own = folder if url == own_url else None
    key, found = _find_key(own)
    if not key:
        fix = f"set {API_KEY}; {_NEW_KEY} makes one."
        if own is not None:
            fix = f"`perdure up` writes one to {own.api_key_path} when it runs."
        raise ConfigurationError(f"No API key: {fix}", code="missing_api_key")
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(f"What is in {found} is no API key.", code="invalid_api_key")
    return Access(url.rstrip("/"), key, found, own.path if own is not None else None)


def _find_key(own: DataFolder | None) -> tuple[str, str]:
    """Return the key, and where it was found; empty: nowhere."""
    if key := os.environ.get(API_KEY):
        return key, API_KEY
    path = os.environ.get(API_KEY_FILE)
    if not path and own is not None and own.api_key_path.is_file():
        path = str(own.api_key_path)
    return (Path(path).read_text().strip(), path) if path else ("", "")


class ApiClient:
    """Asks the API, for as long as one command takes.

    A request whose answer is lost is sent again with the same Idempotency-Key, so that it adds
    nothing; one that the API cannot take now is sent again when it says so. Both end after
    `PATIENCE_S`.
    """

    def __init__(self, access: Access, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._access = access
        self._path = urlsplit(access.url).path
        self._sleep = sleep
        self._connection = self._new_connection(_ANSWERS_WITHIN_S)

    def get(self, path: str, **query: object) -> Any:
        """Return what is at a path; arguments without a value are left out.

        Raises:
            ApiError: It is refused, or not answered.
        """
        return self._ask("GET", path + _query(query))

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """Have something done; returns the answer.

        Raises:
            ApiError: It is refused, or not answered.
        """
        return self._ask("POST", path, body)

    def put(self, path: str, body: Mapping[str, object]) -> Any:
        """Set something, whole; returns the answer.

        Raises:
            ApiError: It is refused, or not answered.
        """
        return self._ask("PUT", path, body)

    def list(
        self, path: str, *, limit: int, cursor: str = "id", **query: object
    ) -> tuple[list[Any], bool]:
        """Return the first of a list, in as many requests as it takes, and whether there are more.

        Args:
            cursor: The field of the last one that says where the next page begins.

        Raises:
            ApiError: It is refused, or not answered.
        """
        found: list[Any] = []
        while True:
            page = self.get(path, limit=min(limit - len(found), _PAGE_MAX), **query)
            found += page["data"]
            if not page["has_more"] or len(found) >= limit:
                return found, page["has_more"]
            query["starting_after"] = found[-1][cursor]

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the events of a stream until it has come to its end; one that breaks off goes on.

        Raises:
            ApiError: It is refused, or not answered.
        """
        last_id = ""
        while True:
            # Not the connection of the requests, which are made meanwhile.
            with closing(self._new_connection(_STREAM_SILENT_MAX_S)) as connection:
                opening = partial(self._open_stream, connection, path, last_id)
                if (response := self._try(opening)) is None:
                    return
                went_on = False
                with suppress(OSError, HTTPException):
                    for event in _events_of(response):
                        last_id = event["id"]
                        yield json.loads(event["data"])
                        went_on = True
            # The API ends every stream in time; one that told something is asked on at once.
            if not went_on:
                self._sleep(_PAUSE_S)

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        headers = self._headers()
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers |= {"Content-Type": "application/json", "Idempotency-Key": token_hex(16)}

        def exchange() -> Any:
            self._connection.request(method, self._path + path, content, headers)
            return self._answer(self._connection.getresponse())

        return self._try(exchange)

    def _open_stream(
        self, connection: HTTPConnection, path: str, last_id: str
    ) -> HTTPResponse | None:
        """Open a stream beyond an event; None: it has come to its end."""
        headers = self._headers() | {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        connection.close()
        connection.request("GET", self._path + path, headers=headers)
        response = connection.getresponse()
        if response.status == 200:
            return response
        self._answer(response)
        return None

    def _try(self, exchange: Callable[[], Any]) -> Any:
        """Make an exchange, again and again where that is of use."""
        give_up_at_s = time.monotonic() + PATIENCE_S
        is_lost = False
        while True:
            try:
                return exchange()
            except _ComeAgain as error:
                is_lost = is_lost or error.is_lost
                problem, wait_s = error.problem, error.wait_s
            except (OSError, HTTPException) as error:
                self._connection.close()
                problem, wait_s = self._unanswered(error), _PAUSE_S
                if _is_final(error) and not is_lost:
                    raise problem from error
                is_lost = True
            except ApiError as error:
                if is_lost and error.status == 409:
                    error.message += (
                        " The answer to an earlier try was lost; that one may have done it."
                    )
                raise
            if time.monotonic() + wait_s > give_up_at_s:
                problem.message += f" It is not waited for longer than {PATIENCE_S:.0f} seconds."
                raise problem
            tell(f"{problem.message} Trying again, for {PATIENCE_S:.0f} seconds at most.")
            self._sleep(wait_s)

    def _new_connection(self, timeout_s: float) -> HTTPConnection:
        parts = urlsplit(self._access.url)
        make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return make(parts.netloc.rpartition("@")[2], timeout=timeout_s)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access.key}", "Accept": "application/json"}

    def _answer(self, response: HTTPResponse) -> Any:
        status, content = response.status, response.read()
        if status == 204:
            return None
        try:
            answer = json.loads(content)
            if status < 400:
                return answer
            error = answer["error"]
        except (ValueError, KeyError, TypeError):
            told = f"What answers at {self._access.url} is not Perdure's API (HTTP {status})."
            problem = ApiError(told, code="not_the_api", status=status)
            if status in _LOST:
                raise _ComeAgain(problem, _PAUSE_S, is_lost=True) from None
            raise problem from None
        problem = self._refusal(status, error)
        if status in _LATER or error["code"] == _IN_USE:
            asked = response.headers.get("Retry-After", "")
            wait_s = float(asked) if asked.isdecimal() else _PAUSE_S
            raise _ComeAgain(problem, wait_s, is_lost=status == 503)
        raise problem

    def _refusal(self, status: int, error: Mapping[str, Any]) -> ApiError:
        message = error["message"]
        if status == 401:
            message += f" The key is the one in {self._access.found}; {_NEW_KEY} makes another."
        elif error["code"] == "missing_scope":
            message += (
                f" The key is the one in {self._access.found}; use one that has it, or a role with"
                " it: docs/cli.md says which command needs which."
            )
        elif status == 500:
            message += f" It is {error['request_id']}."
        return ApiError(message, code=error["code"], param=error["param"], status=status)

    def _unanswered(self, error: Exception) -> ApiError:
        url, folder = self._access.url, self._access.folder
        if not _is_final(error):
            what = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            return ApiError(f"The API at {url} did not answer: {what}.", code="api_away")
        fix = f"See that it runs, and that {API_URL} is right."
        if folder is not None:
            fix = (
                f"`perdure up` is not running on {folder}: start it, or set {API_URL} to an API"
                " that runs."
            )
        return ApiError(f"The API at {url} cannot be reached: {error}. {fix}", code="api_away")


class _ComeAgain(Exception):
    """The same request may be answered later.

    Args:
        is_lost: It may have been carried out.
    """

    def __init__(self, problem: ApiError, wait_s: float, *, is_lost: bool) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.wait_s = wait_s
        self.is_lost = is_lost


def open_api() -> ApiClient:
    """Return the API that the settings, or the data folder, name.

    Raises:
        ConfigurationError: Address or key are missing.
    """
    return ApiClient(find_access(DataFolder(Path(os.environ.get(DATA_DIR, DATA_DIR_DEFAULT)))))


def part(value: object) -> str:
    """Return an id, or a name, as a part of a path."""
    return quote(str(value), safe="")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _query(values: Mapping[str, object]) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _is_final(error: Exception) -> bool:
    """Whether nobody is there, or not who should be: nothing was sent, and waiting is of no use."""
    return isinstance(error, ConnectionRefusedError | socket.gaierror) or (
        type(error).__name__ == "SSLCertVerificationError"
    )


def _events_of(response: HTTPResponse) -> Iterator[dict[str, str]]:
    """Yield a stream's events, as the HTML standard has them; comments keep it alive."""
    event: dict[str, str] = {}
    for raw in response:
        line = raw.decode().rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            event[name] = value.removeprefix(" ")
        elif "data" in event:
            yield event
            event = {}
        else:
            event = {}
