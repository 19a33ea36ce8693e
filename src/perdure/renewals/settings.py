"""What renewals are told from outside."""

import json
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from perdure.core.settings import EnvironmentSettings
from perdure.core.tlds import normal_tld
from perdure.providers.registry import REGISTRY_ROLE

_TLD: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")


def _by_normal_tld(given: dict[str, str]) -> dict[str, str]:
    normal = {normal_tld(tld): value for tld, value in given.items()}
    if len(normal) < len(given):
        raise ValueError("A TLD is given twice")
    for tld in normal:
        if not _TLD.fullmatch(tld):
            raise ValueError(f"{tld!r} is not a TLD; write it as info, co.uk or xn--p1ai")
    return normal


ByTld = Annotated[dict[str, str], AfterValidator(_by_normal_tld)]


def _simulated() -> Any:
    assert REGISTRY_ROLE.simulator is not None
    return json.loads(REGISTRY_ROLE.simulator.told["urls"])


class RenewalSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_")

    registries: ByTld = Field(default_factory=dict)
    """Which class serves a TLD, as JSON, where it is not `http`: `{"fr": "afnic"}`."""
    registry_urls: ByTld = Field(default_factory=_simulated)
    """The domain registries by TLD, as JSON: no domain of any other TLD is renewed.

    A domain is that one's whose TLD is the longest (`co.uk` before `uk`).
    """
    registry_timeout_s: float = Field(default=5.0, gt=0, le=25)
    renewal_patience_s: float = Field(default=3600.0, ge=0)
    """How long one waits for a registry that gives nobody an answer, before it needs attention."""

    @property
    def tlds(self) -> list[str]:
        """The TLDs that there is a registry for."""
        return [*dict.fromkeys([*self.registry_urls, *self.registries])]
