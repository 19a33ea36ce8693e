"""The environment file: what is written is read back, and the environment wins."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from perdure.cli.environment import (
    DATA_DIR,
    DataFolder,
    is_about_servers,
    load_environment,
    read_environment,
    write_environment,
)
from perdure.cli.main import app as perdure
from perdure.core.errors import ConfigurationError

VALUES = {
    "DATABASE_URL": "postgresql://user@/perdure?host=/tmp/a folder/it's",
    "PERDURE_GATEWAY_CALLBACK_SECRETS": '["whsec_abc+/="]',
    "EMPTY": "",
}


def test_values_with_any_character_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    write_environment(path, VALUES)
    assert read_environment(path) == VALUES


def test_a_shell_reads_the_same_values(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    write_environment(path, VALUES)
    script = f'. "{path}"; printf %s "$PERDURE_GATEWAY_CALLBACK_SECRETS$DATABASE_URL"'
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    secrets, url = VALUES["PERDURE_GATEWAY_CALLBACK_SECRETS"], VALUES["DATABASE_URL"]
    assert shown.stdout == secrets + url


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_text("open to all")
    write_environment(path, VALUES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["environment"]


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path)
    write_environment(folder.environment_path, {"PERDURE_SET": "file", "PERDURE_UNSET": "file"})
    monkeypatch.setenv("PERDURE_SET", "environment")
    monkeypatch.setenv("PERDURE_UNSET", "to be restored")
    monkeypatch.delenv("PERDURE_UNSET")
    load_environment(folder)
    assert os.environ["PERDURE_SET"] == "environment"
    assert os.environ["PERDURE_UNSET"] == "file"


SHELL = {
    "PGPORT": "6543",
    "PGSSLMODE": "verify-full",
    "TEMPORAL_NAMESPACE": "prod",
    "TEMPORAL_PROFILE": "prod",
}
"""What a shell may say of servers that are somebody else's."""
OF_UP = {
    "DATABASE_URL": "postgresql://postgres@/perdure?host=/run/ups",
    "TEMPORAL_ADDRESS": "127.0.0.1:7233",
    "TEMPORAL_NAMESPACE": "default",
}


def about_servers() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if is_about_servers(name)}


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing of servers but what a test sets; restored at the end."""
    for name in [*about_servers(), *OF_UP, *SHELL]:
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    return monkeypatch


def test_ups_own_servers_are_reached_by_what_up_says_alone(
    tmp_path: Path, shell: pytest.MonkeyPatch
) -> None:
    write_environment(DataFolder(tmp_path).environment_path, OF_UP)
    for name, value in (SHELL | {"DATABASE_URL": ""}).items():
        shell.setenv(name, value)
    load_environment(DataFolder(tmp_path))
    assert about_servers() == OF_UP


@pytest.mark.parametrize("address", ["DATABASE_URL", "TEMPORAL_ADDRESS"])
def test_a_server_of_ones_own_is_reached_by_what_the_environment_says_alone(
    tmp_path: Path, shell: pytest.MonkeyPatch, address: str
) -> None:
    write_environment(DataFolder(tmp_path).environment_path, OF_UP)
    for name, value in (SHELL | {address: "one's own"}).items():
        shell.setenv(name, value)
    load_environment(DataFolder(tmp_path))
    prefix = {"DATABASE_URL": "PG", "TEMPORAL_ADDRESS": "TEMPORAL_"}[address]
    kept = {name: value for name, value in SHELL.items() if name.startswith(prefix)}
    of_up = {
        name: value
        for name, value in OF_UP.items()
        if name != address and not name.startswith(prefix)
    }
    assert about_servers() == kept | {address: "one's own"} | of_up


def test_a_folder_without_a_file_sets_nothing(tmp_path: Path) -> None:
    assert read_environment(tmp_path / "environment") == {}


@pytest.mark.parametrize("line", ["no equals sign", "lower=1", "A='open", "A=two words"])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "environment"
    path.write_text(f"# a comment\nA=1\n\n{line}\n")
    with pytest.raises(ConfigurationError, match="Line 4 of"):
        read_environment(path)


def test_the_callback_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    secret = folder.callback_secret()
    assert secret.startswith("whsec_")
    assert folder.callback_secret() == secret
    assert stat.S_IMODE(folder.callback_secret_path.stat().st_mode) == 0o600


def test_what_is_empty_in_the_environment_is_taken_from_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path)
    write_environment(folder.environment_path, {"PERDURE_SMS_URL": "http://folder"})
    monkeypatch.setenv("PERDURE_SMS_URL", "")
    load_environment(folder)
    assert os.environ["PERDURE_SMS_URL"] == "http://folder"


@pytest.mark.parametrize("given", [["--data-dir", "FOLDER", "up"], ["up", "--data-dir", "FOLDER"]])
def test_up_runs_on_the_folder_it_is_told_wherever_that_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: list[str]
) -> None:
    monkeypatch.setenv(DATA_DIR, "")
    folders: list[DataFolder] = []

    async def run_up(folder: DataFolder, *_: object, **__: object) -> None:
        folders.append(folder)

    monkeypatch.setattr("perdure.cli.up._up", run_up)
    monkeypatch.setattr("perdure.cli.up.preload", lambda: None)
    words = [str(tmp_path) if word == "FOLDER" else word for word in given]
    done = CliRunner().invoke(perdure, words, catch_exceptions=False)
    assert (done.exit_code, folders) == (0, [DataFolder(tmp_path)])
