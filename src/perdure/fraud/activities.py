"""The fraud service's activities: asking the scorer, in two places."""

from temporalio import activity

from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.fraud.contracts import (
    SCORE,
    SCORE_FIRST_TRY,
    SCORER,
    FirstTry,
    FraudCheck,
    FraudVerdict,
)
from perdure.limits.permits import PermitFor
from perdure.operations.agreement import Expected, agreed
from perdure.operations.attempts import AttemptGroups, current_attempt
from perdure.operations.first_tries import FirstTries
from perdure.providers.fraud_scorer import VERDICTS, FraudScore, FraudScorer
from perdure.storage.pool import Pool


class FraudActivities:
    """Given the scorer, and the pool for the rows of its attempts.

    Args:
        first_tries: Watches how quick the scorer is.
        permit: Lets a call begin where the workflow runs, if it may at once.
    """

    def __init__(
        self, pool: Pool, scorer: FraudScorer, first_tries: FirstTries, permit: PermitFor
    ) -> None:
        self._scorer = scorer
        self._first_tries = first_tries
        self._permit = permit
        self._attempts = AttemptGroups(pool)

    @activity.defn(name=SCORE)
    @records_its_attempts
    async def score(self, check: FraudCheck) -> FraudVerdict:
        """Ask the scorer; asking again changes nothing.

        Raises:
            ProviderError: It gave no answer.
            ProviderDisagrees: It judged something else, or in a word that we do not know.
        """
        attempt = current_attempt("score")
        with self._first_tries.under_way():
            score = await self._ask(check)
        expected = Expected(SCORER, {"reference": check.operation_id}, {"verdict": VERDICTS})
        score = await agreed(expected, score, lambda: self._ask(check))
        await self._attempts.record_success(check.operation_id, attempt)
        return FraudVerdict(score.verdict == "pass", score.score, list(score.reasons))

    async def _ask(self, check: FraudCheck) -> FraudScore:
        return await self._scorer.score(
            reference=check.operation_id,
            customer_id=check.customer_id,
            amount_minor=check.amount_minor,
            currency=check.currency,
            payment_method=check.payment_method,
        )

    @activity.defn(name=SCORE_FIRST_TRY)
    @records_its_attempts
    async def score_first_try(self, check: FraudCheck) -> FirstTry:
        """Ask the scorer where the check's workflow runs, if it is quick.

        Raises:
            ProviderError: It gave no answer.
        """
        return FirstTry(
            await self._first_tries.attempt(SCORER, self._permit, lambda: self.score(check))
        )
