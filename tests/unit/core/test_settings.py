"""Settings from the environment: secrets may stand in files, and are told to nobody."""

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from perdure.core.errors import ConfigurationError
from perdure.core.settings import EnvironmentSettings
from perdure.providers.credentials import HttpSettings

HUNTER2 = "hunter2"


class Wanted(EnvironmentSettings):
    model_config = SettingsConfigDict(env_prefix="WANTED_")

    key: SecretStr
    keys: list[SecretStr] = []  # noqa: RUF012 - pydantic copies it
    number: int = 1


def wrong() -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        Wanted.read()
    told = "".join(traceback.format_exception(raised.value))
    assert HUNTER2 not in told
    assert "\n" not in raised.value.message
    return raised.value


def test_a_secret_stands_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{HUNTER2}\n")
    (tmp_path / "keys").write_text(f'["{HUNTER2}"]\n')
    monkeypatch.setenv("WANTED_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("WANTED_KEYS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("WANTED_NUMBER_FILE", "")
    read = Wanted.read()
    assert (read.key.get_secret_value(), read.keys[0].get_secret_value()) == (HUNTER2, HUNTER2)
    assert HUNTER2 not in repr(read)
    assert Wanted.read(key=SecretStr("given")).key.get_secret_value() == "given"


def test_a_secret_is_given_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANTED_KEY", HUNTER2)
    monkeypatch.setenv("WANTED_KEY_FILE", str(tmp_path))
    assert wrong().message == "Both WANTED_KEY and WANTED_KEY_FILE are set; take one away."


def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANTED_KEY_FILE", str(tmp_path / "none"))
    assert wrong().message.startswith(f"WANTED_KEY_FILE names {tmp_path / 'none'}, which cannot")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("WANTED_NUMBER", HUNTER2, "The setting WANTED_NUMBER is wrong: Input should be a valid"),
        ("WANTED_KEYS", HUNTER2, "The setting WANTED_KEYS is wrong: it is no JSON: Expecting"),
        ("WANTED_OTHER", HUNTER2, "The setting WANTED_KEY is missing."),
    ],
)
def test_what_is_wrong_or_missing_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    if name != "WANTED_OTHER":
        monkeypatch.setenv("WANTED_KEY", HUNTER2)
    monkeypatch.setenv(name, value)
    assert wrong().message.startswith(told)


def test_a_file_of_a_list_that_is_no_json_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(HUNTER2)
    monkeypatch.setenv("WANTED_KEY", HUNTER2)
    monkeypatch.setenv("WANTED_KEYS_FILE", str(tmp_path / "keys"))
    assert "WANTED_KEYS_FILE is wrong: what the file holds is no JSON" in wrong().message


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"user": "us"}, "USER and PASSWORD go together"),
        ({"hmac_key": "aHVudGVyMg=="}, "HMAC_KEY and HMAC_KEY_ID go together"),
        ({"client_key": "a.pem"}, "CLIENT_CERTIFICATE and CLIENT_KEY go together"),
        ({"api_key": HUNTER2, "user": "us", "password": HUNTER2}, "not both"),
        ({"hmac_key": "hunter2!", "hmac_key_id": "us"}, "PERDURE_BANK_HMAC_KEY is wrong: it is no"),
        ({"api_key": f"{HUNTER2}\n"}, "PERDURE_BANK_API_KEY is wrong: it has characters"),
        ({"api_key": HUNTER2, "url": "https://us:pw@bank.example"}, "URL has a password"),
    ],
)
def test_credentials_that_do_not_belong_together_are_told(given: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        HttpSettings.read(prefix="PERDURE_BANK_", **({"url": "http://x"} | given))
    assert told in raised.value.message
    assert "PERDURE_BANK_" in raised.value.message
    assert HUNTER2 not in raised.value.message
