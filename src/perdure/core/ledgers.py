"""Where the ledger's balances are kept."""

from enum import StrEnum


class LedgerChoice(StrEnum):
    """Where they may be; all else of the ledger is in PostgreSQL in any case."""

    POSTGRES = "postgres"
    TIGERBEETLE = "tigerbeetle"
