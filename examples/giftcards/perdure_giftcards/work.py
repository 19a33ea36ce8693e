"""Giftcards, in a worker: how they are carried out."""

from perdure import (
    FundedSteps,
    LaneScript,
    Work,
    WorkerHost,
    registrations_of,
    script_first_try,
    use_of,
)
from perdure_giftcards.contracts import PROVIDER, FirstTry, GiftcardInput
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
    bodies = {**funded.bodies, **calls.bodies}
    first_try = script_first_try(
        run_giftcard,
        FirstTry,
        bodies,
        deliver=host.deliver,
        permit=host.permit_soon,
        first_tries=tries,
    )
    lane = LaneScript(run_giftcard, GiftcardInput, bodies, deliver=host.deliver, permit=host.permit)
    return Work(
        registrations=registrations_of(
            run_giftcard,
            [GiftcardWorkflow],
            {FIRST_TRY: first_try, **bodies},
            providers=[PROVIDER],
        ),
        lane=lane.run,
        refunds=GiftcardRefunds(provider, timeout_s=timeout_s),
    )
