"""The ports of `perdure up`: chosen, checked together, and held while it runs."""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Annotated, Final, Self

import typer
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from perdure.core.errors import ConfigurationError
from perdure.core.ports import LOOPBACK, HeldPort, hold_port, why_not

ELSEWHERE_IF: Final[Mapping[str, tuple[str, ...]]] = {
    "temporal_port": ("TEMPORAL_ADDRESS",),
    "temporal_ui_port": ("TEMPORAL_ADDRESS",),
    "gateway_port": ("PERDURE_GATEWAY_URL", "PERDURE_GATEWAY"),
    "fraud_scorer_port": ("PERDURE_FRAUD_SCORER_URL", "PERDURE_FRAUD_SCORER"),
    "mail_inquiry_port": ("PERDURE_MAIL_HOST", "PERDURE_MAIL"),
    "mail_port": ("PERDURE_MAIL_HOST", "PERDURE_MAIL"),
    "sms_port": ("PERDURE_SMS_URL", "PERDURE_SMS"),
    "bank_port": ("PERDURE_BANK_URL", "PERDURE_BANK"),
    "registry_info_port": ("PERDURE_REGISTRY_URLS",),
    "registry_fr_port": ("PERDURE_REGISTRY_URLS",),
    "registry_com_port": ("PERDURE_REGISTRY_URLS",),
}
"""The settings that say that a part runs elsewhere, so that nothing listens for it here."""

_OURS: Final = frozenset({"http", "smtp"})
"""The classes that speak as our simulators do."""
_REGISTRIES: Final = "PERDURE_REGISTRIES"

PortBase = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65_500,
        help="Have the parts listen at this port and the ones after it: the API first, then"
        " Temporal. Ports that settings name stay.",
    ),
]


class Ports(BaseSettings):
    """Where each part listens, as `PERDURE_<FIELD>`; 0: any port that is free."""

    model_config = SettingsConfigDict(
        env_prefix="PERDURE_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    api_port: int = Field(default=8080, ge=0, le=65535)
    temporal_port: int = Field(default=7233, ge=0, le=65535)
    temporal_ui_port: int = Field(default=8233, ge=0, le=65535)
    gateway_port: int = Field(default=8101, ge=0, le=65535)
    fraud_scorer_port: int = Field(default=8102, ge=0, le=65535)
    mail_inquiry_port: int = Field(default=8103, ge=0, le=65535)
    mail_port: int = Field(default=8125, ge=0, le=65535)
    sms_port: int = Field(default=8104, ge=0, le=65535)
    bank_port: int = Field(default=8105, ge=0, le=65535)
    registry_info_port: int = Field(default=8106, ge=0, le=65535)
    registry_fr_port: int = Field(default=8107, ge=0, le=65535)
    registry_com_port: int = Field(default=8108, ge=0, le=65535)

    @classmethod
    def load(cls, base: int | None = None) -> Self:
        """Read the ports.

        Args:
            base: The first of them, where a setting of its own does not say otherwise.

        Raises:
            ConfigurationError: One is no port.
        """
        try:
            given = cls()
        except ValidationError as error:
            name = setting_of(str(error.errors()[0]["loc"][0]))
            raise ConfigurationError(
                f"{name} is not a port; give one from 0 (any that is free) to 65535.", param=name
            ) from error
        if base is None:
            return given
        in_a_row = {name: base + place for place, name in enumerate(cls.model_fields)}
        left_open = in_a_row.keys() - given.model_fields_set
        return given.model_copy(update={name: in_a_row[name] for name in left_open})


class HeldPorts:
    """The ports of what runs here, held until the end of `with`.

    Args:
        ports: As they were given.
        api_host: Where the API listens; all others are for this machine only.
        given: The settings, which say what runs elsewhere.
        simulators: Outside systems are simulated here, where no setting says otherwise.

    Raises:
        ConfigurationError: Some are taken; the message names all of them, and their settings.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        api_host: str,
        given: Mapping[str, str],
        simulators: bool = True,
    ) -> None:
        self._held: dict[str, HeldPort] = {}
        here = {
            name: port
            for name, port in ports
            if not _is_elsewhere(name, given, simulators=simulators)
        }
        problems = []
        for name, port in here.items():
            host = api_host if name == "api_port" else LOOPBACK
            if why := self._hold(name, host, port):
                problems.append(f"{port} of {host} ({setting_of(name)}): {why}")
        if problems:
            self.close()
            raise _not_to_be_had(problems)

    def __contains__(self, name: object) -> bool:
        """Whether the part whose port it is runs here."""
        return name in self._held

    def __getitem__(self, name: str) -> int:
        return self._held[name].number

    @property
    def api(self) -> HeldPort:
        """The API's, whose socket is handed on to it."""
        return self._held["api_port"]

    def close(self) -> None:
        """Let go of all of them."""
        for held in self._held.values():
            held.close()

    def _hold(self, name: str, host: str, port: int) -> str | None:
        """Hold a port, or return why it cannot be."""
        if port and port in (held.number for held in self._held.values()):
            return "given twice"
        try:
            self._held[name] = hold_port(host, port, handed_on=name == "api_port")
        except OSError as error:
            return why_not(error)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _is_elsewhere(port: str, given: Mapping[str, str], *, simulators: bool) -> bool:
    settings = ELSEWHERE_IF.get(port, ())
    if any(given.get(name) and given[name] not in _OURS for name in settings):
        return True
    is_simulator = any(name.startswith("PERDURE_") for name in settings)
    return is_simulator and (not simulators or _tld_of(port) in _served(given))


def _tld_of(port: str) -> str:
    return port.removeprefix("registry_").removesuffix("_port")


def _served(given: Mapping[str, str]) -> set[str]:
    """Return the TLDs that a class of somebody's own serves."""
    try:
        table = json.loads(given.get(_REGISTRIES) or "{}")
        return {tld.strip(".").lower() for tld, name in table.items() if name not in _OURS}
    except (ValueError, AttributeError):
        return set()  # what is wrong with it is told where the settings are read


def setting_of(name: str) -> str:
    """Return what the setting of a port is called."""
    return f"PERDURE_{name.upper()}"


def _not_to_be_had(problems: list[str]) -> ConfigurationError:
    listed = "".join(f"\n  - {problem}" for problem in problems)
    return ConfigurationError(
        f"Nothing was started: there are ports that cannot be used:{listed}\nEnd what listens"
        " there, give each setting another port (0: any that is free), or move all of them with"
        " `--port-base`.",
        param="ports",
    )
