"""A real Chromium on a real server: what the browser tests start, and how they look at the page.

Everything is awaited as a person would: until the picture that belongs to the last change has been drawn.
PYTEST_DONT_REWRITE: the assertions here bring their own words.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-component-update",
        "--disable-sync")
PATIENCE = 20_000  # ms


# Chromium and the server.


def found():
    given = os.environ.get("CHROMIUM")
    return given or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium, installed from the system's packages if there is none."""
    if not found() and shutil.which("apt-get"):
        become = [] if os.geteuid() == 0 else ["sudo", "-n"]
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                     env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run([*become, "apt-get", "update", "-q"], timeout=120, check=False, **quiet)
            subprocess.run([*become, "apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"],
                           timeout=300, check=False, **quiet)
    path = found()
    if not path:
        pytest.fail("The browser tests need Chromium. None was found and it could not be installed with apt-get; "
                    "install it, or set CHROMIUM to its path.", pytrace=False)
    return path


@pytest.fixture(scope="session")
def browser(chromium):
    """One Chromium for all tests; each test opens contexts of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=list(ARGS))
        yield made
        made.close()


class Server:
    """`streamlit run app.py` on a free port of this machine."""

    def __init__(self, log):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log, self.process = Path(log), None

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/"

    def start(self):
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)],
                cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"The server did not start:\n{self.log.read_text()}", pytrace=False)
            time.sleep(0.05)
        return self

    def healthy(self):
        try:
            with urllib.request.urlopen(self.address + "_stcore/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def alive(self):
        """Fail in plain words if the server has ended by itself."""
        if self.process.poll() is not None:
            pytest.fail(f"The server has ended with code {self.process.returncode}:\n{self.log.read_text()}", pytrace=False)

    def stop(self, kill=False):
        (self.process.kill if kill else self.process.terminate)()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


def running(folder):
    """A running server; at the end, its log must hold no error."""
    made = Server(folder / "log.txt").start()
    yield made
    made.stop()
    log = made.log.read_text(errors="replace")
    assert "Traceback" not in log, log
    assert "page error" not in log, log


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The server that the tests of a module share."""
    yield from running(tmp_path_factory.mktemp("server"))


@pytest.fixture
def own_server(tmp_path):
    """A server of the test's own, to kill."""
    yield from running(tmp_path)


class Watch:
    """What a page does that it should not: errors on its console, thrown ones, requests to another host."""

    def __init__(self, page, server):
        self.server, self.complaints, self.hosts = server, [], set()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc or urlsplit(request.url).scheme))

    def check(self):
        assert not self.complaints, self.complaints
        assert self.hosts <= {urlsplit(self.server.address).netloc, "blob", "data"}, self.hosts


SCREEN = {"width": 1440, "height": 900}


@pytest.fixture
def visit(browser, server):
    """visit(query="", **context options) -> a page with the picture drawn, in a browser context of its own.

    At the end of the test it must have kept to itself and logged no error, unless watched=False.
    """
    contexts, watches = [], []

    def open_(query="", *, wait=True, watched=True, route=None, init=None, home=server, **options):
        context = browser.new_context(**{"viewport": SCREEN, **options})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        if watched:
            watches.append(Watch(page, home))
        if init:
            page.add_init_script(init)
        if route:
            page.route(*route)
        home.alive()
        page.goto(home.address + query)
        if wait:
            drawn(page)
        return page

    yield open_
    for watch in watches:
        watch.check()
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def pages(browser, server):
    """One open page a theme, shared by the tests that do not ask for one of their own."""
    contexts, made = [], {}
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport=SCREEN, color_scheme=scheme)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        made[scheme] = page, Watch(page, server)
        page.goto(server.address)
    yield made
    for context in contexts:
        context.close()


def again(pages, scheme):
    """A shared page, back at the picture it opened with."""
    page, watch = pages[scheme]
    watch.server.alive()
    drawn(page)
    page.keyboard.press("Escape")
    for name in ("Edge", "Vanishing"):
        example(page, name)
    page.evaluate("document.activeElement.blur()")
    yield page
    watch.check()


@pytest.fixture
def page(pages):
    yield from again(pages, "light")


@pytest.fixture
def dark(pages):
    yield from again(pages, "dark")


# What a person sees.

DRAWN = """(old) => {
  const root = document.querySelector(".rv-board"), plot = root && root.querySelector(".rv-plot");
  if (!root || !root.board || !plot || !plot.data || !root.dataset.rev) return false;
  const wide = root.getBoundingClientRect().width, drawn = root.board.picture.spec.layout.width;
  return root.dataset.rev === root.board.rev && root.dataset.rev !== old && Math.abs(wide - drawn) <= 2;
}"""


# The live lane may draw a picture before the page itself has answered: who acts again before that is quicker than people.
ANSWERED = """() => {
  const { live } = document.querySelector(".rv-board").board;
  return !live || performance.now() - live.moved > 1500;
}"""


def drawn(page, old=None):
    """Wait until the picture is drawn in full at the width of its place; old: a rev that it must not be any more."""
    page.wait_for_function(DRAWN, arg=old)
    return page


def rev(page):
    return page.locator(".rv-board").get_attribute("data-rev")


def act(page, action, until=None):
    """Do something that changes the picture, and wait for the new one; until: JavaScript that holds when it is there."""
    old = rev(page)
    action()
    if until:
        page.wait_for_function(until)
    drawn(page, old)
    page.wait_for_function(ANSWERED)
    return page


def query(page):
    """The query of the address bar, once it is that of the picture: while a slider moves, it waits for rest."""
    page.wait_for_function("""() => {
      const meant = new URL(location);
      meant.search = document.querySelector(".rv-board").board.told.link;
      return meant.search === location.search;
    }""")
    return urlsplit(page.url).query


def lead(page):
    return page.locator(".rv-lead").inner_text()


def equation(page):
    return page.locator(".rv-equation .rv-heading span").inner_text()


def grid(page):
    """The grid's numbers as they stand in the plot, row by row; None where a cell is no number."""
    return page.evaluate("""() => {
      const trace = document.querySelector(".rv-plot").data.find((t) => t.name === "grid");
      return Array.from(trace.z, (row) => Array.from(row, (v) => (Number.isFinite(v) ? v : null)));
    }""")


def outlined(page):
    """(layer, step) of the outlined cell, from the equation's heading."""
    words = equation(page).replace(",", "").split()
    return int(words[1]), int(words[3])


def slider(page, name):
    return widget(page, name, "input[type=range]")


def widget(page, name, part=""):
    """The widget of a field, or a part of it; its key counts how often the field was set otherwise."""
    return page.locator(f".st-key-w_{name} {part}, [class*=st-key-w_{name}_t] {part}")


def move(page, name, key="ArrowRight", times=1):
    """Move a slider with the keyboard, one picture a press."""
    slider(page, name).focus()
    for _ in range(times):
        act(page, lambda: page.keyboard.press(key))


def example(page, name):
    """Click an example's pill and wait for its picture."""
    return act(page, lambda: page.get_by_role("radio", name=name, exact=True).click())


def middle_of(page, layer, step):
    """The place on the screen of a cell's middle."""
    return page.evaluate("""([layer, step]) => {
      const plot = document.querySelector(".rv-plot"), box = plot.getBoundingClientRect();
      const { xaxis, yaxis } = plot._fullLayout;
      return [box.x + xaxis._offset + xaxis.c2p(step), box.y + yaxis._offset + yaxis.c2p(layer)];
    }""", [layer, step])
