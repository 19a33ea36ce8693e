"""Giftcards, in every process: how they are taken in."""

from perdure import (
    FundedAcceptance,
    Host,
    Patience,
    Wiring,
    correctable,
)
from perdure_giftcards.contracts import ID_PREFIX, KIND, PROVIDER, GiftcardInput, GiftcardRequest
from perdure_giftcards.funding import VERB
from perdure_giftcards.process import ORDER
from perdure_giftcards.rules import check_request
from perdure_giftcards.settings import GiftcardSettings


def wire(host: Host) -> Wiring:
    """Return what takes giftcards in."""
    settings = host.settings.of(GiftcardSettings)

    def check_limits(request: GiftcardRequest) -> None:
        settings.amount_limit.check(request.amount_minor, request.currency, what=KIND)

    return Wiring(
        actions=FundedAcceptance(
            host.ledger,
            kind=KIND,
            id_prefix=ID_PREFIX,
            verb=VERB,
            check_request=check_request,
            check_limits=check_limits,
            request_type=GiftcardRequest,
            correctable=correctable(GiftcardRequest),
            input_of=GiftcardInput,
        ),
        providers=[PROVIDER],
        patience={ORDER.row_name: Patience(settings.giftcard_patience_s, "giftcards_unavailable")},
    )
