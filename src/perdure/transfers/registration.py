"""What the workers need of transfers."""

from perdure.capability.funded import FundedSteps
from perdure.capability.one_go import work_in_one_go
from perdure.capability.wiring import Work, WorkerHost
from perdure.outside import use_of
from perdure.providers.bank import BANK_ROLE
from perdure.transfers.bank_calls import BankCalls
from perdure.transfers.contracts import BANK
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
    return work_in_one_go(
        host,
        run_transfer,
        {**funded.bodies, **calls.bodies},
        first_try=FIRST_TRY,
        workflow=TransferWorkflow,
        provider=BANK,
        first_tries=tries,
        refunds=BankRecalls(bank, timeout_s=timeout_s),
    )
