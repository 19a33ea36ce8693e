"""The settings: `PERDURE_*`, and the standard names where there are such.

Temporal's own (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, TLS, API key, profile) are read by
`temporalio.envconfig`.
"""

from datetime import timedelta
from pathlib import Path
from typing import Self, TypeVar

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from perdure.core.errors import ConfigurationError
from perdure.core.gears import AskedGear
from perdure.core.ledgers import LedgerChoice
from perdure.core.settings import EnvironmentSettings

Own = TypeVar("Own", bound=EnvironmentSettings)


class Settings(EnvironmentSettings):
    """What a process is told from outside.

    Every field is an environment variable `PERDURE_<FIELD>`.
    """

    # What a kind or an outside system reads for itself may be given here too.
    model_config = SettingsConfigDict(env_prefix="PERDURE_", extra="allow")

    database_url: str = Field(default="", validation_alias="DATABASE_URL")
    """PostgreSQL, as `postgresql://…`.

    `perdure up` sets it to the embedded one where it is empty.
    """
    database_pool_size: int = Field(default=20, ge=2, le=500)
    """The most connections a process holds."""

    ledger: LedgerChoice = LedgerChoice.POSTGRES
    """Where balances are kept: `postgres`, or `tigerbeetle`."""
    tigerbeetle_addresses: str = Field(default="", validation_alias="TIGERBEETLE_ADDRESSES")
    """Where the replicas of TigerBeetle's cluster are: `host:port,…`."""
    tigerbeetle_cluster_id: int = Field(
        default=0, ge=0, lt=2**128, validation_alias="TIGERBEETLE_CLUSTER_ID"
    )

    data_dir: Path = Path(".perdure")
    """Where `perdure up` keeps everything: databases, logs, the first API key."""

    build_id: str = Field(
        default="",
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        validation_alias=AliasChoices("PERDURE_BUILD_ID", "TEMPORAL_WORKER_BUILD_ID"),
    )
    """Which build a worker is of, so that an operation ends on the one it began on; empty: any."""
    deployment_name: str = Field(
        default="perdure",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9/_-]{0,62}$",
        validation_alias=AliasChoices("PERDURE_DEPLOYMENT_NAME", "TEMPORAL_DEPLOYMENT_NAME"),
    )
    """What Temporal calls all the workers together, of every build."""

    queues: dict[str, str] = {}
    """Other names for task queues, as JSON: `{"operations": "ours"}`."""
    workflow_sandbox: bool = False
    """Keeps workflow code from the clock, the network and the disk, for a third of a worker's time.

    On in every test; off where operations run (docs/adr/0008-sandbox-in-tests.md).
    """
    max_concurrent_activities: int = Field(default=100, ge=1)
    max_concurrent_workflow_tasks: int = Field(default=50, ge=2)
    """How many of each one worker takes from one queue at a time."""

    gear: AskedGear = AskedGear.AUTO
    """What carries an operation out that does not say: `auto`, `own_workflow` or `flood`."""
    gears: dict[str, AskedGear] = {}
    """The same by kind, as JSON, where it differs: `{KIND: "own_workflow"}`."""
    lanes: int = Field(default=4, ge=1, le=64)
    """Over how many lanes a flood of one kind of operation is spread."""
    lane_operations_at_once: int = Field(default=200, ge=1, le=5000)
    """How many operations one lane has under way."""
    first_tries_at_once: int = Field(default=32, ge=0)
    """How many calls to a quick provider a worker makes beside its queue; 0: none."""

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=0, le=65535)
    api_body_bytes_max: int = Field(default=524_288, ge=1024)
    api_header_bytes_max: int = Field(default=32_768, ge=4096)
    """The most that a request's line and headers are together; over it: 431."""
    api_header_count_max: int = Field(default=100, ge=20)
    api_header_timeout_s: float = Field(default=10.0, gt=0)
    """How long a request's headers may take to arrive; over it: 408."""
    api_body_timeout_s: float = Field(default=60.0, gt=0)
    """How long its body may take after them."""
    api_requests_per_second_max: float = Field(default=100.0, gt=0)
    """Of one customer's API key, in each API process; over it: 429."""
    api_house_requests_per_second_max: float = Field(default=1000.0, gt=0)
    """As above, of one of the house's keys."""
    api_streams_max: int = Field(default=500, ge=1)
    """How many event streams an API process has open; over it: 429."""
    api_streams_per_key_max: int = Field(default=50, ge=1)
    """How many of them one key has."""
    console_session_lasts: timedelta = timedelta(hours=8)
    """After how long one signs in to the console again, as ISO 8601 (`PT8H`) or in seconds."""
    customer_accounts_max: int = Field(default=100, ge=1)
    """How many accounts a customer has before its own keys open no more."""

    provider_timeout_s: float = Field(default=10.0, gt=0, le=25)
    """The longest wait for an outside system, where it has no setting of its own."""

    janitor_interval_s: float = Field(default=2.0, gt=0)
    janitor_stale_after_s: float = Field(default=60.0, gt=0)

    archive_after_days: int = Field(default=90, ge=0)
    """How long after its end what is known of an operation goes into the archive; 0: it never does.
    """

    @property
    def build(self) -> dict[str, str]:
        """What a process's metrics are told apart by, beside its role."""
        return {"deployment": self.deployment_name, "build_id": self.build_id}

    def of(self, kind: type[Own], prefix: str | None = None) -> Own:
        """Return the settings of a part: what was given here, or else is set.

        Args:
            prefix: What their variables begin with, where it is not the class's own.

        Raises:
            ConfigurationError: One is wrong or missing; the message names it.
        """
        begins = prefix or kind.model_config.get("env_prefix", "")
        own = begins.removeprefix("PERDURE_").lower()
        given = self.model_extra or {}
        known = {name: f"{own}{name}" for name in kind.model_fields}
        return kind.read(
            prefix=prefix, **{name: given[said] for name, said in known.items() if said in given}
        )

    @classmethod
    def load(cls) -> Self:
        """Read the settings from the environment.

        Raises:
            ConfigurationError: One is wrong; the message names it.
        """
        return cls.read()

    def require_database_url(self) -> str:
        """Return the database's URL.

        Raises:
            ConfigurationError: It is not set.
        """
        if not self.database_url:
            raise ConfigurationError(
                f"DATABASE_URL is not set, and `perdure up` has not run on {self.data_dir}. Start"
                " it, or set DATABASE_URL to a server's (postgresql://user@host/database).",
                param="DATABASE_URL",
            )
        return self.database_url
