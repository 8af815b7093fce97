"""How many pictures a second the live lane of one process answers: python benchmarks/lane.py [--clients 30] [--rude]

The server has one core to itself, the clients the other. Each client asks for the next picture as soon as it has the last. The
yardstick is the time of one default run of the core (forward, backward and its reading), measured on the same core before:
the lane is to answer at least half of one over it. --rude adds a client that floods and one that sends nonsense, and tells what
the others lose.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from serving import ROOT, Server
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from rnnviz.experiment import Experiment, run
from rnnviz.flow import read
from rnnviz.sentences import flow

START = "?\nlight 1068 0\ng=0.8"


def core_time(n=400):
    """Median seconds of one default run, from the experiment to its sentence."""
    times = []
    for i in range(n):
        experiment = Experiment(g=0.5 + (i % 100) / 100)
        start = time.perf_counter()
        flow(read(run(experiment)))
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def lane(server):
    return connect(f"ws://127.0.0.1:{server.port}/rnnviz/live", origin=server.address.rstrip("/"), max_size=None,
                   compression=None)


async def asking(server, until, waits, seed):
    """A hand that never rests."""
    async with lane(server) as socket:
        await socket.send(START)
        await socket.recv()
        n = seed
        while time.perf_counter() < until:
            n += 1
            start = time.perf_counter()
            await socket.send(f"g={0.3 + n % 200 / 100:.2f}")
            answer = await socket.recv()
            if not isinstance(answer, bytes):
                raise RuntimeError(answer)
            waits.append(1e3 * (time.perf_counter() - start))


async def flooding(server, until):
    """Sends and never waits for an answer."""
    try:
        async with lane(server) as socket:
            await socket.send(START)
            while time.perf_counter() < until:
                await asyncio.wait_for(socket.send("g=0.9"), 1)
                await asyncio.sleep(0)
    except (ConnectionClosed, TimeoutError):
        pass


async def babbling(server, until):
    """Sends nonsense, and comes back when it is shown out."""
    while time.perf_counter() < until:
        try:
            async with lane(server) as socket:
                while time.perf_counter() < until:
                    await socket.send("x" * 1000)
                    await socket.recv()
        except ConnectionClosed:
            pass


async def measure(server, clients, seconds, rude=False):
    waits, until = [], time.perf_counter() + seconds
    tasks = [asking(server, until, waits, 7 * seed) for seed in range(clients)]
    before = server.cpu()
    await asyncio.gather(*tasks, *([flooding(server, until), babbling(server, until)] if rude else []))
    cpu = (server.cpu() - before) / seconds
    waits.sort()
    rate = len(waits) / seconds
    print(f"{clients} client{'s' * (clients > 1)}{' beside a flood and nonsense' if rude else ''}: {rate:.0f} pictures a "
          f"second; each waits {statistics.median(waits):.1f} ms, 95 % within {waits[int(0.95 * len(waits))]:.1f} ms; "
          f"server at {100 * cpu:.0f} % of a core")
    return rate, statistics.median(waits)


async def bench(server, clients, seconds, rude, core):
    await measure(server, clients, 2)
    rate, alone = await measure(server, clients, seconds)
    print(f"one default run of the core takes {1e3 * core:.2f} ms; the lane answers {rate * core:.2f} of the {1 / core:.0f} a "
          "second that the core alone could make (target 0.5)")
    await measure(server, 1, min(seconds, 5))
    if rude:
        _, beside = await measure(server, clients, seconds, rude=True)
        print(f"the others' median is {beside / alone:.2f} times what it was")


def main(clients, seconds, rude):
    if os.cpu_count() > 1:
        os.sched_setaffinity(0, {0})
    core = core_time()
    server = Server(ROOT / "app.py", ROOT)
    try:
        server.apart()
        asyncio.run(bench(server, clients, seconds, rude, core))
    finally:
        server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rude", action="store_true")
    given = parser.parse_args()
    main(given.clients, given.seconds, given.rude)
