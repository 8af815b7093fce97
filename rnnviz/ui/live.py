"""The live lane: pictures for a value that a hand is still moving, over a WebSocket of the page's own server.

A visitor's first message names the picture: "?", its link, a line feed and the view. Every further one is "field=text" as in
a link, and is answered by the picture with that field changed, packed as for the board, or by a sentence where there is none.
The lane knows no session: own weights too large for a link are found by their digest, and while that is unknown, as
whenever the lane is missing, the picture waits for the release.
"""

import asyncio
import time
from urllib.parse import urlsplit

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..dials import turned
from ..experiment import cost
from ..held import held
from ..links import LONGEST_LINK, from_link
from . import board
from .picture import computed, parse_view, picture
from .shelf import shelf

QUICK, MOST = 1_500_000, 20_000_000  # multiply-adds: beyond the first a thread computes, beyond the second nobody
LANES = 1000  # open at once in one process
IDLE = 300.0  # s after which a silent lane is closed
REST = 0.004  # s between an answer and the next message: nobody gets more than a part of the server
STRIKES = 20  # messages in a row that mean nothing


class Lane:
    """One visitor's lane: the experiment and view that its messages change one field of."""

    def __init__(self, recall):
        self.recall, self.base, self.view, self.held, self.cost = recall, None, None, None, 0

    def start(self, text):
        """Take a picture's link and view. Raises ValueError if they do not say exactly one picture."""
        link, _, view = text.removeprefix("?").partition("\n")
        self.base = None
        experiment, notes = from_link(link, self.recall)
        if notes:
            raise ValueError(notes[0])
        self.view = parse_view(view)
        self.held, _ = held(experiment.held, experiment.quantity, self.recall)
        self.base = experiment

    def turn(self, text):
        """The experiment of "field=text". Raises ValueError with a sentence."""
        if self.base is None:
            raise ValueError("no picture has been named")
        field, _, value = text.partition("=")
        made = turned(self.base, field, value)
        self.cost = cost(made)
        if self.cost > MOST:
            raise ValueError("this picture takes too long to follow a hand")
        return made

    def draw(self, experiment):
        """The packed picture of an experiment. Raises ValueError with a sentence where its settings do not go together."""
        return board.payload(picture(experiment, computed(experiment), self.view, self.held, live=True), board.Told())


def own_page(headers):
    """Whether a browser says that the page it shows came from this very server."""
    origin = urlsplit(headers.get("origin", "")).netloc
    return bool(origin) and origin in (headers.get("host"), headers.get("x-forwarded-host"))


class Lanes:
    """The WebSocket endpoint, and how many lanes are open."""

    def __init__(self):
        self.open, self.limiter = 0, None

    async def __call__(self, scope, receive, send):
        socket = WebSocket(scope, receive, send)
        if not own_page(socket.headers) or self.open >= LANES:
            await socket.close(1008 if self.open < LANES else 1013)
            return
        await socket.accept()
        self.open += 1
        try:
            await self.serve(socket, Lane(shelf().find))
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self.open -= 1

    async def serve(self, socket, lane):
        """Answer message after message: the next one is read only when this one is done with."""
        strikes = 0
        while strikes < STRIKES:
            async with asyncio.timeout(IDLE):
                message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text, start = message.get("text") or "", time.perf_counter()
            try:
                if not 0 < len(text) <= LONGEST_LINK:
                    raise ValueError(f"a message has 1 to {LONGEST_LINK} characters")
                if text[0] == "?":
                    lane.start(text)
                    answer = None
                else:
                    answer = await self.answer(lane, text)
                strikes = 0
            except ValueError as reason:
                answer, strikes = str(reason), strikes + 1
            if isinstance(answer, bytes):
                await socket.send_bytes(answer)
            elif answer is not None:
                await socket.send_text(answer)
            await asyncio.sleep(max(REST, min(time.perf_counter() - start, 10 * REST)) if answer is not None else 0)
        await socket.close(1008)

    async def answer(self, lane, text):
        made = lane.turn(text)
        if lane.cost <= QUICK:
            return lane.draw(made)
        self.limiter = self.limiter or CapacityLimiter(1)
        return await run_sync(lane.draw, made, limiter=self.limiter)
