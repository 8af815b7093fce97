"""A hall full of students: python benchmarks/hall.py [--visitors 200] [--think 8] [--seconds 60] [--processes 2] [--kill]

Every visitor opens the page, thinks, moves the recurrent gain, and thinks again, over Streamlit's own WebSocket: first on one
process, then on two (or up to four) behind deploy/haproxy.cfg, each visitor with the cookie that its first page gave it. A
time runs from the moment the slider was due to move to the end of the script's run, so that waiting for a late answer counts.
--kill then ends one of those processes with kill -9, starts it again as Docker would, and tells how long its visitors took
until their next answered move: each comes back as a browser does, with its link, and moves at once.

All visitors live in this process. They share the machine with what they measure, so it tells who used how much of it, and
how late the visitors' own clock was: where that is much of a time, the machine was full, and not the page slow.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from dataclasses import dataclass, field

from serving import ROOT, Server
from streamlit.proto.BackMsg_pb2 import BackMsg
from visitors import Visitor
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

sys.path.insert(0, str(ROOT / "deploy"))
from loopback import Hall  # noqa: E402

GATE = 4  # visitors who open the page at one moment
SETTLE = 4.0  # seconds after all have come, before anything counts
MOST = 250.0  # ms: 95 % of the moves are answered within it
BACK = 3.0  # seconds within which a visitor whose process was killed has moved again
PATIENCE = 30.0  # seconds, of everything a visitor waits for


class Guest(Visitor):
    """A visitor with a cookie, who comes back when the connection is lost."""

    def __init__(self, host, seed):
        super().__init__(None, f"seed={seed}", seed)
        self.host, self.cookies, self.clock = host, {}, time.perf_counter

    async def ask(self, path):
        """The status of a plain request; cookies are kept, as a browser does."""
        name, _, port = self.host.partition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n{self.cookie()}Connection: close\r\n\r\n".encode())
            head, _, _ = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        first, *lines = head.decode("latin-1").split("\r\n")
        for line in lines:
            if line.lower().startswith("set-cookie:"):
                key, _, value = line[11:].strip().partition(";")[0].partition("=")
                self.cookies[key] = value
        return int(first.split()[1])

    def cookie(self):
        return f"Cookie: {'; '.join(map('='.join, self.cookies.items()))}\r\n" if self.cookies else ""

    async def enter(self, path):
        """Ask for a path, open the stream and see the page drawn."""
        status = await self.ask(path)
        if status != 200:
            raise OSError(f"the server says {status}")
        headers = {"Cookie": self.cookie()[8:].strip()} if self.cookies else {}
        self.socket = await connect(f"ws://{self.host}/_stcore/stream", origin=f"http://{self.host}", max_size=None,
                                    subprotocols=["streamlit"], additional_headers=headers, open_timeout=PATIENCE)
        await self.run(BackMsg())
        if not self.fragment:
            raise RuntimeError("the page shows no slider of the gain, or not in a part of its own")

    async def come(self):
        async with asyncio.timeout(PATIENCE):
            await self.enter(f"/?{self.link}")
        return self

    async def come_back(self):
        """As Streamlit's page does: 0.25 to 0.5 s later, then at growing distances, ask whether a server is there."""
        delay = 0.5
        async with asyncio.timeout(PATIENCE):
            while True:
                await asyncio.sleep(self.rng.uniform(delay / 2, delay))
                try:
                    return await self.enter("/_stcore/health")
                except (OSError, WebSocketException):
                    delay = min(4.0, 2 * delay)

    async def stay(self, until, think, seen):
        """Move every `think` seconds, from a random moment on; come back as soon as the connection is lost."""
        due, gone = self.clock() + self.rng.uniform(0, think), self.gone()
        while due < until:
            await asyncio.wait([gone], timeout=max(0, due - self.clock()))
            try:
                async with asyncio.timeout(PATIENCE):
                    if not gone.done() and await self.answered(due, seen):
                        due += think
                        continue
                    await self.return_(seen)
            except (TimeoutError, OSError, WebSocketException) as reason:
                seen.failures.append(f"{type(reason).__name__} {reason}")
                return
            due, gone = self.clock() + think, self.gone()
        gone.cancel()

    def gone(self):
        return asyncio.create_task(self.socket.wait_closed())

    async def answered(self, due, seen):
        """Whether a move was answered."""
        try:
            await self.move()
        except ConnectionClosed:
            return False
        seen.waits.append(1e3 * (self.clock() - due))
        return True

    async def return_(self, seen):
        """Come back and move at once."""
        lost = seen.killed or self.clock()
        seen.drops += 1
        await self.come_back()
        seen.drawn.append(self.clock() - lost)
        await self.move()
        seen.back.append(self.clock() - lost)


@dataclass
class Seen:
    """What the visitors saw for a while, and what it cost."""

    waits: list = field(default_factory=list)  # ms of each answered move
    drawn: list = field(default_factory=list)  # s from a lost connection to the page drawn anew
    back: list = field(default_factory=list)  # and to the next answered move
    late: list = field(default_factory=list)  # ms by which the visitors' own clock was late
    failures: list = field(default_factory=list)
    drops: int = 0
    killed: float = 0.0  # when a process was killed
    cpu: dict = field(default_factory=dict)  # {process: share of a core}
    idle: float = 0.0  # share of the machine that nobody used
    seconds: float = 0.0

    async def watch(self, until):
        while time.perf_counter() < until:
            due = time.perf_counter() + 0.02
            await asyncio.sleep(0.02)
            self.late.append(1e3 * (time.perf_counter() - due))

    async def measure(self, guests, think, seconds, spent, *others):
        start, before, idle = time.perf_counter(), {**spent(), "visitors": time.process_time()}, idling()
        until = start + seconds
        await asyncio.gather(self.watch(until), *others, *(guest.stay(until, think, self) for guest in guests))
        self.seconds = time.perf_counter() - start
        self.cpu = {name: (now - before[name]) / self.seconds
                    for name, now in {**spent(), "visitors": time.process_time()}.items()}
        self.idle = (idling() - idle) / self.seconds / os.cpu_count()
        return self

    @property
    def p95(self):
        return share(self.waits, 0.95)

    def tell(self, what, memory):
        print(f"{what}: {len(self.waits) / self.seconds:.1f} reruns a second, median {statistics.median(self.waits):.0f} ms, "
              f"95 % within {self.p95:.0f} ms, longest {max(self.waits):.0f} ms, {self.drops + len(self.failures)} drops")
        cores = ", ".join(f"{name} {100 * used:.0f} %" for name, used in self.cpu.items())
        print(f"  memory {' and '.join(f'{size:.0f}' for size in memory)} MB; of a core: {cores}; machine idle "
              f"{100 * self.idle:.0f} %")
        late = share(self.late, 0.95)
        full = self.cpu["visitors"] > 0.7 or late > max(20, self.p95 / 4)
        print(f"  the visitors' own clock: 95 % within {late:.1f} ms, so they were {'' if full else 'not '}the bottleneck"
              f"{' (or the machine was full)' if full else ''}")
        for failure in sorted(set(self.failures)):
            print(f"  {self.failures.count(failure)} visitors gave up: {failure}")


def share(values, part):
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else float("nan")


def told(seconds):
    return f"{statistics.median(seconds):.1f} s (median), {share(seconds, 0.95):.1f} s (95 %), {max(seconds):.1f} s (all)"


def idling():
    """Seconds that the machine's cores have been idle."""
    with open("/proc/stat") as stat:
        return int(stat.readline().split()[4]) / os.sysconf("SC_CLK_TCK")


async def arrive(host, n):
    """n visitors whose pages have been drawn, a few at a time."""
    gate, start = asyncio.Semaphore(GATE), time.perf_counter()

    async def one(seed):
        async with gate:
            return await Guest(host, seed).come()

    guests = await asyncio.gather(*(one(seed) for seed in range(n)))
    return guests, (time.perf_counter() - start) / n


async def leave(guests):
    await asyncio.gather(*(guest.socket.close() for guest in guests), return_exceptions=True)


async def alone(n, think, seconds):
    """On one process, without a proxy."""
    server = Server(ROOT / "app.py", ROOT)
    try:
        guests, each = await arrive(f"127.0.0.1:{server.port}", n)
        print(f"{n} pages opened on one process, {1e3 * each:.0f} ms each", flush=True)
        await Seen().measure(guests, think, SETTLE, dict)
        seen = await Seen().measure(guests, think, seconds, lambda: {"page": server.cpu()})
        seen.tell(f"{n} visitors on one process", [server.memory()])
        await leave(guests)
        return seen
    finally:
        server.stop()


async def together(n, think, seconds, processes, kill):
    """On several processes behind HAProxy."""
    with Hall(processes) as hall:
        guests, each = await arrive(f"127.0.0.1:{hall.port}", n)
        print(f"{n} pages opened on {processes} processes, {1e3 * each:.0f} ms each: {spread(hall, guests)}", flush=True)
        await Seen().measure(guests, think, SETTLE, dict)
        seen = await Seen().measure(guests, think, seconds, hall.cpu)
        seen.tell(f"{n} visitors on {processes} processes", [page.memory() for page in hall.pages.values()])
        if kill and not seen.failures:
            await rude(hall, guests, think, seconds)
        await leave(guests)
        return seen


async def rude(hall, guests, think, seconds):
    """Kill the process of some of the visitors, and start it again."""
    (name, *others), seen, used = hall.homes, Seen(), {}
    there = sum(guest.cookies["replica"] == name for guest in guests)

    def spent():
        return sum(hall.pages[other].cpu() for other in others)

    async def kill():
        await asyncio.sleep(seconds / 4)
        seen.waits.clear()
        seen.late.clear()
        seen.killed, cpu, idle = time.perf_counter(), spent(), idling()
        hall.kill(name)
        starting = asyncio.create_task(asyncio.to_thread(hall.start, name))
        while len(seen.back) + len(seen.failures) < there:
            await asyncio.sleep(0.02)
        took = time.perf_counter() - seen.killed
        used.update(others=(spent() - cpu) / took, idle=(idling() - idle) / took / os.cpu_count())
        await starting

    await seen.measure(guests, think, seconds, dict, kill())
    held = len(seen.back) == there and max(seen.back) <= BACK
    print(f"kill -9 of the process of {there} visitors: {seen.drops} were cut off, {len(seen.back)} came back")
    print(f"  page drawn anew after {told(seen.drawn)}")
    print(f"  next move answered after {told(seen.back)}; target {BACK:.0f} s for all: {'held' if held else 'missed'}")
    print(f"  until then what was left used {100 * used['others']:.0f} % of a core, and the machine was idle "
          f"{100 * used['idle']:.0f} %")
    print(f"  moves of the others since: median {statistics.median(seen.waits):.0f} ms, 95 % within {seen.p95:.0f} ms; "
          f"{seen.drops - there} other drops, {len(seen.failures)} gave up; the visitors' own clock was "
          f"{max(seen.late):.0f} ms late at most")
    print(f"  visitors now: {spread(hall, guests)}")


def spread(hall, guests):
    """How many visitors each process has."""
    homes = [guest.cookies["replica"] for guest in guests]
    return " and ".join(str(homes.count(name)) for name in hall.homes)


def main(n, think, seconds, processes, kill):
    print(f"{n} visitors, each with a move every {think:g} s, for {seconds:g} s; {os.cpu_count()} cores")
    one = asyncio.run(alone(n, think, seconds))
    many = asyncio.run(together(n, think, seconds, processes, kill))
    print(f"{processes} processes against one: {statistics.median(many.waits) / statistics.median(one.waits):.2f} times the "
          f"median, {many.p95 / one.p95:.2f} times the 95 %")
    held = many.p95 <= MOST and not many.drops and not many.failures
    print(f"target on {processes} processes, 95 % within {MOST:.0f} ms and no drops: {'held' if held else 'missed'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=200)
    parser.add_argument("--think", type=float, default=8.0, help="seconds between two moves of a visitor")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=2, choices=(2, 3, 4), help="behind the proxy")
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    main(given.visitors, given.think, given.seconds, given.processes, given.kill)
