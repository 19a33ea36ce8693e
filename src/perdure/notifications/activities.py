"""The notification service's one activity: deliver a message, once."""

from dataclasses import dataclass

import structlog
from temporalio import activity

from perdure.core.errors import Refused
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.notifications import store
from perdure.notifications.contracts import DELIVER, Channel
from perdure.notifications.store import Notification
from perdure.operations.provider_calls import ProviderCall, ProviderCalls
from perdure.providers.mail import Mail, MailSender
from perdure.providers.sms import SmsSender
from perdure.storage.pool import Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sent:
    """The mail or SMS provider took the message."""

    reference: str


class NotificationActivities:
    """Given the pool and the providers.

    Args:
        sender: The address mails come from; its domain also ends their Message-IDs.
        timeout_s: The longest one delivery may take, in seconds.
    """

    def __init__(
        self,
        pool: Pool,
        calls: ProviderCalls,
        mail: MailSender,
        sms: SmsSender,
        *,
        sender: str,
        timeout_s: float = 10.0,
    ) -> None:
        self._pool = pool
        self._calls = calls
        self._mail = mail
        self._sms = sms
        self._sender = sender
        self._timeout_s = timeout_s

    @activity.defn(name=DELIVER)
    @records_its_attempts
    async def deliver(self, notification_id: str) -> None:
        """Deliver a message; one that was delivered, or refused for good, is left.

        Raises:
            NotFound: No such message.
            ProviderError: Not delivered yet, or not known; try again.
        """
        notification = await store.get(self._pool, notification_id)
        if notification.state != "pending":
            return
        try:
            await self._calls.get_or_create(self._call(notification))
        except Refused as error:
            # No such address: trying again would not help, and the payment is not to blame.
            log.warning("notification_rejected", notification_id=notification_id, code=error.code)
            await store.end(self._pool, notification_id, "rejected")
            return
        await store.end(self._pool, notification_id, "sent")

    def _call(self, notification: Notification) -> ProviderCall[Sent]:
        by_mail = notification.channel == Channel.EMAIL
        reference = notification.id
        if by_mail:
            reference = f"<{notification.id}@{self._sender.rpartition('@')[2]}>"

        async def create() -> Sent:
            if by_mail:
                await self._mail.send(
                    Mail(
                        message_id=reference,
                        to=notification.recipient,
                        subject=notification.subject,
                        text=notification.body,
                        sender=self._sender,
                    )
                )
            else:
                await self._sms.send(
                    reference=reference, to=notification.recipient, text=notification.body
                )
            return Sent(reference)

        async def find() -> Sent | None:
            # A server that cannot tell (None) gets the message again, under the same Message-ID.
            was_sent = await (self._mail if by_mail else self._sms).was_sent(reference)
            return Sent(reference) if was_sent else None

        return ProviderCall(
            operation_id=notification.operation_id,
            step=f"notify_{notification.audience}_{notification.channel}",
            provider="mail" if by_mail else "sms",
            reference=reference,
            returns=Sent,
            timeout_s=self._timeout_s,
            create=create,
            find=find,
            undoes=True,
            moves=False,
        )
