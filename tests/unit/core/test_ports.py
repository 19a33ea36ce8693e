"""A port that is held: nobody else is given it, and a server of ours can listen there."""

import errno
import socket
import struct
import sys
from pathlib import Path

import pytest

from perdure.core import ports
from perdure.core.ports import LOOPBACK, hold_port, require_free

IP_LOCAL_PORT_RANGE = 51
"""From Linux's `linux/in.h`, since 6.3."""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a port is let go of before a server listens there"
)


def given_only(port: int) -> socket.socket:
    """Return a socket to which the system can give no port but this one."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.setsockopt(
            socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("I", port << 16 | port)
        )
    except OSError as error:
        opened.close()
        pytest.skip(f"this kernel has one range for all: {error}")
    return opened


def test_the_system_gives_a_held_port_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    # One of those that it hands out, as there may be no others.
    monkeypatch.setattr(ports, "_outside_of_system_range", lambda: range(40_000, 50_000))
    with hold_port(LOOPBACK, 0) as held, socket.create_server((LOOPBACK, 0)) as server:
        with given_only(held.number) as client, pytest.raises(OSError, match="annot assign"):
            client.connect(server.getsockname())
        with given_only(held.number) as other, pytest.raises(OSError, match="in use"):
            other.bind((LOOPBACK, 0))
    with socket.create_server((LOOPBACK, 0)) as server, given_only(held.number) as client:
        client.connect(server.getsockname())
        assert client.getsockname()[1] == held.number


def test_a_server_of_ours_comes_and_goes_where_a_port_is_held() -> None:
    with hold_port(LOOPBACK, 0) as held:
        address = (LOOPBACK, held.number)
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            with socket.create_server(address) as server:
                with socket.create_connection(address):
                    server.accept()[0].close()
                with pytest.raises(OSError, match="in use"):
                    require_free(*address)
        require_free(*address)


def test_two_never_choose_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with hold_port(LOOPBACK, 0) as held:
        monkeypatch.setattr(ports, "_CHOICE", range(held.number, held.number + 1))
        with pytest.raises(OSError, match="no port of") as caught:
            hold_port(LOOPBACK, 0)
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10000\t31990\n", range(31_991, 32_000)), ("1024 65535", range(10_000, 32_000))],
)
def test_what_is_chosen_is_none_of_those_that_the_system_hands_out_if_there_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: range
) -> None:
    system_range = tmp_path / "ip_local_port_range"
    system_range.write_text(text)
    monkeypatch.setattr(ports, "_SYSTEM_RANGE", system_range)
    with hold_port(LOOPBACK, 0) as held:
        assert held.number in expected
