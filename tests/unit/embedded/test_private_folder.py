"""The data folder is its user's alone, also one that was not."""

import os
import stat
from pathlib import Path

import pytest

from perdure.embedded.private_folder import OTHERS, make_private_folder


def modes(folder: Path) -> dict[str, int]:
    found = [folder, *folder.rglob("*")]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in found}


def test_a_folder_that_others_could_read_is_tightened(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    outside.chmod(0o755)
    folder = tmp_path / "data"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "api.log").write_text("secret")
    (folder / "run").write_text("#!/bin/sh")
    for path, mode in ((folder, 0o755), (folder / "logs", 0o777), (folder / "run", 0o755)):
        path.chmod(mode)
    (folder / "link").symlink_to(outside)
    make_private_folder(folder)
    tightened = modes(folder)
    assert tightened.pop("link") == 0o755
    assert tightened == {"data": 0o700, "logs": 0o700, "api.log": 0o600, "run": 0o700}
    make_private_folder(folder)
    assert not any(mode & OTHERS for name, mode in modes(folder).items() if name != "link")


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "a" / "data")
    assert modes(tmp_path / "a" / "data") == {"data": 0o700}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder another group")
def test_a_group_that_root_lets_through_goes_on_passing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, -1, 12_345)
    folder.chmod(0o755)
    make_private_folder(folder)
    assert modes(folder) == {"data": 0o710}
