"""What does the work of payments' steps, for tests that run one themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from perdure.core.script import Bodies, Given, Result, ScriptStep
from perdure.fraud.activities import FraudActivities
from perdure.operations.first_tries import FirstTries
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps
from perdure.outside import open_outside, use_of
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.funding import funded_steps
from perdure.payments.gateway_calls import GatewayCalls
from perdure.payments.lane import Score
from perdure.providers.fraud_scorer import FRAUD_SCORER_ROLE
from perdure.providers.gateway import GATEWAY_ROLE

from .town import Town


@dataclass
class PaymentWork:
    """The work of each step, by a hand of the test's own; and the fraud service."""

    bodies: Bodies
    score: Score

    async def do(self, step: ScriptStep[Given, Result], given: Given) -> Result:
        """Do a step's work."""
        result: Result = await self.bodies[step](given)
        return result


@asynccontextmanager
async def open_work(town: Town) -> AsyncIterator[PaymentWork]:
    """Open clients of the town's gateway and scorer."""
    platform = town.platform
    pool, settings, permit = platform.pool, platform.settings, platform.permits.permit
    steps, use = TransactionalSteps(pool), use_of(GATEWAY_ROLE, settings)
    async with open_outside(settings) as outside:
        gateway = GatewayCalls(
            ProviderCalls(pool),
            steps,
            outside.made(use),
            platform.kinds.own(GatewayCallbacks),
            first_tries=FirstTries(),
            callback_url=use.callback_url,
            timeout_s=use.timeout_s,
        )
        funded = funded_steps(pool, steps, platform.ledger)
        yield PaymentWork(
            {**funded.bodies, **gateway.bodies(permit)},
            FraudActivities(pool, outside.provider(FRAUD_SCORER_ROLE), FirstTries(), permit).score,
        )
