"""The settings: what is empty is not there, and what is wrong is named in one line."""

import pytest

from perdure.config import Settings
from perdure.core.errors import ConfigurationError


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(f"PERDURE_{field.upper()}", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)


def test_every_setting_that_is_empty_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = Settings.load()
    for field in Settings.model_fields:
        monkeypatch.setenv(f"PERDURE_{field.upper()}", "")
    monkeypatch.setenv("DATABASE_URL", "")
    assert Settings.load() == defaults


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PERDURE_REGISTRY_URLS", "{info: http://x}", "it is no JSON: Expecting property name"),
        ("PERDURE_GATEWAY_CALLBACK_SECRETS", "whsec_hunter2", "it is no JSON: Expecting value"),
        ("PERDURE_QUEUES", '["a"]', "Input should be a valid dictionary"),
        ("PERDURE_REGISTRY_URLS", '{"fr": 1}', "Input should be a valid string at fr"),
        ("PERDURE_REGISTRY_URLS", '{"fr": "a", ".FR": "b"}', "A TLD is given twice"),
        ("PERDURE_REGISTRY_URLS", '{"": "http://x"}', "'' is not a TLD"),
        ("PERDURE_DATABASE_POOL_SIZE", "many", "Input should be a valid integer"),
    ],
)
def test_a_setting_that_is_wrong_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as wrong:
        Settings.load()
    assert wrong.value.message.startswith(f"The setting {name} is wrong: {told}")
    assert wrong.value.param == name
    assert "\n" not in wrong.value.message
    assert "hunter2" not in wrong.value.message


def test_a_registry_is_set_for_an_ending_however_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERDURE_REGISTRY_URLS", '{".CO.UK": "http://a", "Info": "http://b"}')
    assert Settings.load().registry_urls == {"co.uk": "http://a", "info": "http://b"}
