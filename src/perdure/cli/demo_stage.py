"""What every demo does: an empty folder, everything started on it, a story, and what it showed."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Protocol, TypeVar

import typer

from perdure.bootstrap import Platform
from perdure.cli.api_access import Access
from perdure.cli.api_client import PATIENCE_S, ApiClient
from perdure.cli.environment import DATA_DIR_DEFAULT, DataFolder
from perdure.cli.machine import Machine, Report, SimulatorOptions, run_machine
from perdure.cli.output import OutputFormat, err, print_json
from perdure.cli.preload import preload
from perdure.cli.session import open_session, run
from perdure.cli.up import ensure_api_key, greet, say, until_it_works
from perdure.core.errors import ConfigurationError
from perdure.embedded.locks import FileLock

DEMO_DIR: Final = DATA_DIR_DEFAULT / "demo"
DataDir = Annotated[Path, typer.Option(help="Keeps everything; emptied first.")]
_MARK: Final = "this-is-a-demo"
"""A file in the folders that a demo may empty."""


class Shown(Protocol):
    """What a story showed."""

    @property
    def ok(self) -> bool:
        """Whether all came out as it must."""
        ...


Result = TypeVar("Result", bound=Shown)


class Story(Protocol[Result]):
    """What a demo shows on a platform that runs."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Environment variables, where they are not set."""
        ...

    @property
    def options(self) -> SimulatorOptions:
        """More of the command lines of simulators, by their names."""
        ...

    @property
    def legacy(self) -> bool:
        """Whether the system before this one runs too."""
        ...

    async def show(self, machine: Machine, platform: Platform, tell: Report) -> Result:
        """Tell the story."""
        ...

    def as_json(self, result: Result, seconds: float) -> dict[str, Any]:
        """Return what it showed, for a program."""
        ...

    def print(self, result: Result, seconds: float) -> None:
        """Print what it showed."""
        ...


def run_story(
    story: Story[Result], data_dir: Path, output: OutputFormat, port_base: int | None
) -> None:
    """Run everything, tell the story, and end with 1 if it did not come out as it must."""
    began = time.monotonic()
    preload()
    result = run(_stage(story, DataFolder(data_dir), output, port_base, began))
    if result is None:
        raise typer.Exit(130)
    if not result.ok:
        raise typer.Exit(1)


async def _stage(
    story: Story[Result],
    folder: DataFolder,
    output: OutputFormat,
    port_base: int | None,
    began: float,
) -> Result | None:
    tell = say if output == OutputFormat.TEXT else _say_aside
    _empty(folder)
    for name, value in story.settings.items():
        os.environ.setdefault(name, value)
    tell(f"Starting everything on {folder.path}; the logs are in {folder.logs_path}.")
    async with (
        run_machine(
            folder,
            workers=2,
            port_base=port_base,
            options=story.options,
            legacy=story.legacy,
            report=tell,
        ) as machine,
        open_session() as platform,
    ):

        async def show() -> Result:
            await until_it_works(machine, platform, tell)
            return await story.show(machine, platform, tell)

        result = await machine.unless_stopped(show)
        if result is None:
            return None
        seconds = round(time.monotonic() - began, 1)
        if output == OutputFormat.JSON:
            print_json(story.as_json(result, seconds))
        else:
            story.print(result, seconds)
        # Where nobody looks around, all ends at once: addresses would lead nowhere.
        if sys.stdin.isatty() and output == OutputFormat.TEXT:
            await greet(machine, platform)
            tell("\nStill running, to look around; Ctrl-C ends it.")
            await machine.supervisor.run_until_signalled()
    tell(f"\nEnded. `perdure up --data-dir {folder.path}` goes on with the same data.")
    return result


async def api_client_of(
    machine: Machine, platform: Platform, *, patience_s: float = PATIENCE_S
) -> Callable[[], ApiClient]:
    """Return what opens a client of the API, with the key that commands find in the folder.

    Args:
        patience_s: As in `ApiClient`.
    """
    await ensure_api_key(machine.folder, platform)
    path = machine.folder.api_key_path
    access = Access(
        machine.api_url, path.read_text().strip(), str(path), folder=machine.folder.path
    )
    return partial(ApiClient, access, patience_s=patience_s)


def _say_aside(message: str) -> None:
    err.print(message)


def _empty(folder: DataFolder) -> None:
    """Empty the folder, if it is a demo's.

    Raises:
        ConfigurationError: It holds something else, or a demo runs on it.
    """
    path, mark = folder.path, folder.path / _MARK
    if path.exists() and any(path.iterdir()):
        if not mark.exists():
            raise ConfigurationError(
                f"{path} holds something else than a demo; give another --data-dir.",
                param="data_dir",
            )
        lock = FileLock(path / "supervisor.lock")
        if not lock.acquire(wait=False):
            raise ConfigurationError(
                f"Perdure runs on {path}. End it first, or give another --data-dir.",
                param="data_dir",
            )
        shutil.rmtree(path)
        lock.release()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark.touch()
