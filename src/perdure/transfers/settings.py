"""What transfers are told from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from perdure.core.money import AmountLimit
from perdure.core.settings import AmountMinor, ByCurrency, EnvironmentSettings


class TransferSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_")

    transfer_amount_minor_max: AmountMinor = 1_000_000
    """The most one transfer moves, in hundredths: 1,000,000 is 10,000 USD, JPY or KWD."""
    transfer_amount_minor_max_by_currency: ByCurrency = Field(default_factory=dict)
    """The currencies for which it is another amount."""
    transfer_patience_s: float = Field(default=3600.0, ge=0)
    """How long one waits for a bank that gives nobody an answer, before it needs attention."""

    @property
    def amount_limit(self) -> AmountLimit:
        """The most one transfer moves."""
        return AmountLimit(
            self.transfer_amount_minor_max, self.transfer_amount_minor_max_by_currency
        )
