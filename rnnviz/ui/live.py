"""The live lane: pictures for a value that a hand is still moving, over a WebSocket of the page's own server.

A message is "field=text" as in a link, and is answered by the picture with that field changed, packed as for the board, or by a
sentence where there is none. The first one names the picture before: "?", its link, its view and the message, a line each.
The lane knows no session: own weights too large for a link are found by their digest, and while that is unknown, as
whenever the lane is missing, the picture waits for the release.
"""

import asyncio
import logging
import time
from urllib.parse import urlsplit

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..dials import turned
from ..held import held
from ..links import LONGEST_LINK, from_link
from . import board
from .picture import computed, key, parse_view, picture, work
from .shelf import recent, shelf

QUICK, MOST = 1_500_000, 60_000_000  # multiply-adds: beyond the first a thread computes, beyond the second nobody
LANES = 1000  # open at once in one process
IDLE = 300.0  # s after which a silent lane is closed
REST, LONGEST_REST = 0.004, 0.5  # s between an answer and the next message: nobody gets more than a part of the server
LONGEST = LONGEST_LINK + 1000  # characters of a message
STRIKES = 20  # messages in a row that mean nothing


class Lane:
    """One visitor's lane: the experiment and view that its messages change one field of."""

    def __init__(self, recall):
        self.recall, self.base, self.view, self.held, self.cost, self.drawn = recall, None, None, None, 0, None

    def take(self, text):
        """The packed picture that a message asks for. Raises ValueError with a sentence."""
        return self.draw(self.turn(self.begin(text)))

    def begin(self, text):
        """Take the picture that a message names, if it names one; what is left of the message."""
        if text[:1] != "?":
            return text
        link, view, message = (text[1:].split("\n", 2) + ["", ""])[:3]
        self.start(link, view)
        return message

    def start(self, link, view):
        """Take a picture's link and view. Raises ValueError if they do not say exactly one picture."""
        self.base = None
        experiment, notes = from_link(link, self.recall)
        if notes:
            raise ValueError(notes[0])
        self.view = parse_view(view)
        self.held, gone = held(experiment.held, experiment.quantity, self.recall, MOST)
        if gone:
            raise ValueError(gone)
        self.base = experiment

    def turn(self, text):
        """The experiment of "field=text". Raises ValueError with a sentence."""
        if self.base is None:
            raise ValueError("no picture has been named")
        field, _, value = text.partition("=")
        made = turned(self.base, field, value)
        self.cost = work(made)
        if self.cost > MOST:
            raise ValueError("this picture takes too long to follow a hand")
        return made

    def draw(self, experiment):
        """The packed picture of an experiment. Raises ValueError with a sentence where its settings do not go together."""
        self.drawn = computed(experiment, before=self.drawn)
        recent().put(key(experiment), self.drawn)
        return board.payload(picture(experiment, self.drawn, self.view, self.held, live=True), board.Told())


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
        """Answer message after message: the next one is read only when this one is done with, and a rest as long."""
        strikes = 0
        while strikes < STRIKES:
            async with asyncio.timeout(IDLE):
                message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text, start = message.get("text") or "", time.perf_counter()
            if len(text) > LONGEST:
                break
            try:
                await socket.send_bytes(await self.answer(lane, text))
                strikes = 0
            except ValueError as reason:
                await socket.send_text(str(reason))
                strikes += 1
            except (WebSocketDisconnect, asyncio.CancelledError):
                raise
            except Exception:  # noqa: BLE001
                logging.getLogger("rnnviz").exception("lane error")
                await socket.send_text("something went wrong")
                strikes += 1
            await asyncio.sleep(max(REST, min(time.perf_counter() - start, LONGEST_REST)))
        await socket.close(1008)

    async def answer(self, lane, text):
        """The packed picture of a message: made here if that is quick, else in the lanes' one thread."""
        if text[:1] != "?":
            made = lane.turn(text)
            if lane.cost <= QUICK:
                return lane.draw(made)
        self.limiter = self.limiter or CapacityLimiter(1)
        return await run_sync(lane.take, text, limiter=self.limiter)
