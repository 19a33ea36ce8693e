"""What the workers need of transfers."""

from perdure.capability.one_go import work_of_one_effect
from perdure.capability.wiring import Work, WorkerHost
from perdure.providers.bank import BANK_ROLE
from perdure.transfers.bank_calls import payout_at
from perdure.transfers.funding import FUNDED
from perdure.transfers.process import FIRST_TRY, run_transfer
from perdure.transfers.workflow import TransferWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries transfers out."""
    return work_of_one_effect(
        host,
        run_transfer,
        funded=FUNDED,
        role=BANK_ROLE,
        effect=payout_at,
        first_try=FIRST_TRY,
        workflow=TransferWorkflow,
    )
