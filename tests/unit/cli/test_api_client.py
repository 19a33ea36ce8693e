"""How commands ask the API: on a server that answers as it is told."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from perdure.cli.api_access import Access, find_access
from perdure.cli.api_client import ApiClient, ApiError
from perdure.cli.environment import API_KEY, API_KEY_FILE, API_URL, DataFolder, write_environment
from perdure.core.errors import ConfigurationError

LOST = None


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Scripted:
    """An API that gives one answer after the other; `LOST` closes the connection."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], bytes] | None] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    slept_s: list[float] = field(default_factory=list)

    def client(self) -> ApiClient:
        access = Access(self.url, "perdure_x", API_KEY, None)
        return ApiClient(access, sleep=self.slept_s.append)

    def will(self, *answers: tuple[int, dict[str, str], bytes] | None) -> None:
        self.answers += answers

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        body = json.loads(handler.rfile.read(length)) if length else None
        self.asked.append(Asked(handler.command, handler.path, dict(handler.headers), body))
        answer = self.answers.pop(0)
        handler.close_connection = True
        if answer is None:
            return
        status, headers, content = answer
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)


def ok(view: object, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps(view).encode()


def error(status: int, code: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    told = {"code": code, "message": "No.", "param": None, "request_id": "req_1"}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, given, json.dumps({"error": told}).encode()


def html(status: int) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "text/html"}, b"<h1>Hello</h1>"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.setattr(sys, "argv", ["perdure"])
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            script.take(self)

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - as the server calls them

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield script
        server.shutdown()
        thread.join()


def refused(call: Callable[[], object]) -> ApiError:
    with pytest.raises(ApiError) as raised:
        call()
    return raised.value


@pytest.mark.parametrize(
    ("first", "slept_s"),
    [
        (LOST, 1.0),
        (html(502), 1.0),
        (error(503, "database_unavailable", Retry_After="2"), 2.0),
        (error(429, "too_many_requests", Retry_After="7"), 7.0),
        (error(409, "idempotency_key_in_use"), 1.0),
    ],
    ids=["lost", "proxy", "away", "too many", "in use"],
)
def test_a_request_is_sent_again_as_the_same_one(
    api: Scripted, first: tuple[int, dict[str, str], bytes] | None, slept_s: float
) -> None:
    api.will(first, ok({"id": "pay_1"}, 201))
    assert api.client().post("/v1/payments", {"amount_minor": 1}) == {"id": "pay_1"}
    one, again = api.asked
    assert (one.path, one.body) == (again.path, again.body) == ("/v1/payments", {"amount_minor": 1})
    assert one.headers["Idempotency-Key"] == again.headers["Idempotency-Key"] != ""
    assert one.headers["Authorization"] == "Bearer perdure_x"
    assert api.slept_s == [slept_s]


def test_waiting_has_a_bound_which_is_told(
    api: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    api.will(
        error(503, "database_unavailable", Retry_After="2"),
        error(429, "too_many_requests", Retry_After="60"),
    )
    told = refused(lambda: api.client().get("/v1/payments"))
    assert told.code == "too_many_requests"
    assert "not waited for longer than 30 seconds" in told.message
    assert "Trying again, for 30 seconds at most." in " ".join(capsys.readouterr().err.split())


def test_who_wants_json_is_told_the_end_alone(
    api: Scripted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["perdure", "-o", "json"])
    api.will(error(503, "database_unavailable"), ok({}))
    api.client().get("/v1/payments")
    assert capsys.readouterr().err == ""


def test_a_no_that_follows_a_lost_answer_says_that_it_may_be_done(api: Scripted) -> None:
    api.will(error(409, "already_parked"), LOST, error(409, "already_parked"))
    park = ("/v1/operations/pay_1/park", {"reason": "x"})
    assert refused(lambda: api.client().post(*park)).message == "No."
    assert "that one may have done it" in refused(lambda: api.client().post(*park)).message


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (error(401, "invalid_api_key"), "invalid_api_key", "The key is the one in PERDURE_API_KEY"),
        (error(403, "missing_scope"), "missing_scope", "a role with it"),
        (error(404, "payment_not_found"), "payment_not_found", "No."),
        (error(500, "internal_error"), "internal_error", "req_1"),
        (html(404), "not_the_api", "is not Perdure's API (HTTP 404)"),
        (html(200), "not_the_api", "is not Perdure's API"),
    ],
)
def test_a_refusal_keeps_its_code_and_names_the_fix(
    api: Scripted, answer: tuple[int, dict[str, str], bytes], code: str, said: str
) -> None:
    api.will(answer)
    told = refused(lambda: api.client().get("/v1/payments/pay_1"))
    assert (told.code, len(api.asked), api.slept_s) == (code, 1, [])
    assert said in told.message


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        (Path("data"), "`perdure up` is not running on data"),
        (None, "that PERDURE_API_URL is right"),
    ],
)
def test_an_api_that_is_not_there_is_told_at_once(
    own_port: int, folder: Path | None, said: str
) -> None:
    access = Access(f"http://127.0.0.1:{own_port}", "x", API_KEY, folder)
    told = refused(lambda: ApiClient(access).get("/v1/payments"))
    assert (told.code, said in told.message) == ("api_away", True)


def test_an_api_that_answered_and_is_gone_is_waited_for(api: Scripted, own_port: int) -> None:
    api.will(ok({}), ok({"n": 2}))
    client = api.client()
    client.get("/v1/x")
    gone = client._connection = ApiClient(
        Access(f"http://127.0.0.1:{own_port}", "x", API_KEY, None)
    )._connection
    sleep = client._sleep

    def comes_back(pause_s: float) -> None:
        sleep(pause_s)
        gone.port = int(api.url.rpartition(":")[2])

    client._sleep = comes_back
    assert (client.get("/v1/x"), api.slept_s) == ({"n": 2}, [1.0])


def test_a_client_that_was_closed_sends_nothing_again(api: Scripted) -> None:
    client = api.client()
    api.will(LOST)
    client.close()
    assert refused(lambda: client.get("/v1/x")).code == "api_away"
    assert len(api.asked) == 1


def test_what_is_known_by_its_own_name_needs_no_key(api: Scripted) -> None:
    api.will(ok({}))
    api.client().post("/v1/payments/batch", {"items": []}, with_key=False)
    assert "Idempotency-Key" not in api.asked[0].headers


def test_a_long_list_is_had_page_by_page(api: Scripted) -> None:
    def page(numbers: range, *, has_more: bool) -> tuple[int, dict[str, str], bytes]:
        data = [{"number": number} for number in numbers]
        return ok({"data": data, "has_more": has_more})

    api.will(page(range(1, 101), has_more=True), page(range(101, 121), has_more=True))
    found, has_more = api.client().list("/v1/x", limit=120, cursor="number", state=None)
    assert ([one["number"] for one in found], has_more) == (list(range(1, 121)), True)
    assert [asked.path for asked in api.asked] == [
        "/v1/x?limit=100",
        "/v1/x?limit=20&starting_after=100",
    ]


def test_a_stream_that_breaks_off_goes_on_behind_what_it_told(api: Scripted) -> None:
    def event(number: int) -> bytes:
        return f"id: {number}\r\nevent: x\r\ndata: {json.dumps({'n': number})}\r\n\r\n".encode()

    # The length that was promised is not sent: the connection was cut.
    cut = (200, {"Content-Length": "1000"}, b": ping\r\n\r\n" + event(1) + b"id: 2\r\n")
    ended = (200, {"Content-Length": str(len(event(2)))}, event(2))
    api.will(cut, LOST, ended, (204, {}, b""))
    assert [one["n"] for one in api.client().events("/v1/x/events")] == [1, 2]
    assert [asked.headers.get("Last-Event-ID") for asked in api.asked] == [None, "1", "1", "2"]


def test_the_folder_s_key_is_for_its_own_api_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path)
    for name in (API_URL, API_KEY, API_KEY_FILE):
        monkeypatch.delenv(name, raising=False)
    for is_there in (False, True):
        with pytest.raises(ConfigurationError, match="when it runs" if is_there else API_URL):
            find_access(folder)
        write_environment(folder.environment_path, {API_URL: "http://127.0.0.1:1"})
    folder.api_key_path.write_text("perdure_own\n")
    own = find_access(folder)
    assert (own.url, own.key, own.folder) == ("http://127.0.0.1:1", "perdure_own", tmp_path)
    monkeypatch.setenv(API_URL, "https://perdure.example/")
    with pytest.raises(ConfigurationError, match="No API key"):
        find_access(folder)
    (tmp_path / "key").write_text("perdure_theirs\n")
    monkeypatch.setenv(API_KEY_FILE, str(tmp_path / "key"))
    theirs = find_access(folder)
    assert (theirs.url, theirs.key, theirs.folder) == (
        "https://perdure.example",
        "perdure_theirs",
        None,
    )


@pytest.mark.parametrize(
    ("name", "value"), [(API_URL, "perdure.example"), (API_URL, "http://x:y"), (API_KEY, "a\nb")]
)
def test_an_address_or_a_key_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    settings = {API_URL: "http://127.0.0.1:1", API_KEY: "x", name: value}
    for setting, given in settings.items():
        monkeypatch.setenv(setting, given)
    with pytest.raises(ConfigurationError, match=name):
        find_access(DataFolder(tmp_path))


def test_an_operator_s_command_imports_nothing_that_it_does_not_need() -> None:
    looks = (
        "import sys; sys.argv = ['perdure', 'payments', 'get', 'pay_1']\n"
        "import perdure.cli.main as main\n"
        "try: main._run()\n"
        "except SystemExit: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", looks], capture_output=True, text=True, check=True, env={}
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "perdure" in loaded
    assert loaded.isdisjoint(
        {
            *("aiohttp", "alembic", "asyncpg", "fastapi", "httpx", "pydantic", "sqlalchemy"),
            *("structlog", "temporalio", "uvicorn"),
        }
    )
