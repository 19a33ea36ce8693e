"""Writes the modules of the .proto files: `python -m tests.tidy.protos src`."""

import subprocess
import sys
from pathlib import Path

from .source import PACKAGE, ROOT, tracked_files


def proto_files() -> list[Path]:
    """Return every .proto file of the package."""
    return [path for path in tracked_files() if path.suffix == ".proto" and PACKAGE in path.parents]


def write_modules(folder: Path) -> None:
    """Write what is generated below a folder, each module where its .proto file is below `src`."""
    programs = Path(sys.executable).parent
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT / 'src'}"),
            *(f"--{kind}_out={folder}" for kind in ("python", "grpc_python")),
            *(f"--plugin={programs / f'protoc-gen-{kind}'}" for kind in ("mypy", "mypy_grpc")),
            *(f"--{kind}_out=quiet:{folder}" for kind in ("mypy", "mypy_grpc")),
            *map(str, proto_files()),
        ],
        check=True,
    )


if __name__ == "__main__":
    write_modules(Path(sys.argv[1]))
