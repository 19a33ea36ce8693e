"""Giftcards, in a worker: how they are carried out."""

from perdure import (
    FundedSteps,
    Work,
    WorkerHost,
    use_of,
    work_in_one_go,
)
from perdure_giftcards.contracts import PROVIDER
from perdure_giftcards.funding import FUNDED
from perdure_giftcards.process import FIRST_TRY, run_giftcard
from perdure_giftcards.provider import GIFTCARDS
from perdure_giftcards.provider_calls import GiftcardCalls
from perdure_giftcards.refunds import GiftcardRefunds
from perdure_giftcards.workflow import GiftcardWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries giftcards out."""
    use, tries = use_of(GIFTCARDS, host.settings), host.first_tries()
    provider, timeout_s = host.outside.made(use), use.timeout_s
    calls = GiftcardCalls(host.calls, host.steps, provider, first_tries=tries, timeout_s=timeout_s)
    funded = FundedSteps(host.pool, host.steps, host.ledger, FUNDED)
    return work_in_one_go(
        host,
        run_giftcard,
        {**funded.bodies, **calls.bodies},
        first_try=FIRST_TRY,
        workflow=GiftcardWorkflow,
        provider=PROVIDER,
        first_tries=tries,
        refunds=GiftcardRefunds(provider, timeout_s=timeout_s),
    )
