"""What others publish about the speed of ledgers; none of it was measured here."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reference:
    """A published figure.

    Args:
        product: Whose.
        figure: As published; what was derived from it says so.
        measured: What it is a figure of, and under which conditions as far as they are told.
        source: Where it was published.
    """

    product: str
    figure: str
    measured: str
    source: str


REFERENCES: Final = (
    Reference(
        "TigerBeetle",
        "1,000,000 transactions/s",
        "an aim of the design, not a measurement; up to 8,190 transfers in a request",
        "docs.tigerbeetle.com, concepts/oltp and concepts/performance",
    ),
    Reference(
        "TigerBeetle",
        "7 ms a batch of 8,191 (1,170,000/s, derived)",
        "client in Zig, one local replica, 2 accounts, an old release; Go 59 ms, Java 27 ms,"
        " .NET 25 ms",
        "gist batiati/e525b443",
    ),
    Reference(
        "TigerBeetle",
        "about 48,000 transfers/s, bursts of 63,000",
        "a third party's run on a Mac mini M4, one process",
        "backend.how/posts/1b-payments-per-day",
    ),
    Reference(
        "PostgreSQL",
        "3,356 requests/s",
        "the same third party's run, on the same machine",
        "backend.how/posts/1b-payments-per-day",
    ),
    Reference(
        "PostgreSQL",
        "INSERT 2,000/s; batches of 50: 8,000/s; COPY 12,000/s; COPY, partitions: 15,000/s",
        "rows of a payment ledger written to one instance, by one project's own account",
        "settla, ADR-002",
    ),
    Reference(
        "Formance Ledger",
        '"optimised for 1K writes per second"',
        "one ledger on commodity PostgreSQL; transfers from one account queue on its row's lock",
        "docs.formance.com, architecting for scale",
    ),
    Reference(
        "Blnk",
        'no figure; "up to about 5x" more from coalescing',
        "release 0.14 against the one before, their own runs",
        "Blnk's changelog, 0.14.0",
    ),
)

CONCLUSION: Final = (
    "These are other people's figures from other machines, of other work (a write is not everywhere"
    " a transfer that is held, checked against a floor and posted), and durable to a degree that"
    " not all of them tell. A reader may take from them the order of magnitude to expect, and that"
    " writing in batches is what makes ledgers fast; not that one of these products is so many"
    " times faster or slower than another: for that, run both on one machine."
)
"""What may and may not be read from the two tables together."""
