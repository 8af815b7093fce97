"""What the server keeps for its visitors: what is too large for a link, so that a reload finds it, and what was drawn last."""

import time
from collections import OrderedDict
from threading import Lock

import streamlit as st

ROOM = 8_000_000  # numbers, 64 MB
HOUR = 3600.0


class Shelf:
    """Weights and tables of all visitors, read-only, newest last. What is oldest, or not asked for in an hour, is let go."""

    def __init__(self, room=ROOM, clock=time.monotonic):
        self.kept, self.room, self.clock, self.lock = OrderedDict(), room, clock, Lock()

    def put(self, value):
        with self.lock:
            self.kept[value.digest] = self.clock(), value
            self.kept.move_to_end(value.digest)
            self.tidy()

    def find(self, digest):
        """The value of a digest, or None."""
        with self.lock:
            self.tidy()
            _, value = self.kept.get(digest, (None, None))
            if value is not None:
                self.kept[digest] = self.clock(), value
                self.kept.move_to_end(digest)
            return value

    def tidy(self):
        while self.kept and (sum(value.size for _, value in self.kept.values()) > self.room
                             or self.clock() - next(iter(self.kept.values()))[0] > HOUR):
            self.kept.popitem(last=False)


@st.cache_resource(show_spinner=False)
def shelf():
    """The one shelf of this server."""
    return Shelf()


class Recent:
    """What was drawn last while hands moved dials, by what decides it: the release that follows takes it as it is."""

    def __init__(self, most=32):
        self.kept, self.most, self.lock = OrderedDict(), most, Lock()

    def put(self, key, drawn):
        with self.lock:
            self.kept[key] = drawn
            self.kept.move_to_end(key)
            while len(self.kept) > self.most:
                self.kept.popitem(last=False)

    def find(self, key):
        """What was drawn under this key, or None."""
        with self.lock:
            return self.kept.get(key)


@st.cache_resource(show_spinner=False)
def recent():
    """The one Recent of this server."""
    return Recent()


def shelve(experiment):
    """Keep own weights and a table by their digest, for links that name them."""
    for own in filter(None, (experiment.weights, experiment.table)):
        shelf().put(own)
