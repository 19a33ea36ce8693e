"""What the providers' HTTP client sends, and where."""

import pytest
from pydantic import TypeAdapter

from perdure.core.errors import ConfigurationError, InvalidInput, ProviderUnavailable
from perdure.providers.gateway import HttpPaymentGateway
from perdure.providers.http import ProviderHttp
from perdure.providers.http_client import open_http_client

from .raw_server import answer, answering, close, serve

NUMBER = TypeAdapter(int)
TIMEOUT_S = 10.0


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def head_of(request: bytes) -> tuple[str, dict[str, str]]:
    """Return a request's first line and its headers, their names in lower case."""
    first, *lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return first, {name.lower(): value for name, value in pairs}


async def read(base_url: str, path: str = "/things", **params: str) -> int:
    async with open_http_client(base_url, timeout_s=TIMEOUT_S) as client:
        return await ProviderHttp(client, "The provider").read(path, NUMBER, params=params)


async def test_an_act_is_json_with_its_key() -> None:
    async with (
        serve(answering(answer(status=201))) as server,
        open_http_client(server.url, timeout_s=TIMEOUT_S) as client,
    ):
        http = ProviderHttp(client, "The provider")
        body = {"name": "Zoë", "none": None}
        assert await http.act("/things", body, NUMBER, idempotency_key="key-1") == 7
    line, headers = head_of(server.requests[0])
    assert line == "POST /things HTTP/1.1"
    assert headers["idempotency-key"] == "key-1"
    assert headers["content-type"] == "application/json"
    assert server.requests[0].endswith('\r\n\r\n{"name":"Zoë","none":null}'.encode())


async def test_a_question_is_encoded() -> None:
    async with serve(answering(answer())) as server:
        assert await read(server.url, reference="a&b=c+d é/") == 7
    line, _ = head_of(server.requests[0])
    assert line == "GET /things?reference=a%26b%3Dc%2Bd+%C3%A9/ HTTP/1.1"


async def test_a_reference_in_the_path_stays_one_part_of_it() -> None:
    async with (
        serve(answering(answer(status=400))) as server,
        open_http_client(server.url, timeout_s=TIMEOUT_S) as client,
    ):
        with pytest.raises(InvalidInput):
            await HttpPaymentGateway(client).cancel_charge("a/../b?c#d e")
    line, _ = head_of(server.requests[0])
    assert line == "POST /v1/charges/a%2F..%2Fb%3Fc%23d%20e/cancel HTTP/1.1"


@pytest.mark.parametrize("base", ["/api", "/api/"])
async def test_paths_go_under_the_base_urls_own(base: str) -> None:
    async with serve(answering(answer())) as server:
        assert await read(server.url + base) == 7
    assert head_of(server.requests[0])[0] == "GET /api/things HTTP/1.1"


async def test_a_name_and_password_in_the_url_are_sent() -> None:
    async with serve(answering(answer())) as server:
        assert await read(server.url.replace("//", "//name:secret@")) == 7
    assert head_of(server.requests[0])[1]["authorization"] == "Basic bmFtZTpzZWNyZXQ="


async def test_connections_are_kept_and_cookies_are_not() -> None:
    async with (
        serve(answering(answer(headers={"Set-Cookie": "a=b"}))) as server,
        open_http_client(server.url, timeout_s=TIMEOUT_S) as client,
    ):
        http = ProviderHttp(client, "The provider")
        for _ in range(3):
            assert await http.read("/things", NUMBER) == 7
    assert (server.connections, len(server.requests)) == (1, 3)
    assert "cookie" not in head_of(server.requests[-1])[1]


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(answering(answer())) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//name:secret@"))
        assert await read("http://provider.invalid/api") == 7
    line, headers = head_of(proxy.requests[0])
    assert line == "GET http://provider.invalid/api/things HTTP/1.1"
    assert headers["host"] == "provider.invalid"
    assert headers["proxy-authorization"] == "Basic bmFtZTpzZWNyZXQ="


@pytest.mark.parametrize("exempt", ["provider.invalid", ".invalid", "*"])
async def test_a_proxy_is_not_used_where_the_environment_exempts(
    monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    async with serve(answering(answer())) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exempt)
        with pytest.raises(ProviderUnavailable):
            await read("http://provider.invalid")
    assert proxy.requests == []


async def test_no_proxy_is_asked_for_what_is_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serve(answering(answer())) as proxy, serve(answering(answer())) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert await read(server.url) == 7
    assert (len(server.requests), proxy.requests) == (1, [])


async def test_a_proxy_that_opens_no_tunnel_leaves_an_act_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serve(answering(answer(status=403), then=close)) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url.removeprefix("http://"))
        async with open_http_client("https://provider.invalid", timeout_s=TIMEOUT_S) as client:
            with pytest.raises(ProviderUnavailable):
                await ProviderHttp(client, "The provider").act("/things", {}, NUMBER)
    assert head_of(proxy.requests[0])[0] == "CONNECT provider.invalid:443 HTTP/1.1"


@pytest.mark.parametrize(
    "url", ["", "provider.example", "ftp://provider.example", "http://", "http://a:port"]
)
async def test_a_url_that_is_none_of_http_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(ConfigurationError):
        await read(url)


async def test_the_message_about_a_wrong_proxy_keeps_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://name:secret@proxy.example")
    with pytest.raises(ConfigurationError, match=r"^proxy\.example") as caught:
        await read("http://provider.invalid")
    assert "secret" not in str(caught.value)
