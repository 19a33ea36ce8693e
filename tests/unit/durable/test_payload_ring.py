"""Master keys: they wrap and unwrap, and one that is wrong or missing is named in a line."""

import pytest
from cryptography.exceptions import InvalidTag
from pydantic import SecretStr

from perdure.config import Settings
from perdure.core.errors import ConfigurationError, PayloadUnreadable
from perdure.durable.payloads.ring import Cipher, KeyRing
from perdure.durable.payloads.settings import PayloadSettings, new_master

OLD, NEW = new_master("2025"), new_master("2026")


def ring(*keys: str) -> KeyRing:
    return KeyRing([SecretStr(key) for key in keys])


def test_a_key_is_opened_by_the_master_that_wrapped_it_wherever_that_stands() -> None:
    wrapped = ring(OLD).new_key("pky_1")
    encrypted = ring(OLD).unwrap("pky_1", wrapped).encrypt(b"Ada")
    assert b"Ada" not in encrypted
    assert ring(NEW, OLD).unwrap("pky_1", wrapped).decrypt(encrypted) == b"Ada"
    anew = ring(NEW, OLD).rewrap("pky_1", wrapped)
    assert (wrapped.master, anew.master) == ("2025", "2026")
    assert ring(NEW).unwrap("pky_1", anew).decrypt(encrypted) == b"Ada"


@pytest.mark.parametrize(
    ("held", "key_id", "code"),
    [
        (NEW, "pky_1", "master_key_missing"),
        (new_master("2025"), "pky_1", "master_key_wrong"),
        (OLD, "pky_2", "master_key_wrong"),
    ],
    ids=["missing", "another secret", "another key"],
)
def test_one_that_is_wrong_or_missing_is_named(held: str, key_id: str, code: str) -> None:
    wrapped = ring(OLD).new_key("pky_1")
    with pytest.raises(PayloadUnreadable, match="2025") as met:
        ring(held).unwrap(key_id, wrapped)
    assert met.value.code == code
    assert "\n" not in met.value.message


def test_nothing_that_was_changed_is_taken_for_what_it_was() -> None:
    cipher = Cipher("pky_1", bytes(32))
    encrypted = bytearray(cipher.encrypt(b"Ada"))
    encrypted[-1] ^= 1
    with pytest.raises(InvalidTag):
        cipher.decrypt(bytes(encrypted))
    assert cipher.encrypt(b"Ada") != cipher.encrypt(b"Ada")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["2026"], "write a key as ID:SECRET"),
        (["2026:c2hvcnQ="], "write a key as ID:SECRET"),
        ([":" + OLD.partition(":")[2]], "write a key as ID:SECRET"),
        ([OLD, OLD], "two keys have one id"),
    ],
    ids=["no secret", "too short", "no id", "twice"],
)
def test_a_setting_that_is_wrong_is_refused_without_the_secret(keys: list[str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as met:
        Settings(payload_keys=keys).of(PayloadSettings)
    assert "PERDURE_PAYLOAD_KEYS" in met.value.message
    assert all(key.partition(":")[2] not in met.value.message for key in keys if ":" in key)
