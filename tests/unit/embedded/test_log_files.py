"""A log is put aside while somebody writes it."""

import shutil
from pathlib import Path

import pytest

from perdure.embedded.log_files import open_log, put_aside_if_large


def test_who_writes_a_log_goes_on_when_it_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "api.log"
    assert put_aside_if_large(log, bytes_max=5) is False
    with open_log(log) as writer:
        for number in range(3):
            writer.write(b"%d: a line\n" % number)
            writer.flush()
            assert put_aside_if_large(log, bytes_max=5) is True
            assert log.read_bytes() == b""
        writer.write(b"3: a line\n")
        writer.flush()
        assert put_aside_if_large(log, bytes_max=10) is False
    assert log.read_bytes() == b"3: a line\n"
    assert (tmp_path / "logs" / "api.log.1").read_bytes() == b"2: a line\n"
    assert len(list(log.parent.iterdir())) == 2


def test_a_disk_that_has_no_room_for_a_copy_gets_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    log = tmp_path / "api.log"
    log.write_bytes(b"0123456789")
    monkeypatch.setattr(shutil, "copyfile", full)
    assert put_aside_if_large(log, bytes_max=5) is True
    assert log.read_bytes() == b""
