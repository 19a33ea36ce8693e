"""What the notification service is told from outside."""

from typing import Annotated

from pydantic import AfterValidator
from pydantic_settings import SettingsConfigDict

from perdure.core.addresses import check_mail_address
from perdure.core.errors import InvalidInput
from perdure.core.settings import EnvironmentSettings


def _address_in_ascii(address: str) -> str:
    # One in ASCII is left alone: a mail server of one's own has names that others do not take.
    if address.isascii():
        return address
    try:
        return check_mail_address("mail_sender", address)
    except InvalidInput as error:
        raise ValueError(error.message.removesuffix(".")) from None


class NotificationSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_")

    mail_sender: Annotated[str, AfterValidator(_address_in_ascii)] = "payments@perdure.example"
