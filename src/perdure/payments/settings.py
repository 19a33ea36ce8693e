"""What payments are told from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from perdure.core.money import AmountLimit
from perdure.core.settings import AmountMinor, ByCurrency, EnvironmentSettings


class PaymentSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_")

    payment_amount_minor_max: AmountMinor = 1_000_000
    """The most one payment moves, in hundredths: 1,000,000 is 10,000 USD, JPY or KWD."""
    payment_amount_minor_max_by_currency: ByCurrency = Field(default_factory=dict)
    """The currencies for which it is another amount."""
    payment_daily_limit_minor: AmountMinor | None = None
    """The most a customer pays a day in one currency, in hundredths; empty: no limit."""
    payment_daily_limit_minor_by_currency: ByCurrency = Field(default_factory=dict)
    """The currencies for which it is another amount, or the only ones that have a limit."""
    payment_callback_timeout_s: float = Field(default=300.0, gt=0)
    """How long the gateway's confirmation is waited for before the gateway is asked."""
    payment_patience_s: float = Field(default=3600.0, ge=0)
    """How long one waits for a provider that gives nobody an answer, before it needs attention."""
    lane_confirmation_s: float = Field(default=60.0, gt=0)
    """How long a payment in a lane waits for the gateway before a workflow of its own does."""

    @property
    def amount_limit(self) -> AmountLimit:
        """The most one payment moves."""
        return AmountLimit(self.payment_amount_minor_max, self.payment_amount_minor_max_by_currency)

    @property
    def daily_limit(self) -> AmountLimit:
        """The most a customer pays a day."""
        return AmountLimit(
            self.payment_daily_limit_minor, self.payment_daily_limit_minor_by_currency
        )
