"""Where the CLI is looked for, and what is said when it cannot be had."""

import sys
from pathlib import Path

import pytest

from perdure.core.errors import ConfigurationError
from perdure.embedded import temporal_cli
from perdure.embedded.temporal_cli import cached_cli, ensure_temporal_cli, find_temporal_cli


def _program(path: Path, script: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": str(tmp_path / "bin"),
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> Path:
        raise temporal_cli._NoWay("The download failed: no network")

    monkeypatch.setattr(temporal_cli, "_download", refuse)


def test_the_setting_comes_first_then_the_path_then_the_cache(
    environ: dict[str, str], tmp_path: Path
) -> None:
    assert find_temporal_cli(environ) is None
    cached = _program(cached_cli(environ))
    assert find_temporal_cli(environ) == cached
    on_path = _program(tmp_path / "bin" / "temporal")
    assert find_temporal_cli(environ) == on_path
    chosen = _program(tmp_path / "chosen")
    environ["PERDURE_TEMPORAL_CLI"] = str(chosen)
    assert find_temporal_cli(environ) == chosen


def test_the_cache_is_in_the_home_folder_where_none_is_set(environ: dict[str, str]) -> None:
    del environ["XDG_CACHE_HOME"]
    home = Path(environ["HOME"])
    assert cached_cli(environ) == home / ".cache/perdure/temporal-cli-v1.5.1/temporal"


def test_a_setting_that_is_no_program_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    environ["PERDURE_TEMPORAL_CLI"] = str(tmp_path / "nothing")
    with pytest.raises(ConfigurationError, match="not a program") as caught:
        find_temporal_cli(environ)
    assert caught.value.param == "PERDURE_TEMPORAL_CLI"


def test_what_is_there_is_not_fetched_again(environ: dict[str, str]) -> None:
    cached = _program(cached_cli(environ))
    said: list[str] = []
    assert ensure_temporal_cli(said.append, environ) == cached
    assert said == []


@pytest.mark.usefixtures("no_download")
def test_where_nothing_works_the_error_names_every_way(environ: dict[str, str]) -> None:
    said: list[str] = []
    with pytest.raises(ConfigurationError) as caught:
        ensure_temporal_cli(said.append, environ)
    for way in (
        "no network",
        "Go is not installed",
        "PERDURE_TEMPORAL_CLI",
        "go install github.com/temporalio/cli/cmd/temporal@v1.5.1",
        str(cached_cli(environ)),
        "TEMPORAL_ADDRESS",
    ):
        assert way in caught.value.message
    assert not cached_cli(environ).exists()


@pytest.mark.usefixtures("no_download")
def test_a_build_lands_in_the_cache_whole(environ: dict[str, str], tmp_path: Path) -> None:
    _program(
        tmp_path / "bin" / "go",
        '#!/bin/sh\necho "go: downloading example.org/x v1.0.0" >&2\n'
        'printf "%s" "$*" > "$GOBIN/temporal"\n/bin/chmod 755 "$GOBIN/temporal"\n',
    )
    said: list[str] = []
    found = ensure_temporal_cli(said.append, environ)
    assert found == cached_cli(environ)
    assert found.read_text() == "install github.com/temporalio/cli/cmd/temporal@v1.5.1"
    assert [path.name for path in found.parent.iterdir() if path.is_dir()] == []
    assert any("go install" in sentence for sentence in said)


@pytest.mark.usefixtures("no_download")
def test_a_failed_build_says_what_go_said(environ: dict[str, str], tmp_path: Path) -> None:
    _program(tmp_path / "bin" / "go", '#!/bin/sh\necho "no such module" >&2\nexit 1\n')
    with pytest.raises(ConfigurationError, match="The build failed: no such module"):
        ensure_temporal_cli(lambda sentence: None, environ)


def test_a_download_that_brings_nothing_is_given_up(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = _program(tmp_path / "silent", "#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr(sys, "executable", str(silent))
    monkeypatch.setattr(temporal_cli, "DOWNLOAD_STALL_S", 0.3)
    with pytest.raises(ConfigurationError, match="brought nothing"):
        ensure_temporal_cli(lambda sentence: None, environ)
