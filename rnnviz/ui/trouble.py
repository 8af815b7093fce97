"""The one boundary between an unexpected error and the page: one sentence with a short code, and a line in the log."""

import logging
from contextlib import contextmanager
from zlib import crc32

import streamlit as st


@contextmanager
def told():
    """Around every part of the page that reruns by itself: Streamlit would show its own box for what leaves a fragment."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        code = f"{crc32(repr(error).encode()) & 0xFFFF:04X}"
        logging.getLogger("rnnviz").exception("page error %s", code)
        st.error(f"Something went wrong while drawing this picture (code {code}). Choose an example to go on.")
