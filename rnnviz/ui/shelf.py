"""What is too large for a link, kept by its digest for as long as the server has room: so a reload still finds it."""

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


def shelve(experiment):
    """Keep own weights and a table by their digest, for links that name them."""
    for own in filter(None, (experiment.weights, experiment.table)):
        shelf().put(own)
