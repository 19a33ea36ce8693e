"""The fraud service's one activity."""

from temporalio import activity

from perdure.fraud.contracts import SCORE, FraudCheck, FraudVerdict
from perdure.providers.fraud_scorer import FraudScorer


class FraudActivities:
    """Given the scorer."""

    def __init__(self, scorer: FraudScorer) -> None:
        self._scorer = scorer

    @activity.defn(name=SCORE)
    async def score(self, check: FraudCheck) -> FraudVerdict:
        """Ask the scorer; asking again changes nothing.

        Raises:
            ProviderError: It gave no answer.
        """
        score = await self._scorer.score(
            reference=check.operation_id,
            customer_id=check.customer_id,
            amount_minor=check.amount_minor,
            currency=check.currency,
            payment_method=check.payment_method,
        )
        return FraudVerdict(score.verdict == "pass", score.score, list(score.reasons))
