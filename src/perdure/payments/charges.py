"""A payment's charge at the gateway: compared with the one we made, and given back."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from perdure.core.errors import ANSWERS, InvalidInput, ProviderDisagrees, Refused
from perdure.operations.agreement import Expected
from perdure.operations.model import Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.payments.contracts import GATEWAY, ChargeOutcome, PaymentInput
from perdure.providers.gateway import (
    CHARGE_STATUSES,
    REFUND_STATUSES,
    Charge,
    PaymentGateway,
)


def outcome_of(charge: Charge) -> ChargeOutcome:
    """Return how a charge stands."""
    return ChargeOutcome(charge.id, charge.status, charge.failure_code)


def expected_charge(payment: PaymentInput, made: ChargeOutcome | None = None) -> Expected:
    """Return what the gateway has to say of a payment's charge.

    Args:
        made: As it answered when it made the charge; None: it has not answered.
    """
    request = payment.request
    says: dict[str, object] = {
        "reference": payment.operation_id,
        "amount_minor": request.amount_minor,
        "currency": request.currency,
    }
    if made is not None:
        says["id"] = made.charge_id
    return Expected(GATEWAY, says, {"status": CHARGE_STATUSES})


def _left_minor(charge: Charge) -> int:
    """Return what is left to give back of a charge."""
    return charge.amount_minor - charge.refunded_minor if charge.status == "succeeded" else 0


@dataclass(frozen=True, slots=True)
class Returned:
    """What one call gave back of a charge.

    An answer of the gateway that was kept before this was decodes into it.

    Args:
        id: The gateway's id of its refund; None: there was nothing left.
    """

    amount_minor: int = 0
    id: str | None = None


async def give_back_the_rest(
    gateway: PaymentGateway,
    *,
    reference: str,
    charge_reference: str,
    amount_minor: int,
    currency: str,
) -> Returned:
    """Give back what is left of a charge, under a reference of its own.

    What was given back at the gateway's own desk is not given back twice, also where that happens
    just now; where nothing is left, all is done.

    Args:
        amount_minor: What was taken, as far as we know.

    Raises:
        Refused, InvalidInput, ProviderError: As `PaymentGateway.refund`.
        ProviderDisagrees: It gave back something else.
    """
    refusal: Refused | InvalidInput | None = None
    while True:
        charge = await gateway.find_charge(charge_reference)
        if charge is not None and charge.status == "succeeded":
            if (left := _left_minor(charge)) <= 0:
                return Returned()
            if refusal is not None and left >= amount_minor:
                raise refusal
            amount_minor = left
        elif refusal is not None:
            raise refusal
        try:
            made = await gateway.refund(
                reference=reference, charge_reference=charge_reference, amount_minor=amount_minor
            )
        except (Refused, InvalidInput) as error:
            refusal = error
            continue
        says = {"reference": reference, "amount_minor": amount_minor, "currency": currency}
        Expected(GATEWAY, says, {"status": REFUND_STATUSES}).check(made)
        return Returned(made.amount_minor, made.id)


async def find_given_back(
    gateway: PaymentGateway, *, reference: str, charge_reference: str, currency: str
) -> Returned | None:
    """Return what was given back under a reference; None: nothing was.

    Raises:
        ProviderError: It gave no answer; ask again.
        ProviderDisagrees: It tells of something else.
    """
    found = await gateway.find_refund(reference, charge_reference=charge_reference)
    if found is None:
        return None
    says = {"reference": reference, "currency": currency}
    Expected(GATEWAY, says, {"status": REFUND_STATUSES}).check(found)
    return Returned(found.amount_minor, found.id)


_ENDED: Final = CHARGE_STATUSES - {"pending"}


class ChargesUndone:
    """Undoes what the gateway took for payments that do not succeed.

    Args:
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(self, calls: ProviderCalls, gateway: PaymentGateway, *, timeout_s: float) -> None:
        self._calls = calls
        self._gateway = gateway
        self._timeout_s = timeout_s

    async def undo(self, payment_id: str, step: str) -> Charge:
        """Call a charge off, or give back what is left of it, once; returns it as it stands then.

        Args:
            step: Of the payment, and the last part of the reference at the gateway.

        Raises:
            Refused, InvalidInput: The gateway does not.
            ProviderError: Not done, or not known; try again.
            ProviderDisagrees: What it says makes no sense of it.
        """
        charge = await self._gateway.cancel_charge(payment_id)
        # What its books say counts, not what it answered to that.
        charge = await self._gateway.find_charge(payment_id) or charge
        Expected(GATEWAY, {"reference": payment_id}, {"status": _ENDED}).check(charge)
        call = self._call(charge, step)
        if _left_minor(charge) <= 0:
            # It may have been given back by an earlier call whose answer was lost; one that was
            # refused is no matter any more.
            with suppress(*ANSWERS):
                await self._calls.resolve(call)
            return charge
        await self._calls.get_or_create(call)
        charge = await self._gateway.find_charge(payment_id) or charge
        if (left := _left_minor(charge)) > 0:
            raise ProviderDisagrees(
                f"The gateway says that it gave the charge of {payment_id} back, and that it has"
                f" {left} of {charge.amount_minor} still."
            )
        return charge

    def _call(self, taken: Charge, step: str) -> ProviderCall[Returned, Returned]:
        reference = f"{taken.reference}:{step}"
        return ProviderCall(
            operation_id=taken.reference,
            step=step,
            provider=GATEWAY,
            reference=reference,
            returns=Returned,
            timeout_s=self._timeout_s,
            create=lambda: give_back_the_rest(
                self._gateway,
                reference=reference,
                charge_reference=taken.reference,
                amount_minor=taken.amount_minor,
                currency=taken.currency,
            ),
            find=lambda: find_given_back(
                self._gateway,
                reference=reference,
                charge_reference=taken.reference,
                currency=taken.currency,
            ),
            expects=None,  # how much it is, is known when it is done
            outcome=lambda returned: returned,
            undoes=True,
            repeatable=True,
            status_after=Status.REVERSING,
        )
