"""Many visitors on one streamlit process: python benchmarks/visitors.py [--visitors 25] [--seconds 40] [--heavy]

Every visitor opens the page and moves the recurrent gain every two seconds, as a browser does, over Streamlit's own
WebSocket: the slider's new value, the fragment it stands in, the hashes of the messages it still has. All visitors live in
this process, on core 1; the server runs on core 0. A time runs from the moment the slider was due to move, so that waiting
for an answer that is late counts, to the end of the script's run. Nothing is drawn: see page.py for that.
--heavy then adds one visitor who asks for the slowest allowed picture again and again.
"""

import argparse
import asyncio
import random
import statistics
import time
from dataclasses import dataclass, field

from serving import ROOT, Server
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

PERIOD = 2.0  # seconds between two moves of one visitor
SETTLE = 4.0  # seconds after all have come, before anything counts
SLICES = 4  # with and without the heavy visitor in turn, so that both see the same machine
HEAVY = "depth=12&width=8&T=10000&cut=1&tau_max=8&tau_b=1"  # the most seconds within the budget, found by trying
SLIDER = "-w_g"  # how the id of the slider ends
EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN
FAILED = ForwardMsg.FINISHED_WITH_COMPILE_ERROR


class Visitor:
    """One open page."""

    def __init__(self, socket, link, seed):
        self.socket, self.link, self.rng = socket, link, random.Random(seed)
        self.slider, self.fragment, self.script, self.cached, self.bytes = None, "", "", set(), 0

    @classmethod
    async def open(cls, server, link="", seed=0):
        """A visitor whose page has been drawn."""
        socket = await connect(f"ws://127.0.0.1:{server.port}/_stcore/stream", origin=server.address.rstrip("/"),
                               subprotocols=["streamlit"], max_size=None)
        visitor = cls(socket, link, seed)
        await visitor.run(BackMsg())
        if not visitor.fragment:
            raise RuntimeError("the page shows no slider of the gain, or not in a part of its own")
        return visitor

    async def run(self, message):
        """Send one request and read until its run of the script has ended."""
        state = message.rerun_script
        state.query_string, state.page_script_hash = self.link, self.script
        state.cached_message_hashes.extend(self.cached)
        await self.socket.send(message.SerializeToString())
        while True:
            data = await self.socket.recv()
            self.bytes += len(data)
            answer = ForwardMsg.FromString(data)
            kind = answer.WhichOneof("type")
            if answer.metadata.cacheable:
                self.cached.add(answer.hash)
            if kind == "new_session":
                self.script = answer.new_session.page_script_hash
            elif kind == "delta" and answer.delta.new_element.slider.id.endswith(SLIDER):
                self.slider, self.fragment = answer.delta.new_element.slider, answer.delta.fragment_id
            elif kind == "script_finished" and answer.script_finished == FAILED:
                raise RuntimeError("the page failed")
            elif kind == "script_finished" and answer.script_finished != EARLY:
                return

    async def move(self):
        """Put the slider anywhere."""
        message = BackMsg()
        message.rerun_script.fragment_id = self.fragment
        widget = message.rerun_script.widget_states.widgets.add()
        s = self.slider
        widget.id = s.id
        widget.double_array_value.data.append(s.min + s.step * self.rng.randrange(round((s.max - s.min) / s.step) + 1))
        await self.run(message)


async def every(visitor, until, waits):
    """Move every two seconds from a random moment on; waits: milliseconds from when a move was due to its answer."""
    due = time.perf_counter() + visitor.rng.uniform(0, PERIOD)
    while due < until:
        await asyncio.sleep(max(0, due - time.perf_counter()))
        await visitor.move()
        waits.append(1e3 * (time.perf_counter() - due))
        due += PERIOD


async def always(visitor, until, waits):
    """Move again as soon as the last move is answered; waits: seconds each took."""
    while time.perf_counter() < until:
        start = time.perf_counter()
        await visitor.move()
        waits.append(time.perf_counter() - start)


@dataclass
class Count:
    """What a number of slices of one kind have shown."""

    waits: list = field(default_factory=list)  # milliseconds of each move
    slow: list = field(default_factory=list)  # seconds of each move of the heavy visitor
    seconds: float = 0.0  # in which visitors moved
    lasted: float = 0.0  # until the last answer, which may be a heavy one
    cpu: float = 0.0

    async def measure(self, server, visitors, seconds, heavy=None):
        start, before = time.perf_counter(), server.cpu()
        tasks = [every(visitor, start + seconds, self.waits) for visitor in visitors]
        await asyncio.gather(*tasks, *([always(heavy, start + seconds, self.slow)] if heavy else []))
        self.seconds += seconds
        self.lasted += time.perf_counter() - start
        self.cpu += server.cpu() - before

    def tell(self, who):
        self.waits.sort()
        print(f"{who}: {len(self.waits) / self.seconds:.1f} reruns a second, "
              f"server at {100 * self.cpu / self.lasted:.0f} % of a core")
        print(f"  slider moved to answered: median {statistics.median(self.waits):.0f} ms, 95 % within "
              f"{self.waits[int(0.95 * len(self.waits))]:.0f} ms (target 300), longest {self.waits[-1]:.0f} ms")


async def bench(server, n, seconds, heavy):
    start = time.perf_counter()
    visitors = [await Visitor.open(server, seed=seed) for seed in range(n)]
    print(f"{n} pages opened one after another, {1e3 * (time.perf_counter() - start) / n:.0f} ms each; "
          f"server memory {server.memory():.0f} MB")
    await Count().measure(server, visitors, SETTLE)
    hog = await Visitor.open(server, HEAVY) if heavy else None
    alone, beside, received = Count(), Count(), sum(visitor.bytes for visitor in visitors)
    for _ in range(SLICES):
        await alone.measure(server, visitors, seconds / SLICES)
        if heavy:
            await beside.measure(server, visitors, seconds / SLICES, hog)
    alone.tell(f"{n} visitors")
    reruns = len(alone.waits) + len(beside.waits)
    print(f"  {1e3 * alone.cpu / len(alone.waits):.1f} ms of server CPU and "
          f"{(sum(visitor.bytes for visitor in visitors) - received) / 1e3 / reruns:.0f} kB a rerun")
    if heavy:
        beside.tell("beside a heavy one")
        ratio = statistics.median(beside.waits) / statistics.median(alone.waits)
        print(f"  {len(beside.slow)} heavy pictures, {statistics.median(beside.slow):.1f} s each; the others' median is "
              f"{ratio:.2f} times what it was (target 2)")
        if beside.cpu < 0.9 * beside.lasted:
            print("  something else took the server's core: run this again")


def main(n, seconds, heavy):
    server = Server(ROOT / "app.py", ROOT)
    try:
        server.apart()
        asyncio.run(bench(server, n, seconds, heavy))
    finally:
        server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--heavy", action="store_true")
    given = parser.parse_args()
    main(given.visitors, given.seconds, given.heavy)
