"""What reconciliations are told from outside."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from perdure.core.addresses import check_mail_address
from perdure.core.errors import InvalidInput
from perdure.core.settings import EnvironmentSettings


def _address(text: str) -> str:
    try:
        return check_mail_address("address", text)
    except InvalidInput as error:
        raise ValueError(error.message.removesuffix(".")) from None


class ReconciliationSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_RECONCILIATION_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_RECONCILIATION_")

    batch: int = Field(default=100, ge=1, le=1000)
    """How many accounts are compared in one commit."""
    at_once: int = Field(default=4, ge=1, le=50)
    """How many such batches are compared at a time."""
    pause_s: float = Field(default=0.1, ge=0, le=60)
    """How long after each the next one waits."""
    run_batches: int = Field(default=200, ge=1, le=400)
    """After how many batches its workflow goes on as a new run."""
    books: list[str] = Field(default_factory=list)
    """Whose own books are read beside statements, as JSON: `["gateway", "bank"]`."""
    books_days: int = Field(default=7, ge=1, le=365)
    """How far back they are read: what was done before is not new."""
    statements_folder: Path | None = None
    """Files in it are loaded before accounts are compared; None: nobody looks."""
    mail_to: Annotated[str, AfterValidator(_address)] | None = None
    """Who is sent the report; None: nobody."""
    excused_days: int = Field(default=5, ge=1, le=365)
    """How long what was accepted as timing, or sent back, is waited for, where nobody says."""
    write_off_minor_max: int = Field(default=1000, ge=0)
    """The most that one break may be written off for, in minor units of two digits."""
