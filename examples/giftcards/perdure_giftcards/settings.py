"""What giftcards are told from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from perdure import (
    AmountLimit,
    AmountMinor,
    ByCurrency,
    EnvironmentSettings,
)


class GiftcardSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_")

    giftcard_amount_minor_max: AmountMinor = 100_000
    """The most one costs, in hundredths."""
    giftcard_amount_minor_max_by_currency: ByCurrency = Field(default_factory=dict)
    """The currencies for which it is another amount."""
    giftcard_patience_s: float = Field(default=3600.0, ge=0)
    """How long one waits for a provider that gives nobody an answer, before it needs attention."""

    @property
    def amount_limit(self) -> AmountLimit:
        """The most one costs."""
        return AmountLimit(
            self.giftcard_amount_minor_max, self.giftcard_amount_minor_max_by_currency
        )
