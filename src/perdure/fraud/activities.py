"""The fraud service's one activity."""

from temporalio import activity

from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.fraud.contracts import SCORE, FraudCheck, FraudVerdict
from perdure.operations.attempts import AttemptGroups, current_attempt
from perdure.providers.fraud_scorer import FraudScorer
from perdure.storage.pool import Pool


class FraudActivities:
    """Given the scorer, and the pool for the rows of its attempts."""

    def __init__(self, pool: Pool, scorer: FraudScorer) -> None:
        self._scorer = scorer
        self._attempts = AttemptGroups(pool)

    @activity.defn(name=SCORE)
    @records_its_attempts
    async def score(self, check: FraudCheck) -> FraudVerdict:
        """Ask the scorer; asking again changes nothing.

        Raises:
            ProviderError: It gave no answer.
        """
        attempt = current_attempt("score")
        score = await self._scorer.score(
            reference=check.operation_id,
            customer_id=check.customer_id,
            amount_minor=check.amount_minor,
            currency=check.currency,
            payment_method=check.payment_method,
        )
        await self._attempts.record_success(check.operation_id, attempt)
        return FraudVerdict(score.verdict == "pass", score.score, list(score.reasons))
