"""A server that stands in for an outside system on one's own machine, as its role declares it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from perdure.core.ports import LOOPBACK


@dataclass(frozen=True, slots=True)
class Listener:
    """Something that a simulator listens at.

    Args:
        port: The setting of its port, in lower case and without `PERDURE_`: `bank_port`.
        default: The port where that is not set.
        option: The command's option that takes the port.
        tld: Whose registry answers there; empty: it is none.
        left_out: The command's words by which it does not listen there.
        is_http: It speaks HTTP there, and says who it is.
        is_optional: Our own client asks nothing there that it is not told of.
    """

    port: str
    default: int
    option: str = "--port"
    tld: str = ""
    left_out: tuple[str, ...] = ()
    is_http: bool = True
    is_optional: bool = False


Ports = Mapping[str, int]
"""Where a simulator listens, by the names of its listeners' ports."""


def url_at(port: int) -> str:
    """Return where a simulator answers over HTTP."""
    return f"http://{LOOPBACK}:{port}"


def _by_url(ports: Ports) -> Mapping[str, str]:
    (port,) = ports.values()
    return {"url": url_at(port)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """A server that stands in for an outside system.

    Args:
        name: What its process is called, and its command of `perdure simulate`.
        commands: The commands of `perdure simulate`, each a function at `module:function` that
            takes the options and returns the server, an async context manager. The one of the
            simulator's name is what `perdure up` runs; others have more options, say.
        listens: Where it does.
        settings: Returns what our own client is told, by the names of its settings' fields, so that
            it finds the simulator: of the listeners that there are.
        keeps_books: It remembers all that it ever did.
        has_faults: It fails by chance, as `PUT /control/faults` says.
    """

    name: str
    commands: Mapping[str, str]
    listens: tuple[Listener, ...]
    settings: Callable[[Ports], Mapping[str, str]] = _by_url
    keeps_books: bool = True
    has_faults: bool = False

    @property
    def told(self) -> Mapping[str, str]:
        """What our own client is told where nothing says otherwise."""
        return self.settings({one.port: one.default for one in self.listens if not one.is_optional})
