"""What bank syncs are told from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from perdure.core.settings import EnvironmentSettings


class BankSyncSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_BANK_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_BANK_")

    sync_page: int = Field(default=500, ge=1, le=500)
    """How many changes a page has at most."""
    sync_patience_s: float = Field(default=3600.0, ge=0)
    """How long a sync waits for an aggregator that gives nobody an answer, before it needs
    attention."""
