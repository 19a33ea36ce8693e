"""The dev server's command line, its port check, and when a server is ready."""

import socket
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.core.errors import ConfigurationError
from perdure.durable.search_attributes import NAMES
from perdure.embedded.temporal import (
    DYNAMIC_CONFIG,
    SEARCH_ATTRIBUTES,
    TemporalServer,
    is_ready,
    require_free_port,
)


def _values(arguments: list[str], option: str) -> list[str]:
    return [value for name, value in pairwise(arguments) if name == option]


def _server(tmp_path: Path, *, ui_port: int | None = 8001) -> TemporalServer:
    return TemporalServer(
        cli=Path("/bin/temporal"), data_dir=tmp_path, port=7001, ui_port=ui_port, namespace="shop"
    )


def test_the_command_line_says_where_everything_is(tmp_path: Path) -> None:
    arguments = _server(tmp_path).arguments()
    assert arguments[:3] == ["/bin/temporal", "server", "start-dev"]
    assert _values(arguments, "--ip") == ["127.0.0.1"]
    assert _values(arguments, "--port") == ["7001"]
    assert _values(arguments, "--ui-port") == ["8001"]
    assert _values(arguments, "--namespace") == ["shop"]
    assert _values(arguments, "--db-filename") == [str(tmp_path.resolve() / "temporal.db")]
    assert "--headless" not in arguments


def test_the_command_line_has_the_measured_settings(tmp_path: Path) -> None:
    arguments = _server(tmp_path).arguments()
    assert _values(arguments, "--sqlite-pragma") == ["journal_mode=wal", "synchronous=normal"]
    given = dict(v.split("=", 1) for v in _values(arguments, "--dynamic-config-value"))
    assert given == DYNAMIC_CONFIG
    assert given["history.transferProcessorMaxPollRPS"] == "5000"


def test_the_command_line_registers_the_search_attributes_that_operations_use(
    tmp_path: Path,
) -> None:
    given = _values(_server(tmp_path).arguments(), "--search-attribute")
    assert given == [f"{name}=Keyword" for name in SEARCH_ATTRIBUTES]
    assert set(SEARCH_ATTRIBUTES) == set(NAMES)


def test_without_a_ui_port_there_is_no_web_ui(tmp_path: Path) -> None:
    server = _server(tmp_path, ui_port=None)
    assert "--headless" in server.arguments()
    assert "--ui-port" not in server.arguments()
    assert server.ui_url is None


def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ConfigurationError, match="PERDURE_TEMPORAL_PORT") as caught:
            require_free_port("127.0.0.1", port, setting="PERDURE_TEMPORAL_PORT")
    assert str(port) in caught.value.message
    assert caught.value.param == "PERDURE_TEMPORAL_PORT"
    require_free_port("127.0.0.1", port, setting="PERDURE_TEMPORAL_PORT")


class _Refusing:
    """A client of a server that lets nobody but its administrator see search attributes."""

    def __init__(self, status: RPCStatusCode) -> None:
        self._status = status
        self.namespace = "default"
        self.operator_service = self

    async def list_search_attributes(self, request: object) -> object:
        raise RPCError("not for you", self._status, b"")


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (RPCStatusCode.PERMISSION_DENIED, True),
        (RPCStatusCode.UNIMPLEMENTED, True),
        (RPCStatusCode.UNAVAILABLE, False),
        (RPCStatusCode.UNAUTHENTICATED, False),
    ],
)
async def test_a_server_whose_search_attributes_are_its_administrators_is_ready(
    status: RPCStatusCode, ready: bool
) -> None:
    async def connect() -> Client:
        return cast("Client", _Refusing(status))

    assert await is_ready(connect) is ready


async def test_a_server_that_cannot_be_reached_is_not_ready() -> None:
    async def connect() -> Client:
        raise ConfigurationError("Temporal cannot be reached.", param="TEMPORAL_ADDRESS")

    assert await is_ready(connect) is False
