"""A debit at one account service and a credit at another: both, or neither (E-5)."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from perdure.capability.contracts import End
from perdure.capability.provider_effect import ProviderEffect
from perdure.core.errors import ProviderError, ProviderNotCalled
from perdure.core.ids import new_id
from perdure.core.script import Bodies, CallStep
from perdure.durable.interceptors.cancellation import Cancellation
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.interceptors.provider_tries import ProviderTries
from perdure.durable.interceptors.task_queues import TaskQueues
from perdure.durable.operation_activities import OperationActivities
from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.registration import registrations_of
from perdure.durable.sandbox import sandboxed_runner
from perdure.operations import store
from perdure.operations.cancellation import request_cancel
from perdure.operations.first_tries import FirstTries
from perdure.operations.model import Failure, NewOperation, Status
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.operations.waiting import Patience, ProviderWaits, StepAtProvider, Tries
from perdure.providers.credentials import GrpcSettings
from perdure.providers.host import ProviderHost
from perdure.storage.pool import Pool, transaction
from perdure.trades.contracts import Moved
from perdure.trades.services.simulators.serving import ServiceSettings
from perdure.trades.services.simulators.wallets import open_wallets
from perdure.trades.services.wallets import TRANSFER_STATUSES, WalletService
from perdure.trades.services.wallets_grpc import GrpcWalletService
from tests.polls import eventually

from .two_services import (
    CLOSE,
    CREDIT,
    DEBIT,
    DESTINATION,
    RETURN_DEBIT,
    SETTLE,
    SOURCE,
    TAKE_BACK_CREDIT,
    CloseMove,
    MoveInput,
    MoveReversalWorkflow,
    MoveWorkflow,
    run_move,
)
from .worker import own_queues

AMOUNT_MINOR = 700
TRANSIT = "transit"
"""The house's wallet at each service: what leaves the one side is owed by the other."""

IN_REVERSE = [TAKE_BACK_CREDIT.row_name, RETURN_DEBIT.row_name]


class TwoTries(ProviderWaits):
    """Has a call be given up at its second try, as others are answered."""

    async def weigh(self, at: StepAtProvider, error: ProviderError, before: Tries) -> None:
        error.is_last = before.count >= 1 and not isinstance(error, ProviderNotCalled)


@dataclass
class Services:
    """Both services, and operations that move money from the one to the other."""

    pool: Pool
    client: Client
    queue: str
    source: WalletService
    destination: WalletService

    async def move(self, payer: str, payee: str) -> WorkflowHandle[Any, End]:
        """Begin one; a name says how its service treats it."""
        operation_id = new_id("mov")
        async with transaction(self.pool) as connection:
            new = NewOperation(operation_id, "move", "cus_1", {"request": {}})
            await store.accept(connection, new, actor="test")
        await store.mark_started(self.pool, [operation_id])
        handle: WorkflowHandle[Any, End] = await self.client.start_workflow(
            "Move",
            MoveInput(operation_id, payer, payee, AMOUNT_MINOR),
            id=operation_id,
            task_queue=self.queue,
            execution_timeout=timedelta(seconds=120),
            result_type=End,
        )
        return handle

    async def standing(self, operation_id: str) -> tuple[str | None, str | None]:
        """Return what each service has of it."""
        found = [await one.find_transfer(operation_id) for one in (self.source, self.destination)]
        debit, credit = (one.status if one else None for one in found)
        return debit, credit

    async def undone(self, operation_id: str) -> list[str]:
        """Return what was undone, in its order."""
        attempts = await store_attempts(self.pool, operation_id)
        return [step for step in attempts if step in IN_REVERSE]

    async def moved(self) -> dict[str, int]:
        """Return what each wallet has more or less than it began with, if anything."""
        found = {}
        for name, service in ((SOURCE, self.source), (DESTINATION, self.destination)):
            async for wallet in service.wallets():
                found[f"{name}:{wallet.account}"] = wallet.balance_minor - OPENING_MINOR
        return {name: change for name, change in found.items() if change and "house" not in name}


OPENING_MINOR = 1_000_000


async def store_attempts(pool: Pool, operation_id: str) -> list[str]:
    rows = await pool.fetch(
        "SELECT step FROM operation_steps WHERE operation_id = $1 AND outcome = 'succeeded'"
        " ORDER BY id",
        operation_id,
    )
    return [row["step"] for row in rows]


def money_at(
    service: WalletService, provider: str, step: CallStep[Any, Any], undo: CallStep[Any, Any]
) -> ProviderEffect[Any, Any, Any]:
    def says(move: MoveInput) -> dict[str, Any]:
        payer, payee = (move.payer, TRANSIT) if provider == SOURCE else (TRANSIT, move.payee)
        money = {"amount_minor": move.amount_minor, "fee_minor": 0, "currency": "USD"}
        return {"payer": payer, "payee": payee, **money}

    return ProviderEffect(
        provider=provider,
        step=step,
        undo=undo,
        ask=lambda move: service.transfer(reference=move.operation_id, **says(move)),
        find=service.find_transfer,
        take_back=service.reverse,
        statuses=TRANSFER_STATUSES,
        outcome=lambda transfer: Moved(transfer.id, transfer.status),
        says=says,
    )


def bodies(pool: Pool, source: WalletService, destination: WalletService) -> Bodies:
    steps, calls = TransactionalSteps(pool), ProviderCalls(pool)
    effects = (
        money_at(source, SOURCE, DEBIT, RETURN_DEBIT),
        money_at(destination, DESTINATION, CREDIT, TAKE_BACK_CREDIT),
    )
    made = [
        one.bodies(calls, steps, first_tries=FirstTries(at_once_max=0), timeout_s=5)
        for one in effects
    ]

    async def settled(step: StepTransaction) -> End:
        step.move(Status.SUCCEEDED, action="settled")
        return End("succeeded")

    async def closed(given: CloseMove, step: StepTransaction) -> End:
        failure = given.failure
        status = Status.CANCELLED if failure.cancelled else Status.FAILED
        step.move(status, action="closed", failure=Failure(failure.code, failure.message))
        return End(status.value, failure)

    async def settle(given: MoveInput) -> End:
        return await steps.run(given.operation_id, "settle", given, settled, returns=End)

    async def close(given: CloseMove) -> End:
        body = partial(closed, given)
        return await steps.run(
            given.move.operation_id, "close", given, body, returns=End, undoes=True
        )

    return {**made[0], **made[1], SETTLE: settle, CLOSE: close}


@pytest.fixture(scope="module")
async def services(
    temporal_client: Client, pool: Pool, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Services]:
    names = own_queues((OPERATIONS, provider_queue(SOURCE), provider_queue(DESTINATION)))
    patience = {
        step.row_name: Patience(60, f"{provider}_unavailable")
        for step, provider in ((DEBIT, SOURCE), (CREDIT, DESTINATION))
    }
    async with AsyncExitStack() as stack:

        async def service(name: str) -> WalletService:
            settings = ServiceSettings(
                Path(tmp_path_factory.mktemp(name)), opening=OPENING_MINOR, slow_s=1.0
            )
            ports = await stack.enter_async_context(open_wallets(settings))
            host = await stack.enter_async_context(ProviderHost(timeout_s=5))
            url = f"grpc://127.0.0.1:{ports.grpc}"
            return GrpcWalletService.from_settings(GrpcSettings(url=url), host)

        source, destination = await service(SOURCE), await service(DESTINATION)
        own = OperationActivities(pool)
        for part in registrations_of(
            run_move,
            [MoveWorkflow, MoveReversalWorkflow],
            bodies(pool, source, destination),
            providers=[SOURCE, DESTINATION],
        ):
            of_all: list[Callable[..., Any]] = []
            if part.queue == OPERATIONS:
                of_all = [own.request_cancel, own.park, own.begin_reversal]
            worker = Worker(
                temporal_client,
                task_queue=names[part.queue],
                workflows=part.workflows,
                activities=[*part.activities, *of_all],
                interceptors=[
                    OperationSync(pool),
                    Cancellation(),
                    TaskQueues(names),
                    ProviderTries(TwoTries(pool, patience), names),
                ],
                workflow_runner=sandboxed_runner(),
            )
            await stack.enter_async_context(worker)
        yield Services(pool, temporal_client, names[OPERATIONS], source, destination)


@pytest.mark.parametrize("payee", ["grace", "cut-grace"])
async def test_the_source_is_debited_and_the_destination_credited_e5(
    services: Services, payee: str
) -> None:
    """Also where the destination's answer is lost: it is found out, and nothing is done twice."""
    before = await services.moved()
    handle = await services.move("ada", payee)
    assert await handle.result() == End("succeeded")
    assert await services.standing(handle.id) == ("done", "done")
    after = await services.moved()
    changed = {name: after[name] - before.get(name, 0) for name in after}
    assert {name: change for name, change in changed.items() if change} == {
        "source:ada": -AMOUNT_MINOR,
        f"source:{TRANSIT}": AMOUNT_MINOR,
        f"destination:{TRANSIT}": -AMOUNT_MINOR,
        f"destination:{payee}": AMOUNT_MINOR,
    }


@pytest.mark.parametrize(
    ("payee", "code"),
    [("frozen-grace", "wallet_frozen"), ("down-grace", "destination_unavailable")],
)
async def test_a_destination_that_refuses_or_is_away_has_the_debit_returned_e5(
    services: Services, payee: str, code: str
) -> None:
    before = await services.moved()
    handle = await services.move("ada", payee)
    end = await handle.result()
    assert (end.status, end.failure and end.failure.code) == ("failed", code)
    # What was refused, or never arrived, did nothing that is to be undone.
    assert await services.undone(handle.id) == [RETURN_DEBIT.row_name]
    debit, credit = await services.standing(handle.id)
    assert debit == "reversed"
    assert credit != "done"
    assert await services.moved() == before


@pytest.mark.parametrize(
    ("payer", "code"), [("frozen-ada", "wallet_frozen"), ("down-ada", "source_unavailable")]
)
async def test_a_source_that_refuses_or_is_away_leaves_the_destination_alone_e5(
    services: Services, payer: str, code: str
) -> None:
    before = await services.moved()
    handle = await services.move(payer, "grace")
    end = await handle.result()
    assert (end.status, end.failure and end.failure.code) == ("failed", code)
    assert await services.undone(handle.id) == []
    debit, credit = await services.standing(handle.id)
    assert debit != "done"
    assert credit is None
    assert await services.moved() == before


async def test_a_cancel_after_both_takes_back_the_credit_and_then_the_debit_e5(
    services: Services,
) -> None:
    before = await services.moved()
    handle = await services.move("ada", "slow-grace")

    async def credit_is_under_way() -> bool:
        return bool(
            await services.pool.fetchval(
                "SELECT true FROM provider_calls WHERE operation_id = $1 AND step = 'credit'",
                handle.id,
            )
        )

    await eventually(credit_is_under_way)
    async with transaction(services.pool) as connection:
        await request_cancel(connection, handle.id, actor="ada", reason="Not wanted.")
    end = await handle.result()
    assert end.status == "cancelled"
    assert await services.undone(handle.id) == IN_REVERSE
    assert await services.standing(handle.id) == ("reversed", "reversed")
    assert await services.moved() == before
