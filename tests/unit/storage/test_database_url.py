"""What libpq takes in a URL works, or has no effect; what cannot be had is refused."""

import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from perdure.core.errors import ConfigurationError
from perdure.storage.database_url import DatabaseUrl

HOST = "postgresql://ada@db.example/perdure"


def test_a_plain_url_stays_as_it_is() -> None:
    read = DatabaseUrl.parse(f" {HOST}\n")
    assert (read.url, read.settings, read.left_out) == (HOST, {}, ())
    assert read.options == {"timeout": 10.0}


@pytest.mark.parametrize(
    "parameter",
    [
        "channel_binding=require",
        "gssencmode=disable",
        "gssencmode=prefer",
        "keepalives=1",
        "keepalives_idle=30",
        "tcp_user_timeout=10000",
        "client_encoding=auto",
        "sslsni=1",
        "load_balance_hosts=random",
        "hostaddr=10.0.0.1",
    ],
)
def test_a_parameter_of_libpq_that_has_no_use_is_left_out_with_a_word(parameter: str) -> None:
    read = DatabaseUrl.parse(f"{HOST}?{parameter}&sslmode=require")
    assert read.url == f"{HOST}?sslmode=require"
    assert read.settings == {}
    assert read.left_out == (parameter.partition("=")[0],)
    with capture_logs() as logs:
        read.tell_what_is_left_out()
        read.tell_what_is_left_out()
    assert [log["names"] for log in logs] in ([list(read.left_out)], [])


@pytest.mark.parametrize(
    ("parameter", "timeout_s"),
    [("connect_timeout=3", 3.0), ("connect_timeout=0", None), ("connect_timeout=-1", None)],
)
def test_connecting_takes_no_longer_than_it_may(parameter: str, timeout_s: float | None) -> None:
    assert DatabaseUrl.parse(f"{HOST}?{parameter}").options["timeout"] == timeout_s


@pytest.mark.parametrize(
    ("parameters", "settings"),
    [
        ("application_name=billing", {"application_name": "billing"}),
        ("options=-c%20jit=off", {"options": "-c jit=off"}),
        ("options=-c%20a=1+1", {"options": "-c a=1+1"}),
        ("search_path=money", {"search_path": "money"}),
        ("application_name=&", {}),
    ],
)
def test_the_servers_settings_are_handed_on(parameters: str, settings: dict[str, str]) -> None:
    assert DatabaseUrl.parse(f"{HOST}?{parameters}").settings == settings


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (f"{HOST}?host=/tmp/a%20b&port=6432", f"{HOST}?host=%2Ftmp%2Fa%20b&port=6432"),
        ("postgresql:///perdure?hostaddr=::1", "postgresql:/perdure?host=%5B%3A%3A1%5D"),
        (f"{HOST}?target_session_attrs=any", f"{HOST}?target_session_attrs=any"),
        (
            "postgresql://ada@one,two:5433/perdure",
            "postgresql://ada@one,two:5433/perdure?target_session_attrs=read-write",
        ),
        (
            "postgresql:///perdure?host=/one,/two",
            "postgresql:/perdure?host=%2Fone%2C%2Ftwo&target_session_attrs=read-write",
        ),
        (
            "postgresql://one,two/perdure?target_session_attrs=primary",
            "postgresql://one,two/perdure?target_session_attrs=primary",
        ),
    ],
)
def test_where_the_servers_are_is_kept_and_of_several_one_takes_changes(
    given: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGTARGETSESSIONATTRS", raising=False)
    assert DatabaseUrl.parse(given).url == url


def test_the_systems_certificates_can_be_what_the_server_is_checked_with() -> None:
    read = DatabaseUrl.parse(f"{HOST}?sslmode=verify-full&sslrootcert=system")
    assert read.url == HOST
    assert read.options["ssl"].verify_mode == ssl.CERT_REQUIRED
    assert read.options["ssl"].check_hostname


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://ada@db/perdure", "postgresql://"),
        ("host=db dbname=perdure", "postgresql://"),
        ("postgresql://[::1/perdure", "postgresql://"),
        (f"{HOST}?gssencmode=require", "gssencmode"),
        (f"{HOST}?connect_timeout=soon", "connect_timeout"),
        (f"{HOST}?sslmode=verify-full&sslrootcert=/nowhere.crt", "/nowhere.crt"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line(url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as refused:
        DatabaseUrl.parse(url)
    assert refused.value.param == "DATABASE_URL"
    assert "\n" not in refused.value.message


def test_a_password_is_not_shown() -> None:
    read = DatabaseUrl.parse("postgresql://ada:hunter2@db/perdure")
    assert "hunter2" not in repr(read)
    with pytest.raises(ConfigurationError) as refused:
        DatabaseUrl.parse("postgres:ada:hunter2@[db/perdure")
    assert "hunter2" not in refused.value.message


def test_a_certificate_that_is_there_is_taken(tmp_path: Path) -> None:
    certificate = tmp_path / "root.crt"
    certificate.touch()
    given = f"{HOST}?sslrootcert={certificate}"
    assert (
        f"sslrootcert=%2F{str(certificate)[1:].replace('/', '%2F')}" in DatabaseUrl.parse(given).url
    )
