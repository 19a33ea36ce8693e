"""What `perdure up` gives its children and other commands to go by."""

import socket
from pathlib import Path

import pytest

from perdure.cli.environment import DataFolder
from perdure.cli.machine import _Plan, run_machine
from perdure.cli.ports import OWN, HeldPorts, setting_of
from perdure.cli.simulated import default_ports
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.core.ports import LOOPBACK
from perdure.embedded.locks import FileLock
from perdure.embedded.temporal import TemporalServer

OF_ONES_OWN = {
    "DATABASE_URL": "postgresql://db.example/payments",
    "PGSSLMODE": "verify-full",
    "TEMPORAL_ADDRESS": "temporal.example:7233",
    "TEMPORAL_NAMESPACE": "prod",
    "TEMPORAL_API_KEY": "secret",
    "PERDURE_LANES": "2",
    "SHELL": "/bin/sh",
}


def plan(folder: Path, given: dict[str, str], ports: HeldPorts) -> _Plan:
    return _Plan(DataFolder(folder), ports, given, print)


PORTS = dict.fromkeys(OWN | default_ports(Settings()), 0)


def test_servers_of_ones_own_are_kept_with_all_that_says_how_they_are_reached(
    tmp_path: Path,
) -> None:
    with HeldPorts(PORTS, api_host=LOOPBACK) as held:
        lasting = plan(tmp_path, OF_ONES_OWN, held).lasting_environment()
    assert lasting == {name: value for name, value in OF_ONES_OWN.items() if name != "SHELL"}


def test_of_its_own_servers_nothing_is_kept_but_what_it_says_itself(
    tmp_path: Path,
) -> None:
    server = TemporalServer(cli=Path("temporal"), data_dir=tmp_path, port=7001)
    database_url = "postgresql://postgres@/perdure?host=/run"
    given = OF_ONES_OWN | {"DATABASE_URL": "", "TEMPORAL_ADDRESS": ""}
    with HeldPorts(PORTS, api_host=LOOPBACK) as held:
        made = plan(tmp_path, given, held)
        made.environment |= {"DATABASE_URL": database_url} | server.environment
        lasting = made.lasting_environment()
    assert lasting == {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": "127.0.0.1:7001",
        "TEMPORAL_NAMESPACE": "default",
        "TEMPORAL_CONFIG_FILE": "/dev/null",
        "PERDURE_LANES": "2",
    }


async def test_one_that_runs_on_the_folder_is_told_and_not_the_ports_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((LOOPBACK, 0)) as running, FileLock(tmp_path / "supervisor.lock"):
        for name in PORTS:
            monkeypatch.setenv(setting_of(name), "0")
        monkeypatch.setenv("PERDURE_API_PORT", str(running.getsockname()[1]))
        with pytest.raises(ConfigurationError, match="Perdure already runs on"):
            async with run_machine(DataFolder(tmp_path), workers=1, report=print):
                pass


def test_the_system_before_this_one_is_held_by_the_same_supervisor(tmp_path: Path) -> None:
    with HeldPorts(PORTS, api_host=LOOPBACK) as held:
        made = plan(tmp_path, {}, held)
        names = [spec.name for spec in made.legacy()]
    # What its workers stand on is started first, and ended last.
    assert names[0] == "redis"
    assert {"legacy-trades-worker", "legacy-trades-beat", "legacy-renewals-worker"} == {*names[1:]}
    assert made.environment["PERDURE_LEGACY_BROKER_URL"].startswith("redis+socket://")


def test_a_redis_of_ones_own_is_used_and_without_any_the_setting_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with HeldPorts(PORTS, api_host=LOOPBACK) as held:
        url = "redis://redis.example:6379/0"
        own = plan(tmp_path, {"PERDURE_LEGACY_BROKER_URL": url}, held)
        assert "redis" not in {spec.name for spec in own.legacy()}
        with pytest.raises(ConfigurationError, match="apt install redis-server") as caught:
            plan(tmp_path, {}, held).legacy()
    assert caught.value.param == "PERDURE_LEGACY_BROKER_URL"
