"""Perdure's API as commands call it: what is sent again, and what becomes of its errors.

On the standard library's client: importing another takes longer than the call. See
`docs/adr/0027-commands-are-clients-of-the-api.md`.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from secrets import token_hex
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from perdure.cli.api_access import NEW_KEY, Access, find_access
from perdure.cli.environment import API_URL, DATA_DIR, DATA_DIR_DEFAULT, DataFolder
from perdure.cli.output import tell
from perdure.core.errors import PerdureError

PATIENCE_S: Final = 30.0
"""How long a command goes on asking an API that cannot answer now, or does not."""
_ANSWERS_WITHIN_S: Final = 60.0
_STREAM_SILENT_MAX_S: Final = 40.0
"""An event stream is kept alive every 15 seconds."""
_PAUSE_S: Final = 1.0
_IDLE_S_MAX: Final = 4.0
"""What was idle for longer is not used again: servers close it after five seconds."""
_PAGE_MAX: Final = 100

_LATER: Final = frozenset({429, 503})
"""It asks to come again; 503 also where it does not know whether it did what it was asked."""
_LOST: Final = frozenset({502, 504})
"""What a proxy says that has no answer of it."""
_IN_USE: Final = "idempotency_key_in_use"


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


class ApiClient:
    """Asks the API, for as long as one command takes.

    A request whose answer is lost is sent again with the same Idempotency-Key, so that it adds
    nothing; one that the API cannot take now is sent again when it says so, and so is one to an API
    that answered before and is gone. All this ends after a time.

    Args:
        patience_s: Of one request: how long it is sent again.
    """

    def __init__(
        self,
        access: Access,
        *,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._access = access
        self._path = urlsplit(access.url).path
        self._patience_s = patience_s
        self._sleep = sleep
        self._connection = self._new_connection(_ANSWERS_WITHIN_S)
        self._answered_at_s: float | None = None
        self._is_closed = False

    def get(self, path: str, **query: object) -> Any:
        """Return what is at a path; arguments without a value are left out.

        Raises:
            ApiError: It is refused, or not answered.
        """
        return self._ask("GET", path + _query(query))

    def post(self, path: str, body: Mapping[str, object], *, with_key: bool = True) -> Any:
        """Have something done; returns the answer.

        Args:
            with_key: False: what is asked for is known by its own name, and done once by itself.

        Raises:
            ApiError: It is refused, or not answered.
        """
        return self._ask("POST", path, body, with_key=with_key)

    def put(self, path: str, body: Mapping[str, object]) -> Any:
        """Set something, whole; returns the answer.

        Raises:
            ApiError: It is refused, or not answered.
        """
        return self._ask("PUT", path, body)

    def read(self, path: str) -> bytes:
        """Return what is at a path that is no JSON, as it is.

        Raises:
            ApiError: It is refused, or not answered.
        """
        content: bytes = self._ask("GET", path, is_json=False)
        return content

    def delete(self, path: str) -> Any:
        """Have something be no more.

        Raises:
            ApiError: It is refused, or not answered.
        """
        return self._ask("DELETE", path)

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

    def close(self) -> None:
        """Ask no more; a request that another thread waits for ends now, and is not sent again."""
        self._is_closed = True
        if (open_one := self._connection.sock) is not None:
            with suppress(OSError):
                # Wakes a thread that waits for an answer; closing alone does not.
                open_one.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        with_key: bool = True,
        is_json: bool = True,
    ) -> Any:
        headers = self._headers()
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
            if with_key:
                headers["Idempotency-Key"] = token_hex(16)

        def exchange() -> Any:
            if time.monotonic() - (self._answered_at_s or 0) > _IDLE_S_MAX:
                self._connection.close()
            self._connection.request(method, self._path + path, content, headers)
            response = self._connection.getresponse()
            self._answered_at_s = time.monotonic()
            if not is_json and response.status == 200:
                return response.read()
            return self._answer(response)

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
        give_up_at_s = time.monotonic() + self._patience_s
        is_lost, told = False, ""
        while True:
            try:
                return exchange()
            except _ComeAgain as error:
                is_lost = is_lost or error.is_lost
                problem, wait_s = error.problem, error.wait_s
            except (OSError, HTTPException) as error:
                self._connection.close()
                problem, wait_s = self._unanswered(error), _PAUSE_S
                is_no_use = _is_final(error) and not is_lost and self._answered_at_s is None
                if is_no_use or self._is_closed:
                    raise problem from error
                is_lost = True
            except ApiError as error:
                if is_lost and error.status == 409:
                    error.message += (
                        " The answer to an earlier try was lost; that one may have done it."
                    )
                raise
            if time.monotonic() + wait_s > give_up_at_s:
                problem.message += (
                    f" It is not waited for longer than {self._patience_s:.0f} seconds."
                )
                raise problem
            if problem.message != told:
                told = problem.message
                tell(f"{told} Trying again, for {self._patience_s:.0f} seconds at most.")
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
            message += f" The key is the one in {self._access.found}; {NEW_KEY} makes another."
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


def open_api(*, patience_s: float = PATIENCE_S) -> ApiClient:
    """Return the API that the settings, or the data folder, name.

    Args:
        patience_s: As in `ApiClient`.

    Raises:
        ConfigurationError: Address or key are missing.
    """
    folder = DataFolder(Path(os.environ.get(DATA_DIR, DATA_DIR_DEFAULT)))
    return ApiClient(find_access(folder), patience_s=patience_s)


def part(value: object) -> str:
    """Return an id, or a name, as a part of a path."""
    return quote(str(value), safe="")


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
