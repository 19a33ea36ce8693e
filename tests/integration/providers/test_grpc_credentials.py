"""gRPC credentials as they arrive: over TLS that checks both ends, and none of them told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from grpc import StatusCode, aio
from pydantic import SecretStr

from perdure.core.errors import CREDENTIALS_REFUSED, ConfigurationError, ProviderUnavailable
from perdure.providers.credentials import GrpcSettings
from perdure.providers.host import ProviderHost
from perdure.simulators.grpc_server import serve_grpc
from perdure.testing.provider_contract import error_of
from perdure.trades.services.proto import wallets_pb2 as pb
from perdure.trades.services.wallets_grpc import GrpcWalletService

KEY = "hunter2"


class _Bank(grpc.GenericRpcHandler):
    """Answers whoever has the key."""

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method
        told = dict(handler_call_details.invocation_metadata)

        async def handle(_: bytes, context: aio.ServicerContext[Any, Any]) -> bytes:
            if told.get("authorization") != f"Bearer {KEY}":
                said = f"{told.get('authorization')} is not our key"
                await context.abort(StatusCode.UNAUTHENTICATED, said)
            return pb.GetTransferResponse().SerializeToString()

        is_ours = method.startswith("/perdure.wallets")
        return grpc.unary_unary_rpc_method_handler(handle) if is_ours else None


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Path]]:
    """A bank that knows us by our certificate and our key, and the folder with the former."""
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("certificates")
    theirs, ours = authority.issue_cert("localhost"), authority.issue_cert("perdure.example")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    ours.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    ours.private_key_pem.write_to_path(str(folder / "key.pem"))
    credentials = grpc.ssl_server_credentials(
        [(theirs.private_key_pem.bytes(), theirs.cert_chain_pems[0].bytes())],
        root_certificates=authority.cert_pem.bytes(),
        require_client_auth=True,
    )

    def add(server: aio.Server) -> None:
        server.add_generic_rpc_handlers((_Bank(),))

    async with serve_grpc(add, [], host="localhost", port=0, credentials=credentials) as port:
        yield f"grpcs://localhost:{port}", folder


def told(server: tuple[str, Path], *, key: str = KEY, **more: Any) -> GrpcSettings:
    url, folder = server
    return GrpcSettings(url=url, api_key=SecretStr(key), ca=folder / "ca.pem", **more)


async def asked(settings: GrpcSettings) -> object:
    async with ProviderHost(timeout_s=5) as host:
        return await GrpcWalletService.from_settings(settings, host).find_transfer("nobody's")


def certificates(server: tuple[str, Path]) -> dict[str, Any]:
    folder = server[1]
    return {"client_certificate": folder / "certificate.pem", "client_key": folder / "key.pem"}


async def test_both_ends_are_checked_and_the_key_arrives(server: tuple[str, Path]) -> None:
    assert await asked(told(server, **certificates(server))) is None
    async with ProviderHost(timeout_s=5) as host:
        settings = told(server, **certificates(server))
        await GrpcWalletService.from_settings(settings, host).check()


async def test_who_is_not_known_did_nothing_and_tells_no_secret(
    server: tuple[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    stranger = told(server)  # without a certificate
    wrong_key = told(server, key="hunter3", **certificates(server))
    untrusted = GrpcSettings(url=server[0], **certificates(server))  # signed by nobody we know
    errors = await asyncio.gather(
        *(error_of(asked(one)) for one in (stranger, wrong_key, untrusted))
    )
    assert [type(error) for error in errors] == [ProviderUnavailable] * 3
    assert errors[1].code == CREDENTIALS_REFUSED
    for text in (*(str(error) for error in errors), caplog.text, repr(wrong_key)):
        assert "hunter" not in text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://localhost:1", "no URL of gRPC"),
        ("grpc://localhost", "no URL of gRPC"),
        ("grpc://user:hunter2@localhost:1", "no URL of gRPC"),
    ],
)
async def test_a_url_that_is_none_ends_the_start(url: str, message: str) -> None:
    async with ProviderHost(timeout_s=1) as host:
        with pytest.raises(ConfigurationError, match=message) as caught:
            host.grpc(GrpcSettings(url=url))
        assert "hunter2" not in str(caught.value)


async def test_a_certificate_that_is_none_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    async with ProviderHost(timeout_s=1) as host:
        with pytest.raises(ConfigurationError, match=r"ca\.pem cannot be used"):
            host.grpc(GrpcSettings(url="grpcs://localhost:1", ca=tmp_path / "ca.pem"))
