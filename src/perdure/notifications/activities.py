"""The notification service's activities: deliver a message, once, wherever that is tried."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from temporalio import activity

from perdure.core.errors import NotFound, ProviderError, Refused
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.notifications import store
from perdure.notifications.contracts import DELIVER, DELIVER_FIRST_TRY, Channel
from perdure.notifications.store import Notification
from perdure.operations.attempts import Attempt, attempt_under_way
from perdure.operations.first_tries import FirstTries
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.providers.mail import Mail, Mailer
from perdure.providers.sms import SmsSender
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sent:
    """The mail or SMS provider took the message."""

    reference: str


class NotificationActivities:
    """Given the pool and the providers.

    Args:
        first_tries: For each channel, whether its provider is quick enough to be called from an
            operation's workflow.
        sender: The address mails come from; its domain also ends their Message-IDs.
        timeout_s: The longest one delivery may take, in seconds.
    """

    def __init__(
        self,
        pool: Pool,
        calls: ProviderCalls,
        mail: Mailer,
        sms: SmsSender,
        *,
        first_tries: Mapping[Channel, FirstTries],
        sender: str,
        timeout_s: float = 10.0,
    ) -> None:
        self._pool = pool
        self._calls = calls
        self._mail = mail
        self._sms = sms
        self._first_tries = first_tries
        self._sender = sender
        self._timeout_s = timeout_s
        self._found: GroupCommit[str, Notification | None] = GroupCommit(self._find)

    @activity.defn(name=DELIVER)
    @records_its_attempts
    async def deliver(self, notification_id: str) -> None:
        """Deliver a message; one that was delivered, or refused for good, is left.

        Raises:
            NotFound: No such message.
            ProviderError: Not delivered yet, or not known; try again.
        """
        await self._deliver(await self._get(notification_id))

    async def _get(self, notification_id: str) -> Notification:
        notification = await self._found.submit(notification_id)
        if notification is None:
            raise NotFound(f"There is no notification {notification_id}.", param="notification_id")
        return notification

    async def _deliver(self, notification: Notification) -> None:
        if notification.state != "pending":
            return
        try:
            await self._calls.get_or_create(self._call(notification))
        except Refused as error:
            # No such address: trying again would not help, and the payment is not to blame.
            log.warning("notification_rejected", notification_id=notification.id, code=error.code)
            await store.reject(self._pool, notification.id)

    async def deliver_now(self, notification_ids: list[str]) -> list[str]:
        """Deliver messages in parallel; returns those whose provider fails, for later tries."""
        return await self._deliver_if(lambda tries: not tries.is_failing, notification_ids)

    @activity.defn(name=DELIVER_FIRST_TRY)
    @records_its_attempts
    async def deliver_first_try(self, notification_ids: list[str]) -> list[str]:
        """Deliver messages whose provider is quick, in parallel; returns the others."""
        return await self._deliver_if(FirstTries.may_begin, notification_ids)

    async def _deliver_if(
        self, may: Callable[[FirstTries], bool], notification_ids: list[str]
    ) -> list[str]:
        async def deliver(notification_id: str) -> bool:
            with attempt_under_way(Attempt("deliver")):
                notification = await self._get(notification_id)
                if not may(self._first_tries[notification.channel]):
                    return False
                try:
                    await self._deliver(notification)
                except ProviderError:
                    return False
            return True

        delivered = await asyncio.gather(*(deliver(one) for one in notification_ids))
        return [one for one, done in zip(notification_ids, delivered, strict=True) if not done]

    async def _find(self, notification_ids: list[str]) -> Sequence[Notification | None]:
        found = await store.find(self._pool, notification_ids)
        return [found.get(notification_id) for notification_id in notification_ids]

    def _call(self, notification: Notification) -> ProviderCall[Sent, Sent]:
        by_mail = notification.channel == Channel.EMAIL
        reference = notification.id
        if by_mail:
            reference = f"<{notification.id}@{self._sender.rpartition('@')[2]}>"

        async def create() -> Sent:
            with self._first_tries[notification.channel].under_way():
                await self._send(notification, reference)
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
            # What is sent is not told back; whose it is, the providers' clients compare.
            expects=None,
            outcome=lambda sent: sent,
            undoes=True,
            moves=False,
            delivers=notification.id,
        )

    async def _send(self, notification: Notification, reference: str) -> None:
        if notification.channel == Channel.SMS:
            await self._sms.send(
                reference=reference, to=notification.recipient, text=notification.body
            )
            return
        await self._mail.send(
            Mail(
                message_id=reference,
                to=notification.recipient,
                subject=notification.subject,
                text=notification.body,
                sender=self._sender,
                html=notification.html,
            )
        )
