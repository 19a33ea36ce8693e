"""What a renewal is given, what it answers, and the names by which it is run.

Old histories decode into these: a field is only ever added, with a default. Dates are texts
(`2027-11-21`), as Temporal's JSON has no dates.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final

from perdure.capability.contracts import Failure
from perdure.core.notes import Note
from perdure.notifications.contracts import Party

KIND: Final = "renewal"
ID_PREFIX: Final = "rnw"
WORKFLOW: Final = "Renewal"

CHECK_DOMAIN: Final = "renewal.check_domain"
HOLD_FEE: Final = "renewal.hold_fee"
RENEW: Final = "renewal.renew"
RESOLVE_RENEWAL: Final = "renewal.resolve_renewal"
READ_REPORT: Final = "renewal.read_report"
RECORD: Final = "renewal.record"
UNDO_RENEWAL: Final = "renewal.undo_renewal"
LET_STAND: Final = "renewal.let_stand"
CLOSE: Final = "renewal.close"


@dataclass(frozen=True, slots=True)
class RenewalRequest:
    """What the caller asks for."""

    customer_id: Annotated[str, Note(option="customer", help="Whose domain it is.")]
    domain: Annotated[
        str,
        Note(
            "In lower case.",
            examples=["example.info"],
            help="Its name, in lower case: example.info.",
            in_summary=True,
        ),
    ]
    years: Annotated[
        int,
        Note(
            "By how many it is renewed: 1 to 10.",
            default=1,
            help="By how many: 1 to 10.",
            in_summary=True,
        ),
    ]
    account_id: Annotated[
        str,
        Note(
            "The customer's account that pays.",
            option="account",
            help="The account that pays, acc_….",
        ),
    ]
    customer: Annotated[Party, Note("Who is told how it ended.", correctable=True)] = field(
        default_factory=Party
    )
    reference: str | None = None
    price_minor_max: Annotated[
        int | None,
        Note(
            "The most it may cost, for all years, in minor units. A premium domain is renewed only"
            " where this is given.",
            # Once the registry may have renewed, the price is what it is.
            fixed_by="renew",
            help="The most it may cost, for all years, in minor units. A premium domain is renewed"
            " only with it.",
        ),
    ] = None
    current_expires_on: Annotated[
        str | None,
        Note(
            "The domain's last day, as you show it to the customer (2027-11-21): asked for again"
            " when it is done, by a second click say, it is the same renewal, not another.",
            option="expires-on",
            help="The domain's last day now; so the same command twice renews once.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class RenewalInput:
    """The workflow's input.

    Args:
        registry: The provider, as in its queue's name.
        current_expires_on: The domain's last day as our row had it when the renewal was accepted:
            what keeps a second call to the registry from renewing again.
    """

    operation_id: str
    request: RenewalRequest
    registry: str
    current_expires_on: str


@dataclass(frozen=True, slots=True)
class DomainOffer:
    """What the registry says of a domain, before anything is done; see `RegisteredDomain`.

    Args:
        year_price_minor: Of one more year.
    """

    status: str
    expires_on: str
    premium: bool
    year_price_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Fee:
    """What the customer pays for all years."""

    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class HoldFee:
    """The input of the step that sets the fee aside."""

    renewal: RenewalInput
    fee: Fee


@dataclass(frozen=True, slots=True)
class RenewalReport:
    """The registry's report of a renewal.

    Args:
        renewal_id: The registry's own.
        price_minor: What it bills us.
        status: `renewed` or `undone`.
    """

    renewal_id: str
    expires_on: str
    price_minor: int
    currency: str
    status: str


@dataclass(frozen=True, slots=True)
class RenewalResolution:
    """What became of a call whose answer was lost; None: it was not made, and will not be."""

    report: RenewalReport | None = None


@dataclass(frozen=True, slots=True)
class Undone:
    """What is left at the registry of a renewal that was to be undone.

    Args:
        standing: The renewal that the registry does not take back; None: nothing is left.
        refusal: Why not, in the registry's words.
    """

    standing: RenewalReport | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class RecordRenewal:
    """The input of the step that posts the fee and writes the domain's new date."""

    renewal: RenewalInput
    fee: Fee
    report: RenewalReport


@dataclass(frozen=True, slots=True)
class LetStand:
    """The input of the step that records a renewal the registry does not take back.

    Args:
        failure: Why it was to be undone.
        refusal: Why it was not.
    """

    renewal: RenewalInput
    fee: Fee
    report: RenewalReport
    failure: Failure
    refusal: str


@dataclass(frozen=True, slots=True)
class CloseRenewal:
    """The input of the step that releases the fee and the domain, and ends the renewal."""

    renewal: RenewalInput
    failure: Failure
