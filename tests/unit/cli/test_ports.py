"""The ports of `perdure up`: checked together, named together, moved together."""

import socket
from collections.abc import Iterator

import pytest

from perdure.cli.ports import HeldPorts, Ports
from perdure.core.errors import ConfigurationError
from perdure.core.ports import LOOPBACK, hold_port, require_free

ANY = dict.fromkeys(Ports.model_fields, 0)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Ports.model_fields:
        monkeypatch.delenv(f"PERDURE_{name.upper()}", raising=False)


@pytest.fixture
def taken() -> Iterator[int]:
    with hold_port(LOOPBACK, 0) as held, socket.create_server((LOOPBACK, held.number)):
        yield held.number


def held(ports: Ports, **given: str) -> HeldPorts:
    return HeldPorts(ports, api_host=LOOPBACK, given=given)


def test_all_that_are_taken_are_named_at_once_with_their_settings(taken: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        also = other.getsockname()[1]
        with pytest.raises(ConfigurationError) as caught:
            held(Ports.model_validate(ANY | {"temporal_port": taken, "sms_port": also}))
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
        held(Ports.model_validate(ANY | {"sms_port": free.number, "bank_port": free.number}))
    require_free(LOOPBACK, free.number)


def test_an_address_that_is_not_this_machines_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1 \(PERDURE_API_PORT\): not to be"):
        HeldPorts(Ports.model_validate(ANY), api_host="192.0.2.1", given={})


def test_nothing_is_held_for_what_runs_elsewhere(taken: int) -> None:
    ports = Ports.model_validate(ANY | {"gateway_port": taken, "mail_port": taken})
    given = {"PERDURE_GATEWAY_URL": "https://gateway.example", "PERDURE_MAIL_HOST": "mail.example"}
    with held(ports, **given) as found:
        assert found["bank_port"]
        with pytest.raises(KeyError):
            found["gateway_port"]


def test_nothing_is_held_for_what_a_class_of_somebodys_own_serves(taken: int) -> None:
    ports = Ports.model_validate(ANY | {"gateway_port": taken, "registry_fr_port": taken})
    given = {"PERDURE_GATEWAY": "stripe", "PERDURE_REGISTRIES": '{".FR": "afnic", "com": "http"}'}
    with held(ports, PERDURE_BANK="http", PERDURE_MAIL="smtp", **given) as found:
        here = [name for name in Ports.model_fields if name in found]
    assert "gateway_port" not in here
    assert "registry_fr_port" not in here
    assert {"bank_port", "mail_port", "registry_com_port", "temporal_port"} <= set(here)


def test_nothing_is_held_for_simulators_that_nobody_wants() -> None:
    ports = Ports.model_validate(ANY)
    with HeldPorts(ports, api_host=LOOPBACK, given={}, simulators=False) as found:
        here = {name for name in Ports.model_fields if name in found}
    assert here == {"api_port", "temporal_port", "temporal_ui_port"}


def test_a_base_moves_all_but_those_with_a_setting_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERDURE_SMS_PORT", "8104")
    monkeypatch.setenv("PERDURE_BANK_PORT", "")
    ports = Ports.load(base=20_000)
    expected = {name: 20_000 + place for place, name in enumerate(Ports.model_fields)}
    assert ports.model_dump() == expected | {"sms_port": 8104}


def test_without_a_base_they_are_where_they_always_were() -> None:
    assert (Ports.load().api_port, Ports.load().temporal_port) == (8080, 7233)


@pytest.mark.parametrize("value", ["http", "65536", "-1"])
def test_what_is_no_port_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("PERDURE_MAIL_INQUIRY_PORT", value)
    with pytest.raises(ConfigurationError, match="PERDURE_MAIL_INQUIRY_PORT is not a port"):
        Ports.load()
