"""What the workers need of transfers."""

from perdure.capability.funded import FundedSteps
from perdure.capability.wiring import Work, WorkerHost
from perdure.core.script import Bodies, Body
from perdure.durable.registration import Registration
from perdure.durable.registration import registrations as registrations_of
from perdure.limits.permits import PermitFor
from perdure.notifications.contracts import Deliver
from perdure.operations.first_tries import FirstTries
from perdure.operations.lanes.script import LaneScript, script_first_try
from perdure.transfers.bank_calls import BankCalls
from perdure.transfers.contracts import BANK, CloseTransfer, FirstTry, SettleTransfer, TransferInput
from perdure.transfers.funding import FUNDED
from perdure.transfers.process import (
    CLOSE,
    FIRST_TRY,
    HOLD,
    PAY_OUT,
    RECALL_PAYOUT,
    RESOLVE_PAYOUT,
    SETTLE,
    run_transfer,
)
from perdure.transfers.refunds import BankRecalls
from perdure.transfers.workflow import TransferWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries transfers out."""
    bank, timeout_s, tries = host.outside.bank, host.settings.bank_timeout_s, host.first_tries()
    bodies = bodies_of(
        FundedSteps(host.pool, host.steps, host.ledger, FUNDED),
        BankCalls(host.calls, host.steps, bank, first_tries=tries, timeout_s=timeout_s),
    )
    first_try = first_try_of(
        bodies, deliver=host.deliver, permit=host.permit_soon, first_tries=tries
    )
    return Work(
        registrations=registrations(bodies, first_try),
        lane=lane_of(bodies, deliver=host.deliver, permit=host.permit).run,
        refunds=BankRecalls(bank, timeout_s=timeout_s),
    )


def bodies_of(
    funded: FundedSteps[TransferInput, SettleTransfer, CloseTransfer], bank: BankCalls
) -> Bodies:
    """Return what does the work of a transfer's steps."""
    return {
        HOLD: funded.hold,
        PAY_OUT: bank.pay_out,
        RESOLVE_PAYOUT: bank.resolve_payout,
        SETTLE: funded.settle,
        RECALL_PAYOUT: bank.recall_payout,
        CLOSE: funded.close,
    }


def lane_of(bodies: Bodies, *, deliver: Deliver, permit: PermitFor) -> LaneScript[TransferInput]:
    """Return what carries transfers out in a lane; see `LaneScript`."""
    return LaneScript(run_transfer, TransferInput, bodies, deliver=deliver, permit=permit)


def first_try_of(
    bodies: Bodies, *, deliver: Deliver, permit: PermitFor, first_tries: FirstTries
) -> Body:
    """Return what carries a transfer out where its own workflow runs; see `script_first_try`."""
    return script_first_try(
        run_transfer,
        FirstTry,
        bodies,
        deliver=deliver,
        permit=permit,
        first_tries=first_tries,
    )


def registrations(bodies: Bodies, first_try: Body) -> list[Registration]:
    """Return the work of the queues that transfers use."""
    return registrations_of([TransferWorkflow], {FIRST_TRY: first_try, **bodies}, providers=[BANK])
