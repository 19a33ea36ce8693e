"""How a renewal is refunded: the registry takes it back, and the domain ends as before."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from perdure.core.errors import Conflict, Refused
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.operations.agreement import Expected
from perdure.operations.model import Operation
from perdure.operations.refunding import RefundableKind, RefundTerms
from perdure.providers.registry import DomainRegistry, RegistryRenewal
from perdure.refunds.contracts import GivenBack, RefundInput
from perdure.renewals import domains, rules
from perdure.renewals.contracts import KIND
from perdure.renewals.domains import Renewed
from perdure.storage.pool import Connection


def _terms(operation: Operation) -> RefundTerms:
    assert operation.result is not None, "a renewal that has succeeded says what it cost"
    currency = operation.result["currency"]
    return RefundTerms(
        account_id=operation.input["request"]["account_id"],
        taken_by=system_account_id(SystemAccount.REGISTRY_CLEARING, currency),
        amount_minor=operation.result["price_minor"],
        currency=currency,
        provider=operation.input["registry"],
    )


async def _claim(connection: Connection, operation: Operation, refund_id: str) -> None:
    """Claim the domain: while it is taken back, nothing else changes its date.

    Raises:
        Conflict: `renewal_in_progress`.
        Refused: `domain_not_owned`.
    """
    name = operation.input["request"]["domain"]
    domain = (await domains.lock(connection, [name])).get(name)
    if domain is None or domain.customer_id != operation.customer_id:
        raise Refused(
            f"{name} is no longer {operation.customer_id}'s, so its renewal is not taken back.",
            code="domain_not_owned",
            param="id",
        )
    if domain.renewing is not None:
        raise Conflict(
            f"{name} is being renewed now, by {domain.renewing}; wait for its end, or cancel it.",
            code="renewal_in_progress",
            param="id",
        )
    await domains.claim(connection, {name: refund_id})


async def _record(
    connection: Connection, operation: Operation, refund_id: str, details: Mapping[str, str]
) -> None:
    name, expires_on = operation.input["request"]["domain"], details["expires_on"]
    await domains.record_renewed(
        connection, [Renewed(name, refund_id, date.fromisoformat(expires_on))]
    )


async def _release(connection: Connection, operation: Operation, refund_id: str) -> None:
    await domains.release(connection, operation.input["request"]["domain"], refund_id)


REFUNDABLE_RENEWALS: Final = RefundableKind(
    KIND,
    _terms,
    told="customer",
    claim=_claim,
    record=_record,
    release=_release,
    final_refusals=rules.NOT_TAKEN_BACK,
)


class RegistryRefunds:
    """Renewals taken back at the registries, by the renewal's own reference.

    Args:
        registries: By their names, as in their queues'.
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(self, registries: Mapping[str, DomainRegistry], *, timeout_s: float) -> None:
        self._registries = registries
        self.providers = tuple(registries)
        self.timeout_s = timeout_s

    async def give_back(self, refund: RefundInput) -> GivenBack:
        """Have the renewal taken back; see `RefundProvider.give_back`."""
        registry = self._registries[refund.provider]
        return _given(await registry.undo_renewal(refund.request.refund_of), refund)

    async def find(self, refund: RefundInput) -> GivenBack | None:
        """Look whether the renewal was taken back; see `RefundProvider.find`."""
        registry = self._registries[refund.provider]
        found = await registry.find_renewal(refund.request.refund_of)
        return None if found is None or found.status == "renewed" else _given(found, refund)


def _given(renewal: RegistryRenewal, refund: RefundInput) -> GivenBack:
    request = refund.request
    Expected(
        refund.provider,
        {
            "reference": request.refund_of,
            "status": "undone",
            "price_minor": request.amount_minor,
            "currency": request.currency,
        },
    ).check(renewal)
    return GivenBack(
        {"registry_renewal_id": renewal.id, "expires_on": renewal.expires_on.isoformat()}
    )
