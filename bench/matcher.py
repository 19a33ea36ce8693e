"""How many messages a second the matcher takes, its answers made; beside it, loops that do less.

    python -m bench matcher                     a market of our own making
    python -m bench matcher --messages FILE     a workload of flash1-dev/matching-engine-benchmark,
                                                and the hash of its reports

Their generator makes the file; nothing of theirs is in here but the format, as they describe it.
Their messages say what is to be left of an order, ours the whole order's quantity, so they are
translated once, untimed.
"""

import argparse
import gc
import hashlib
import os
import random
import shlex
import struct
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import page
from bench.report import Numbers, bar_of, drawn
from bench.results import spread
from bench.surroundings import taken_alone
from perdure.trades.book import journal
from perdure.trades.book.book import Book
from perdure.trades.book.commands import Cancel, Command, Place, Replace, Side, TimeInForce
from perdure.trades.book.events import Accepted, Cancelled, Event, Filled, Rejected, Replaced

SIDES: Final[tuple[Side, Side]] = ("buy", "sell")
RECORD: Final = struct.Struct("<BBBBIQQqq")
HEADER_BYTES: Final = 16
ACCOUNTS: Final = 1_000


def main(arguments: Sequence[str]) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench matcher", description=__doc__)
    parser.add_argument("--messages", type=Path, metavar="FILE", help="a workload to read")
    parser.add_argument("--orders", type=int, default=250_000, help="if there is none to read")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--table-only", action="store_true", help="write no files")
    options, load_before = parser.parse_args(arguments), os.getloadavg()[0]
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    if options.messages:
        commands, answers = translated(options.messages)
        out.print(f"SHA-256 of its reports: {report_hash(commands, answers)}")
        del answers
    else:
        commands = list(market(options.orders))
    table = measured(commands, options.rounds)
    out.print(drawn(table))
    if not options.table_only:
        command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
        surroundings = taken_alone(command, load_before=load_before)
        page.keep_alone("matcher", {"taken": surroundings, "tables": [asdict(table)]})
    return 0


def measured(commands: list[Command], rounds: int) -> Numbers:
    """Return how quick each loop is over the same commands, in turn."""
    gc.collect()
    gc.freeze()  # the commands are not looked through by each collection
    loops: dict[str, Callable[[list[Command]], int]] = {
        "a loop that does nothing": _nothing,
        "a loop that makes a tuple each": _tuples,
        "the matcher, its events made": _matched,
        "the matcher, its journal written as well": _journalled,
    }
    by_clock: dict[str, list[float]] = {name: [] for name in loops}
    by_processor: dict[str, list[float]] = {name: [] for name in loops}
    made = {}
    for _ in range(rounds):
        for name, loop in loops.items():
            begun, begun_of_processor = time.perf_counter(), time.process_time()
            made[name] = loop(commands)
            by_clock[name].append(len(commands) / (time.perf_counter() - begun))
            by_processor[name].append(len(commands) / (time.process_time() - begun_of_processor))
    rows = [
        (name, spread(by_clock[name]), spread(by_processor[name]), f"{made[name]:,}")
        for name in loops
    ]
    headings = ("", "messages/s", "messages a second of processor", "made")
    title = f"{len(commands):,} messages in one process, {rounds} rounds in turn"
    bars = [bar_of(name, by_clock[name]) for name in loops if "matcher" in name]
    return Numbers(title, headings, rows, "messages/s", bars)


def _nothing(commands: list[Command]) -> int:
    for _ in commands:
        pass
    return 0


def _tuples(commands: list[Command]) -> int:
    made = 0
    for command in commands:
        made += len([(command, made)])
    return made


def _matched(commands: list[Command]) -> int:
    apply, made = Book().apply, 0
    for command in commands:
        made += len(apply(command))
    return made


def _journalled(commands: list[Command]) -> int:
    book, made = Book(), 0
    for command in commands:
        made += len(journal.record(book, command)[1])
    return made


def market(orders: int, *, seed: int = 1) -> Iterable[Command]:
    """Return what a busy market sends: most orders stay a moment, and are cancelled.

    Prices are around one that wanders, mostly some ticks away; 15% are filled at once or not, 20%
    of the others get another price or quantity, 95% are cancelled, a few of these too late.
    """
    chance = random.Random(seed)  # noqa: S311 - a market that is the same each time
    middle = 30_000.0
    sent: list[tuple[float, Command]] = []
    for number in range(orders):
        middle += chance.gauss(0, 0.2)
        order_id, side = f"ord_{number}", chance.choice(SIDES)
        away = min(int(chance.paretovariate(1.2)) + chance.randrange(12), 800)
        price = int(middle) + (away if side == "sell" else -away)
        quantity = chance.randint(1, 100)
        account = f"acc_{chance.randrange(ACCOUNTS)}"
        at = float(number)
        is_ioc = chance.random() < 0.15
        in_force: TimeInForce = "ioc" if is_ioc else "gtc"
        sent.append((at, Place(order_id, account, side, price, quantity, 0, in_force)))
        if is_ioc:
            continue
        if chance.random() < 0.20:
            at += chance.uniform(10, 300)
            price += chance.choice([-1, 0, 1])
            sent.append((at, Replace(order_id, price, quantity + 1)))
        if chance.random() < 0.95:
            at += chance.expovariate(1 / 1_000)
            sent += [(at, Cancel(order_id))] * (2 if chance.random() < 0.02 else 1)
    sent.sort(key=lambda message: message[0])
    return (command for _, command in sent)


def translated(path: Path) -> tuple[list[Command], list[list[Event]]]:
    """Return a workload's messages as commands, and what the matcher answers to each."""
    book = Book()
    commands: list[Command] = []
    answers: list[list[Event]] = []
    for kind, side, is_ioc, _, quantity, _, number, price, _ in RECORD.iter_unpack(
        path.read_bytes()[HEADER_BYTES:]
    ):
        order_id = str(number)
        command: Command
        if kind == 0:
            # Who trades is not said; nobody meets himself if each side has accounts of its own.
            account = f"{SIDES[side]}er_{number % ACCOUNTS}"
            in_force: TimeInForce = "ioc" if is_ioc else "gtc"
            command = Place(order_id, account, SIDES[side], price, quantity, 0, in_force)
        elif kind == 1:
            command = Cancel(order_id)
        else:
            order = book.open_order(order_id)
            filled = order.quantity_lots - order.remaining_lots if order else 0
            command = Replace(order_id, price, filled + quantity)
        commands.append(command)
        answers.append(book.apply(command))
    return commands, answers


def report_hash(commands: list[Command], answers: list[list[Event]]) -> str:
    """Return the SHA-256 of what was answered, written as the public benchmark writes it."""
    digest = hashlib.sha256()
    for number, (command, events) in enumerate(zip(commands, answers, strict=True)):
        lines = sorted((_report(number, command, event) for event in events), key=_kind)
        text = "\n".join(",".join(map(str, line)) for line in lines)
        digest.update(("\n" if number else "").encode() + text.encode())
    return digest.hexdigest()


def _kind(report: tuple[int | str, ...]) -> int | str:
    return report[0]


def _report(number: int, command: Command, event: Event) -> tuple[int | str, ...]:
    match event:
        case Accepted():
            side = SIDES.index(event.side)
            return (0, number, side, event.order_id, event.price_minor, event.quantity_lots)
        case Filled():
            orders = (event.maker_order_id, event.taker_order_id)
            return (1, number, event.price_minor, event.quantity_lots, *orders)
        case Cancelled():
            return (2, number, SIDES.index(event.side), event.order_id, event.price_minor)
        case Replaced():
            side = SIDES.index(event.side)
            return (3, number, side, event.order_id, event.price_minor, event.remaining_lots)
        case Rejected():
            return (4 if isinstance(command, Cancel) else 5, number, event.order_id)
        case _:
            raise AssertionError(event)
