"""Bank syncs, in every process."""

from perdure.bank_sync.acceptance import BankSyncAcceptance
from perdure.bank_sync.access_tokens import AccessTokens
from perdure.bank_sync.contracts import AGGREGATOR, UNAVAILABLE
from perdure.bank_sync.process import FETCH_PAGE
from perdure.bank_sync.settings import BankSyncSettings
from perdure.capability.wiring import Host, Wiring
from perdure.durable.payloads.keys import DataKeys
from perdure.durable.payloads.ring import KeyRing
from perdure.durable.payloads.settings import PayloadSettings
from perdure.operations.waiting import Patience


def wire(host: Host) -> Wiring:
    """Return what takes syncs in."""
    settings = host.settings.of(BankSyncSettings)
    payloads = host.settings.of(PayloadSettings)
    keys = None
    if payloads.keys:
        keys = DataKeys(host.pool, KeyRing(payloads.keys), known_s=payloads.key_cache_s)
    return Wiring(
        actions=BankSyncAcceptance(),
        providers=[AGGREGATOR],
        patience={FETCH_PAGE.row_name: Patience(settings.sync_patience_s, UNAVAILABLE)},
        own=[AccessTokens(keys)],
    )
