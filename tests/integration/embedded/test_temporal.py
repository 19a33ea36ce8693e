"""The dev server: its search attributes, its data after a kill."""

import os
import signal
import socket
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client, WorkflowExecutionStatus

from perdure.core.errors import ConfigurationError
from perdure.durable.search_attributes import of_operation
from perdure.embedded import temporal
from perdure.embedded.supervisor import Supervisor
from perdure.embedded.temporal import TemporalServer, run_temporal, wait_ready
from tests.polls import eventually


@pytest.fixture
def server(temporal_cli: Path, tmp_path: Path, own_port: int) -> TemporalServer:
    return TemporalServer(cli=temporal_cli, data_dir=tmp_path, port=own_port, ui_port=None)


async def _search_attributes(server: TemporalServer) -> set[str]:
    client = await Client.connect(server.address)
    found = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=server.namespace)
    )
    return set(found.custom_attributes)


async def test_a_workflow_outlives_a_kill_of_the_server(
    server: TemporalServer, tmp_path: Path
) -> None:
    reports: list[str] = []
    supervisor = Supervisor(
        tmp_path, [server.process()], report=reports.append, handle_signals=False
    )
    async with supervisor:
        client = await Client.connect(server.address)
        await client.start_workflow(
            "Unknown",
            id="kept",
            task_queue="nobody",
            search_attributes=of_operation("payment", "cus_1"),
        )
        killed = supervisor.pids["temporal"]
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: supervisor.pids.get("temporal", killed) != killed)
        await wait_ready(server.connect, server.address, timeout_s=30)
        client = await Client.connect(server.address)
        description = await client.get_workflow_handle("kept").describe()
        assert description.status == WorkflowExecutionStatus.RUNNING
        found = [w.id async for w in client.list_workflows("OperationKind = 'payment'")]
        assert found == ["kept"]
    pid = supervisor.pids.get("temporal")
    assert pid is None
    assert reports[0].startswith("temporal was killed (signal 9); restarted, pid ")


async def test_a_file_of_an_earlier_version_gets_the_newer_search_attributes(
    server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(temporal, "SEARCH_ATTRIBUTES", ("OperationKind",))
        async with run_temporal(server):
            assert await _search_attributes(server) == {"OperationKind"}
    async with run_temporal(server):
        assert await _search_attributes(server) >= set(temporal.SEARCH_ATTRIBUTES)


async def test_a_first_start_that_was_cut_off_is_begun_anew(server: TemporalServer) -> None:
    server.database_file.touch()
    server.database_file.with_name("temporal.db.begun").touch()
    async with run_temporal(server):
        assert await _search_attributes(server) >= set(temporal.SEARCH_ATTRIBUTES)
    assert not server.database_file.with_name("temporal.db.begun").exists()


async def test_a_taken_port_stops_the_start(temporal_cli: Path, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = TemporalServer(
            cli=temporal_cli, data_dir=tmp_path, port=listener.getsockname()[1], ui_port=None
        )
        with pytest.raises(ConfigurationError, match="PERDURE_TEMPORAL_PORT"):
            async with run_temporal(server):
                pass


async def test_a_server_that_does_not_answer_is_named(own_port: int) -> None:
    address = f"127.0.0.1:{own_port}"
    with pytest.raises(ConfigurationError, match=address):
        await wait_ready(lambda: Client.connect(address), address, timeout_s=0.1)
