"""Which engine takes a new operation: this one, or the system it replaces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import Reason

from perdure.flags.provider import StoredFlagProvider
from perdure.storage.pool import Connection


class EngineVariant(StrEnum):
    """Who carries an operation out."""

    PERDURE = "perdure"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class Decision:
    """Who takes an operation, and why: stored with what is accepted, and asked no second time.

    Args:
        reason: OpenFeature's word: `TARGETING_MATCH`, `SPLIT`, `DEFAULT`, `DISABLED`; `STATIC`
            where the kind has no flag; `ERROR` where the flag could not be evaluated.
        flag_key: None: the kind has no flag.
        version: The flag's; None: it could not be evaluated.
    """

    variant: EngineVariant
    reason: str
    flag_key: str | None
    version: int | None

    def as_metadata(self) -> dict[str, str]:
        """Return it as texts, as an operation's metadata are."""
        found: dict[str, object] = {
            "engine": self.variant,
            "engine_reason": self.reason,
            "engine_flag": self.flag_key,
            "engine_flag_version": self.version,
        }
        return {name: str(value) for name, value in found.items() if value is not None}


class EngineRouting:
    """Decides at acceptance; evaluations are in memory, and wait for nothing.

    Args:
        client: Evaluates the flags.
        flags: The flag of each kind that another system also carries out; every other is ours.
    """

    def __init__(self, client: OpenFeatureClient, flags: Mapping[str, str]) -> None:
        self._client = client
        self._flags = flags

    async def decide(
        self, kind: str, customer_id: str, values: Mapping[str, str | Sequence[str]] | None = None
    ) -> Decision:
        """Return who takes a new operation.

        A flag that cannot be evaluated sends it to the system that is there already.

        Args:
            values: Of the attributes that its kind declares (`routed_by`), by their names; one with
                several meets a rule that names any of them.
        """
        flag_key = self._flags.get(kind)
        if flag_key is None:
            return Decision(EngineVariant.PERDURE, Reason.STATIC.value, None, None)
        found = await self._client.get_string_details_async(
            flag_key,
            EngineVariant.LEGACY.value,
            EvaluationContext(customer_id, {**(values or {}), "kind": kind}),
        )
        if found.error_code is not None or found.value not in set(EngineVariant):
            return Decision(EngineVariant.LEGACY, Reason.ERROR.value, flag_key, None)
        version = found.flag_metadata["version"]
        assert isinstance(version, int)
        return Decision(EngineVariant(found.value), str(found.reason), flag_key, version)


async def keep_decisions(connection: Connection, taken: Sequence[tuple[str, Decision]]) -> None:
    """Keep each decision that a flag made with its operation; one that has one keeps its first.

    Args:
        taken: Each operation's id, and what was decided of it.
    """
    made = [(found, decision) for found, decision in taken if decision.flag_key is not None]
    if not made:
        return
    await connection.execute(
        "INSERT INTO operation_routes (operation_id, engine, reason, flag_key, flag_version)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[])"
        " ON CONFLICT DO NOTHING",
        [found for found, _ in made],
        [decision.variant.value for _, decision in made],
        [decision.reason for _, decision in made],
        [decision.flag_key for _, decision in made],
        [decision.version for _, decision in made],
    )


def client_of(provider: StoredFlagProvider) -> OpenFeatureClient:
    """Register a provider with OpenFeature, and return a client that asks it.

    OpenFeature's registry is the process's; a name of its own keeps each platform's flags apart.
    """
    domain = f"perdure-{uuid4().hex}"
    api.set_provider_and_wait(provider, domain)
    return api.get_client(domain)
