import asyncio
from pathlib import Path

import pytest

from perdure.core.errors import ConfigurationError
from perdure.simulators.journal import Journal


async def test_what_was_written_is_read_again_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    async with Journal(path) as journal:
        assert list(journal.records()) == []

        async def write(number: int) -> None:
            journal.write({"number": number, "text": "é\n"})
            await journal.sync()

        await asyncio.gather(*(write(number) for number in range(50)))
    async with Journal(path) as journal:
        assert [record["number"] for record in journal.records()] == list(range(50))


@pytest.mark.parametrize("torn", [b'{"number": 2', b"x" * 200_000])
async def test_a_record_that_was_not_finished_is_dropped(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"number": 1}\n' + torn)
    async with Journal(path) as journal:
        journal.write({"number": 3})
        assert [record["number"] for record in journal.records()] == [1, 3]


async def test_a_file_with_nothing_but_an_unfinished_record_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"number"')
    async with Journal(path) as journal:
        assert list(journal.records()) == []


async def test_two_simulators_cannot_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with Journal(path):
        with pytest.raises(ConfigurationError, match="data directory"):
            Journal(path)
    async with Journal(path):
        pass


async def test_a_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError):
        Journal(tmp_path / "file" / "journal.jsonl")
