"""What the old system's way of trades is told from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from perdure.core.settings import EnvironmentSettings
from perdure.legacy.queue import RUN_S_MAX


class LegacyTradeSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_LEGACY_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_LEGACY_")

    broker_url: str = "redis://127.0.0.1:6379/0"
    """Celery's Redis."""
    visibility_timeout_s: float = Field(default=3600.0, gt=0)
    """After how long Celery delivers a task that has not ended to another worker, too."""
    tasks_at_once: int = Field(default=16, ge=1, le=200)
    """How many a worker carries out at a time."""
    reconcile_s: float = Field(default=1.0, gt=0)
    """How often the reconciler looks for what is due."""
    run_s: float = Field(default=float(RUN_S_MAX), gt=0)
    """A task that has a trade for longer is taken to be dead."""
