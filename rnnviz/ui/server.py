"""What the server does besides running the page: it hands out the page's scripts and plotly.js, from this machine only, and
keeps the live lane open."""

import gc
import gzip
import sys
from functools import cache
from hashlib import sha256
from importlib.resources import files

from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from streamlit.runtime.scriptrunner import get_script_run_ctx
from uvicorn.protocols.http import h11_impl

from ..links import LONGEST_LINK

FOREVER = "public, max-age=31536000, immutable"
OURS = ("board.js", "brush.js", "bytes.js", "live.js", "step.js", "tools.js")
PLACES = {"plotly.js": ("plotly", "package_data/plotly.min.js"), **{name: ("rnnviz.ui", name) for name in OURS}}
LANE = "rnnviz/live"  # where the page finds the live lane, relative to its own address


def outside_a_session():
    """Whether this process is only being started: no visitor's page is running in this thread."""
    return get_script_run_ctx(suppress_warning=True) is None


def plain(name):
    package, path = PLACES[name]
    return files(package).joinpath(path).read_bytes()


@cache
def asset(name):
    """The compressed bytes of one script."""
    return gzip.compress(plain(name), 6)


@cache
def version(name):
    """A digest, so that a script can be cached for ever; our own scripts share one, because they import each other."""
    return sha256(b"".join(plain(part) for part in (OURS if name in OURS else (name,)))).hexdigest()[:12]


def address(name):
    """Where the page finds a script, relative to its own address."""
    return f"rnnviz/{version(name)}/{name}"


def routes():
    """The routes of scripts and lane. Also puts what is imported by now out of the garbage collector's sight, once."""
    from .live import Lanes

    async def send(request):
        found = request.path_params["name"]
        if found not in PLACES:
            return Response(status_code=404)
        return Response(asset(found), media_type="text/javascript",
                        headers={"content-encoding": "gzip", "cache-control": FOREVER})

    h11_impl.DEFAULT_MAX_INCOMPLETE_EVENT_SIZE = LONGEST_LINK + 2**15  # a long link may arrive in many pieces
    for name in PLACES:
        asset(name)
        version(name)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)  # a picture makes some thousand small objects, and none that refer to each other in circles
    sys.setswitchinterval(0.001)  # a short run waits at most this long for each of the turns it needs beside a long one
    return [WebSocketRoute(f"/{LANE}", Lanes()), Route("/rnnviz/{version}/{name}", send)]
