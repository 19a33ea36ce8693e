"""The API's socket: handed on by who holds it, or opened."""

import os
import socket

import pytest

from perdure.api import listener
from perdure.api.listener import open_listener
from perdure.core.errors import ConfigurationError
from perdure.core.ports import LOOPBACK, hold_port


def test_a_socket_that_is_handed_on_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    with hold_port(LOOPBACK, 0, handed_on=True) as held:
        monkeypatch.setattr(listener, "_HANDED_ON", os.dup(held.socket.fileno()))
        with open_listener("nowhere.invalid", 1, environ=environ) as found:
            assert found.getsockname() == (LOOPBACK, held.number)
            assert not found.get_inheritable()
            assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("of_another", [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}])
def test_what_is_handed_on_to_another_process_is_not_taken(of_another: dict[str, str]) -> None:
    with (
        hold_port(LOOPBACK, 0) as held,
        open_listener(LOOPBACK, held.number, environ=of_another) as found,
    ):
        assert found.getsockname() == (LOOPBACK, held.number)
        with pytest.raises(ConfigurationError, match="PERDURE_API_PORT"):
            open_listener(LOOPBACK, held.number, environ=of_another)
