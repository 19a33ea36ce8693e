"""What trades are told from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from perdure.core.settings import EnvironmentSettings


class TradeSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_")

    trade_patience_s: float = Field(default=3600.0, ge=0)
    """How long one waits for a service that gives nobody an answer, before it needs attention."""
