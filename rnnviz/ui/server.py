"""What the server does besides running the page: it hands out the board's script and plotly.js, from this machine only."""

import gc
import gzip
import sys
from functools import cache
from hashlib import sha256
from importlib.resources import files

from starlette.responses import Response
from starlette.routing import Route
from streamlit.runtime.scriptrunner import get_script_run_ctx

FOREVER = "public, max-age=31536000, immutable"
ASSETS = {"plotly.js": ("plotly", "package_data/plotly.min.js"), "board.js": ("rnnviz.ui", "board.js")}


def outside_a_session():
    """Whether this process is only being started: no visitor's page is running in this thread."""
    return get_script_run_ctx(suppress_warning=True) is None


@cache
def asset(name):
    """(compressed bytes, version) of one script; the version is a digest, so that it can be cached for ever."""
    package, path = ASSETS[name]
    plain = files(package).joinpath(path).read_bytes()
    return gzip.compress(plain, 6), sha256(plain).hexdigest()[:12]


def address(name):
    """Where the page finds a script, relative to its own address."""
    return f"rnnviz/{name}?v={asset(name)[1]}"


def routes():
    """The routes of the scripts. Also puts what is imported by now out of the garbage collector's sight, once."""

    async def send(request):
        found = request.path_params["name"]
        if found not in ASSETS:
            return Response(status_code=404)
        return Response(asset(found)[0], media_type="text/javascript",
                        headers={"content-encoding": "gzip", "cache-control": FOREVER})

    for name in ASSETS:
        asset(name)
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(0.001)  # a short run waits at most this long for each of the turns it needs beside a long one
    return [Route("/rnnviz/{name}", send)]
