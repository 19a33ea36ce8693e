"""What the workers need of transfers."""

from perdure.capability.funded import FundedSteps
from perdure.capability.wiring import Work, WorkerHost
from perdure.durable.registration import registrations_of
from perdure.operations.lanes.script import LaneScript, script_first_try
from perdure.outside import use_of
from perdure.providers.bank import BANK_ROLE
from perdure.transfers.bank_calls import BankCalls
from perdure.transfers.contracts import BANK, FirstTry, TransferInput
from perdure.transfers.funding import FUNDED
from perdure.transfers.process import FIRST_TRY, run_transfer
from perdure.transfers.refunds import BankRecalls
from perdure.transfers.workflow import TransferWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries transfers out."""
    use, tries = use_of(BANK_ROLE, host.settings), host.first_tries()
    bank, timeout_s = host.outside.made(use), use.timeout_s
    funded = FundedSteps(host.pool, host.steps, host.ledger, FUNDED)
    calls = BankCalls(host.calls, host.steps, bank, first_tries=tries, timeout_s=timeout_s)
    bodies = {**funded.bodies, **calls.bodies}
    first_try = script_first_try(
        run_transfer,
        FirstTry,
        bodies,
        deliver=host.deliver,
        permit=host.permit_soon,
        first_tries=tries,
    )
    lane = LaneScript(run_transfer, TransferInput, bodies, deliver=host.deliver, permit=host.permit)
    return Work(
        registrations=registrations_of(
            run_transfer,
            [TransferWorkflow],
            {FIRST_TRY: first_try, **bodies},
            providers=[BANK],
        ),
        lane=lane.run,
        refunds=BankRecalls(bank, timeout_s=timeout_s),
    )
