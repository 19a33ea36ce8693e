"""What a person is told of the check of their identity, in words that give nothing away."""

from collections.abc import Mapping
from typing import Final

from perdure.core.check_states import ASKS_THE_PERSON, CheckState
from perdure.identity.contracts import SeenCheck
from perdure.notifications.contracts import Message, Party
from perdure.notifications.rules import messages_to

_WANTED: Final[Mapping[str, str]] = {
    "document": "a picture of your passport or identity card",
    "document_unreadable": "a sharper picture of your document",
    "document_expired": "a document that is still valid",
    "document_back": "the back of your document",
    "selfie": "a picture of your face",
    "proof_of_address": "a letter or bill with your address",
}
"""What a verifier's codes ask for; of any other it is not told what it is."""


def wanted_in_words(seen_wanted: list[str]) -> list[str]:
    """Return what the person is to show, as far as there are words for it."""
    return [_WANTED[code] for code in seen_wanted if code in _WANTED]


def messages_about(given: SeenCheck, person: Party) -> list[Message]:
    """Return what the person is told of how a check stands; mostly nothing."""
    seen = given.seen
    if seen.status not in ASKS_THE_PERSON:
        return []
    again = seen.status == CheckState.RESUBMISSION_REQUESTED
    subject = "We need something more from you" if again else "Please show us who you are"
    wanted = "; ".join(wanted_in_words(seen.wanted))
    asked = f"Please send us {wanted}." if wanted else "Please complete the check of your identity."
    where = f" You can do it here: {seen.input_url}" if seen.input_url else ""
    return messages_to(
        # A message has an audience of its own each time that something is asked for.
        f"customer_identity_{given.check.again}_{given.check.number}_{given.asked}",
        person,
        subject,
        f"{asked}{where}",
        reference=None,
    )
