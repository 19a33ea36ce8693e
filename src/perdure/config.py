"""The settings: `PERDURE_*`, and the standard names where there are such.

Temporal's own (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, TLS, API key, profile) are read by
`temporalio.envconfig`.
"""

import re
from pathlib import Path
from typing import Annotated, Final, Self, TypeVar

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from perdure.core.addresses import check_mail_address
from perdure.core.errors import ConfigurationError, InvalidInput
from perdure.core.gears import AskedGear
from perdure.core.settings import EnvironmentSettings
from perdure.core.tlds import normal_tld


def _address_in_ascii(address: str) -> str:
    # One in ASCII is left alone: a mail server of one's own has names that others do not take.
    if address.isascii():
        return address
    try:
        return check_mail_address("mail_sender", address)
    except InvalidInput as error:
        raise ValueError(error.message.removesuffix(".")) from None


def _by_normal_tld(given: dict[str, str]) -> dict[str, str]:
    normal = {normal_tld(tld): value for tld, value in given.items()}
    if len(normal) < len(given):
        raise ValueError("A TLD is given twice")
    for tld in normal:
        if not _TLD.fullmatch(tld):
            raise ValueError(f"{tld!r} is not a TLD; write it as info, co.uk or xn--p1ai")
    return normal


_TLD: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
ByTld = Annotated[dict[str, str], AfterValidator(_by_normal_tld)]


Own = TypeVar("Own", bound=EnvironmentSettings)


class Settings(EnvironmentSettings):
    """What a process is told from outside.

    Every field is an environment variable `PERDURE_<FIELD>`.
    """

    # What a kind reads for itself may be given here too.
    model_config = SettingsConfigDict(env_prefix="PERDURE_", extra="allow")

    database_url: str = Field(default="", validation_alias="DATABASE_URL")
    """PostgreSQL, as `postgresql://…`.

    `perdure up` sets it to the embedded one where it is empty.
    """
    database_pool_size: int = Field(default=20, ge=2, le=500)
    """The most connections a process holds."""

    data_dir: Path = Path(".perdure")
    """Where `perdure up` keeps everything: databases, logs, the first API key."""

    queues: dict[str, str] = {}
    """Other names for task queues, as JSON: `{"operations": "payment-queue"}`."""
    workflow_sandbox: bool = False
    """Keeps workflow code from the clock, the network and the disk, for a third of a worker's time.

    On in every test; off where operations run (docs/adr/0008-sandbox-in-tests.md).
    """
    max_concurrent_activities: int = Field(default=100, ge=1)
    max_concurrent_workflow_tasks: int = Field(default=50, ge=2)
    """How many of each one worker takes from one queue at a time."""

    gear: AskedGear = AskedGear.OWN_WORKFLOW
    """What carries an operation out that does not say: `auto`, `own_workflow` or `flood`."""
    gears: dict[str, AskedGear] = {}
    """The same by kind, as JSON, where it differs: `{"renewal": "own_workflow"}`."""
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
    customer_accounts_max: int = Field(default=100, ge=1)
    """How many accounts a customer has before its own keys open no more."""

    gateway: str = "http"
    bank: str = "http"
    fraud_scorer: str = "http"
    mail: str = "smtp"
    sms: str = "http"
    """Which class serves each: a name of Perdure's own, or of a package (docs/settings.md)."""
    registries: ByTld = {}
    """Which class serves a TLD, as JSON, where it is not `http`: `{"fr": "afnic"}`."""

    gateway_url: str = "http://127.0.0.1:8101"
    gateway_timeout_s: float = Field(default=5.0, gt=0, le=25)
    gateway_callback_url: str = "http://127.0.0.1:8080/v1/callbacks/gateway"
    gateway_callback_secrets: list[SecretStr] = []
    """The secrets (`whsec_…`) that sign callbacks, as JSON.

    Several while one is replaced by the next.
    """
    bank_url: str = "http://127.0.0.1:8105"
    bank_timeout_s: float = Field(default=5.0, gt=0, le=25)
    registry_urls: ByTld = {
        "info": "http://127.0.0.1:8106",
        "fr": "http://127.0.0.1:8107",
        "com": "http://127.0.0.1:8108",
    }
    """The domain registries by TLD, as JSON: no domain of any other TLD is renewed.

    A domain is that one's whose TLD is the longest (`co.uk` before `uk`).
    """
    registry_timeout_s: float = Field(default=5.0, gt=0, le=25)
    fraud_scorer_url: str = "http://127.0.0.1:8102"
    mail_host: str = "127.0.0.1"
    mail_port: int = Field(default=8125, ge=1, le=65535)
    mail_inquiry_url: str | None = None
    """Where the mail server can be asked for a message by its Message-ID; empty: it cannot."""
    mail_sender: Annotated[str, AfterValidator(_address_in_ascii)] = "payments@perdure.example"
    sms_url: str = "http://127.0.0.1:8104"
    provider_timeout_s: float = Field(default=10.0, gt=0, le=25)

    janitor_interval_s: float = Field(default=2.0, gt=0)
    janitor_stale_after_s: float = Field(default=60.0, gt=0)

    @property
    def tlds(self) -> list[str]:
        """The TLDs that there is a registry for."""
        return [*dict.fromkeys([*self.registry_urls, *self.registries])]

    def of(self, kind: type[Own], prefix: str | None = None) -> Own:
        """Return the settings of a kind of operation: what was given here, or else is set.

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
