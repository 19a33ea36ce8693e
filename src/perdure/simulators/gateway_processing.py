"""What the simulated gateway does with money: charge, confirm, call off, give back."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from perdure.core.ids import new_id
from perdure.simulators.background import Background
from perdure.simulators.faults import UNKNOWN_STATUS, Chance, otherwise
from perdure.simulators.gateway_behaviour import Behaviour, Confirmation, Fault, Lie
from perdure.simulators.gateway_books import Charge, Event, GatewayBooks, Refund
from perdure.simulators.gateway_callbacks import TIMEOUT_S, Callbacks


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """How the gateway is run.

    Args:
        data_dir: Where its books are kept.
        callback_secret: Signs callbacks: `whsec_` and base64.
        port: 0: any that is free.
        callback_url: Where callbacks go when a request does not say.
        callback_hosts: Hosts that callbacks may go to besides this machine.
        idempotent: The same reference again returns the first charge. Off, it charges again: the
            harder gateway, which shows whether its clients ask first.
        confirm_delay_s: How long a charge stays pending.
        slow_s: How long a slow answer takes.
        late_callback_s: How long after the confirmation a late callback is sent.
        chance: What goes wrong by chance.
    """

    data_dir: Path
    callback_secret: str
    host: str = "127.0.0.1"
    port: int = 8101
    callback_url: str | None = None
    callback_hosts: tuple[str, ...] = ()
    idempotent: bool = False
    confirm_delay_s: float = 0.2
    slow_s: float = 2.0
    late_callback_s: float = 30.0
    chance: Chance[Fault] = field(default_factory=Chance)


Reference = Annotated[str, Field(min_length=1, max_length=200)]
AmountMinor = Annotated[int, Field(gt=0, lt=2**63)]


class ChargeRequest(BaseModel, strict=True):
    """The body of `POST /v1/charges`."""

    reference: Reference
    amount_minor: AmountMinor
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    payment_method: Annotated[str, Field(max_length=200)]
    callback_url: str | None = None


class RefundRequest(BaseModel, strict=True):
    """The body of `POST /v1/refunds`."""

    reference: Reference
    charge_reference: Reference
    amount_minor: AmountMinor


class Processing:
    """Charges and refunds, each kept on disk before it is told.

    Args:
        settings: How the gateway is run.
        books: What it remembers.
        callbacks: How it tells.
        background: What it does after it has answered.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        books: GatewayBooks,
        callbacks: Callbacks,
        background: Background,
    ) -> None:
        self._settings = settings
        self._books = books
        self._callbacks = callbacks
        self._background = background

    def resume(self) -> None:
        """Take up what the last run left: confirmations to come, callbacks to deliver."""
        for charge in self._books.charges():
            if charge.status == "pending":
                self.confirm_later(charge)
        for event in self._books.undelivered():
            self._background.start(self._callbacks.deliver(event))

    async def charge(self, asked: ChargeRequest, behaviour: Behaviour, url: str | None) -> Charge:
        """Make a pending charge."""
        self._books.record_attempt(asked.reference, "charged")
        now = time.time()
        made = Charge(
            id=new_id("ch"),
            reference=asked.reference,
            amount_minor=asked.amount_minor,
            currency=asked.currency,
            payment_method=asked.payment_method,
            created_at=now,
            confirmation=behaviour.confirmation,
            due_at=now + self._settings.confirm_delay_s,
            callback_url=url,
            callback_copies=behaviour.callback_copies,
            callback_delay_s=self._settings.late_callback_s if behaviour.callback_late else 0,
        )
        changes = otherwise(behaviour.does, made.view())
        charge = self._books.record_charge(replace(made, **changes))
        if behaviour.lie is not None:
            before = self._books.charge_before(charge)
            about = before.reference if before else f"not_{charge.reference}"
            tells_failure = behaviour.lie in (Lie.ID, Lie.STATUS, Lie.FAILED)
            self._tell(
                charge,
                "charge.failed" if tells_failure else "charge.succeeded",
                lie=behaviour.lie,
                reference=about if behaviour.lie == Lie.REFERENCE else None,
            )
        await self._books.sync()
        return charge

    def confirm_later(self, charge: Charge) -> None:
        """Confirm a charge when it is due, and call back."""
        if charge.confirmation != Confirmation.NEVER:
            self._background.start(self._confirm_when_due(charge))

    async def confirm_now(self, charge: Charge, *, and_told: bool = True) -> None:
        """Confirm a charge at once, and wait for the callback to have been taken, if it says so."""
        event = await self._confirm(charge)
        if event is not None:
            delivery = self._background.start(self._callbacks.deliver(event))
            if and_told:
                await asyncio.wait([delivery], timeout=TIMEOUT_S)

    async def cancel(self, charge: Charge) -> None:
        """Call a charge off that has not ended yet."""
        if charge.status in ("pending", UNKNOWN_STATUS):
            self._books.record_end(charge, "cancelled", failure_code=None, event=None)
            await self._books.sync()

    async def refund(self, asked: RefundRequest, charge: Charge) -> Refund:
        """Give back a part of a charge."""
        refund = Refund(
            id=new_id("re"),
            reference=asked.reference,
            charge_id=charge.id,
            charge_reference=charge.reference,
            amount_minor=asked.amount_minor,
            currency=charge.currency,
            created_at=time.time(),
        )
        self._books.record_refund(refund)
        await self._books.sync()
        return refund

    async def refund_at_desk(self, charge: Charge, amount_minor: int) -> Refund:
        """Give back a part of a charge that nobody asked for over the API, and call back."""
        asked = RefundRequest(
            reference=new_id("desk"), charge_reference=charge.reference, amount_minor=amount_minor
        )
        refund = await self.refund(asked, charge)
        self._tell(charge, "charge.refunded")
        await self._books.sync()
        return refund

    async def dispute(self, charge: Charge, status: str) -> None:
        """Have the holder of the payment method dispute a charge, or that dispute end."""
        self._books.record_dispute(charge, status)
        self._tell(charge, f"charge.dispute.{'created' if status == 'open' else 'closed'}")
        await self._books.sync()

    def _tell(
        self, charge: Charge, kind: str, *, lie: Lie | None = None, reference: str | None = None
    ) -> None:
        """Call back with something else than a charge's end."""
        if charge.callback_url is None:
            return
        now = time.time()
        event = Event(new_id("evt"), kind, charge.id, now, now, lie, reference)
        self._books.record_event(event)
        self._background.start(self._callbacks.deliver(event))

    async def _confirm_when_due(self, charge: Charge) -> None:
        await asyncio.sleep(max(0.0, charge.due_at - time.time()))
        event = await self._confirm(charge)
        if event is not None:
            await self._callbacks.deliver(event)

    async def _confirm(self, charge: Charge) -> Event | None:
        """End a charge, if it is still pending; returns the callback that is owed for it."""
        if charge.status != "pending":
            return None
        now = time.time()
        event = None
        if charge.callback_url is not None and charge.callback_copies > 0:
            event = Event(
                id=new_id("evt"),
                type=f"charge.{charge.confirmation}",
                charge_id=charge.id,
                occurred_at=now,
                deliver_at=now + charge.callback_delay_s,
            )
        failure_code = "insufficient_funds" if charge.confirmation == Confirmation.FAILED else None
        self._books.record_end(charge, charge.confirmation, failure_code=failure_code, event=event)
        await self._books.sync()
        return event
