"""What payments are told from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from perdure.capability.taking_in import FundedSettings
from perdure.core.money import AmountLimit
from perdure.core.settings import AmountMinor, ByCurrency


class PaymentSettings(FundedSettings):
    """Every field is an environment variable `PERDURE_PAYMENT_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_PAYMENT_")

    daily_limit_minor: AmountMinor | None = None
    """The most a customer pays a day in one currency, in hundredths; empty: no limit."""
    daily_limit_minor_by_currency: ByCurrency = Field(default_factory=dict)
    """The currencies for which it is another amount, or the only ones that have a limit."""
    callback_timeout_s: float = Field(default=300.0, gt=0)
    """How long the gateway's confirmation is waited for before the gateway is asked."""
    lane_confirmation_s: float = Field(
        default=60.0, gt=0, validation_alias="PERDURE_LANE_CONFIRMATION_S"
    )
    """How long a payment in a lane waits for the gateway before a workflow of its own does."""

    @property
    def daily_limit(self) -> AmountLimit:
        """The most a customer pays a day."""
        return AmountLimit(self.daily_limit_minor, self.daily_limit_minor_by_currency)
