"""What is generated is what the .proto files say."""

from pathlib import Path

from .protos import proto_files, write_modules
from .source import ROOT


def test_the_committed_modules_are_those_of_the_proto_files(tmp_path: Path) -> None:
    write_modules(tmp_path)
    written = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.py*")}
    assert len(written) == 4 * len(proto_files())
    differ = [
        str(path) for path, text in written.items() if (ROOT / "src" / path).read_text() != text
    ]
    assert differ == [], "run `make protos`"
