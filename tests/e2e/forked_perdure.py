"""`perdure` for a shell, forked from a process that has imported what all commands need.

Importing it is nine tenths of what a small command costs, and the documentation has many.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_REPOSITORY: Final = Path(__file__).parents[2]
_MESSAGE_BYTES_MAX: Final = 1 << 17

_CLIENT: Final = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({path!r})
    asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [asked], [0, 1, 2])
    sys.exit(int(server.recv(10)))
"""


@contextmanager
def perdure_in(folder: Path) -> Iterator[None]:
    """Put a `perdure` into a folder that works until the context ends."""
    folder.mkdir(parents=True)
    path = str(folder / "socket")
    command = folder / "perdure"
    command.write_text(_CLIENT.format(python=sys.executable, path=path))
    command.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        serving = subprocess.Popen(
            [sys.executable, "-m", __name__, str(listener.fileno())],
            cwd=_REPOSITORY,
            pass_fds=[listener.fileno()],
        )
    try:
        yield
    finally:
        serving.kill()
        serving.wait()


def serve(listener: socket.socket) -> None:
    """Run each command that is asked for in a process of its own, one after the other."""
    from perdure.cli import session  # noqa: F401, PLC0415 - so that no command imports it
    from perdure.cli.main import main  # noqa: PLC0415

    while True:
        caller, _ = listener.accept()
        with caller:
            message, streams, _, _ = socket.recv_fds(caller, _MESSAGE_BYTES_MAX, 3)
            arguments, folder, environment = json.loads(message)
            if (pid := os.fork()) == 0:
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                os.chdir(folder)
                os.environ.clear()
                os.environ.update(environment)
                sys.argv = ["perdure", *arguments]
                main()
            for stream in streams:
                os.close(stream)
            _, ended = os.waitpid(pid, 0)
            caller.sendall(str(os.waitstatus_to_exitcode(ended)).encode())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
