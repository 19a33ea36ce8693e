"""The ports of `perdure up`: checked together, named together, moved together."""

import socket
from collections.abc import Iterator

import pytest

from perdure.cli.ports import OWN, HeldPorts, choose_ports
from perdure.cli.simulated import default_ports, simulated
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.core.ports import LOOPBACK, hold_port, require_free

DEFAULTS = OWN | default_ports(Settings())
ANY = dict.fromkeys(DEFAULTS, 0)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULTS:
        monkeypatch.delenv(f"PERDURE_{name.upper()}", raising=False)


@pytest.fixture
def taken() -> Iterator[int]:
    with hold_port(LOOPBACK, 0) as held, socket.create_server((LOOPBACK, held.number)):
        yield held.number


def held(**ports: int) -> HeldPorts:
    return HeldPorts(ANY | ports, api_host=LOOPBACK)


def simulated_ports(monkeypatch: pytest.MonkeyPatch, **given: str) -> set[str]:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return {one.port for each in simulated(Settings.load(), given) for one in each.listens}


def test_all_that_are_taken_are_named_at_once_with_their_settings(taken: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        also = other.getsockname()[1]
        with pytest.raises(ConfigurationError) as caught:
            held(temporal_port=taken, sms_port=also)
    lines = caught.value.message.splitlines()
    assert lines[1:3] == [
        f"  - {taken} of 127.0.0.1 (PERDURE_TEMPORAL_PORT): taken by another program",
        f"  - {also} of 127.0.0.1 (PERDURE_SMS_PORT): taken by another program",
    ]
    assert "--port-base" in lines[-1]


def test_one_given_to_two_parts_is_named() -> None:
    with hold_port(LOOPBACK, 0) as free:
        pass
    with pytest.raises(ConfigurationError, match=r"\(PERDURE_BANK_PORT\): given twice"):
        held(sms_port=free.number, bank_port=free.number)
    require_free(LOOPBACK, free.number)


def test_an_address_that_is_not_this_machines_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1 \(PERDURE_API_PORT\): not to be"):
        HeldPorts(ANY, api_host="192.0.2.1")


def test_what_runs_elsewhere_is_not_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    here = simulated_ports(
        monkeypatch,
        PERDURE_GATEWAY_URL="https://gateway.example",
        PERDURE_MAIL_HOST="mail.example",
    )
    assert set(default_ports(Settings())) - here == {
        "gateway_port",
        "mail_port",
        "mail_inquiry_port",
    }


def test_what_a_class_of_somebodys_own_serves_is_not_simulated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = simulated_ports(
        monkeypatch,
        PERDURE_GATEWAY="stripe",
        PERDURE_REGISTRIES='{".FR": "afnic", "com": "http"}',
        PERDURE_BANK="http",
        PERDURE_MAIL="smtp",
    )
    assert set(default_ports(Settings())) - here == {"gateway_port", "registry_fr_port"}


def test_a_simulator_is_told_where_to_listen_and_its_clients_where_it_does() -> None:
    ports = {name: 20_000 + place for place, name in enumerate(DEFAULTS)}
    found = {each.simulator.name: each for each in simulated(Settings(), {})}
    assert found["mail"].argv(ports)[1:] == ("--port", "20005", "--smtp-port", "20006")
    assert found["mail"].settings(ports) == {
        "PERDURE_MAIL_HOST": LOOPBACK,
        "PERDURE_MAIL_PORT": "20006",
        "PERDURE_MAIL_INQUIRY_URL": "http://127.0.0.1:20005",
    }
    assert [one.identity.kind for one in found["registries"].running(ports, "books")] == [
        "registry-info",
        "registry-fr",
        "registry-com",
    ]
    assert found["fraud-scorer"].running(ports, "books")[0].identity.books == ""


def test_a_base_moves_all_but_those_with_a_setting_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERDURE_SMS_PORT", "8104")
    monkeypatch.setenv("PERDURE_BANK_PORT", "")
    expected = {name: 20_000 + place for place, name in enumerate(DEFAULTS)}
    assert choose_ports(DEFAULTS, base=20_000) == expected | {"sms_port": 8104}
    assert list(DEFAULTS)[:5] == [*OWN, "gateway_port", "fraud_scorer_port"]


def test_without_a_base_they_are_where_they_always_were() -> None:
    ports = choose_ports(DEFAULTS)
    assert (ports["api_port"], ports["temporal_port"], ports["mail_port"]) == (8080, 7233, 8125)


@pytest.mark.parametrize("value", ["http", "65536", "-1"])
def test_what_is_no_port_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("PERDURE_MAIL_INQUIRY_PORT", value)
    with pytest.raises(ConfigurationError, match="PERDURE_MAIL_INQUIRY_PORT is not a port"):
        choose_ports(DEFAULTS)
