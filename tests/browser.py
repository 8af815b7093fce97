"""A real Chromium on a real server: what the browser tests start, and how they look at the page.

Everything is awaited as a person would: until the picture that belongs to the last change has been drawn.
PYTEST_DONT_REWRITE: the assertions here bring their own words.
"""

import contextlib
import json
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
PATIENCE = 60_000  # ms; only a test that fails waits so long


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
    """One Chromium for all tests; two pages of a test never share a context."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
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
    assert not [failure for failure in log.split("Traceback")[1:] if not overlap(failure)], log
    assert "page error" not in log, log


def overlap(failure):
    """Whether this is Streamlit's own race, without a line of ours: under load, a run that ends clears away widgets while the
    thread of the next one, which has a lock of its own, walks through them."""
    return ("dictionary changed size during iteration" in failure and "session_state" in failure
            and "rnnviz" not in failure)


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
        self.page, self.server, self.complaints, self.hosts = page, server, [], set()
        self.heard = {
            "console": lambda message: self.complaints.append(message.text) if message.type == "error" else None,
            "pageerror": lambda error: self.complaints.append(str(error)),
            "request": lambda request: self.hosts.add(urlsplit(request.url).netloc or urlsplit(request.url).scheme),
        }
        for event, hear in self.heard.items():
            page.on(event, hear)

    def end(self):
        for event, hear in self.heard.items():
            self.page.remove_listener(event, hear)

    def check(self):
        assert not self.complaints, self.complaints
        assert self.hosts <= {urlsplit(self.server.address).netloc, "blob", "data"}, self.hosts


SCREEN = {"width": 1440, "height": 900}


def new_tab(browser, **options):
    """A tab in a browser context of its own."""
    context = browser.new_context(**{"viewport": SCREEN, **options})
    context.set_default_timeout(PATIENCE)
    return context.new_page()


@pytest.fixture(scope="module")
def tabs(browser):
    """The tabs that tests of a module have left, each in a context of its own. In one of these the page costs a quarter of what
    it costs in a new one, where all scripts are compiled again."""
    left = []
    yield left
    for tab in left:
        tab.context.close()


def leave(tab):
    """Give a tab up with nothing kept in it but its history."""
    tab.mouse.up()
    tab.evaluate("sessionStorage.clear(); localStorage.clear()")
    tab.goto("about:blank")


@pytest.fixture
def visit(browser, server, tabs):
    """visit(query="", ...) -> a page with the picture drawn; a second one in the same test is another browser's.

    It may be in a tab that an earlier test has left, unless new=True, or what else is asked for needs a context of its own.
    At the end of the test it must have kept to itself and logged no error, unless watched=False.
    """
    new_ones, old_ones, watches = [], [], []

    def open_(query="", *, wait=True, watched=True, new=False, route=None, init=None, home=server, viewport=SCREEN,
              color_scheme="light", **options):
        if new or route or init or options or home is not server:
            page = new_tab(browser, viewport=viewport, color_scheme=color_scheme, **options)
            new_ones.append(page)
        else:
            page = tabs.pop() if tabs else new_tab(browser)
            old_ones.append(page)
            page.set_viewport_size(viewport)
            page.emulate_media(color_scheme=color_scheme)
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
        watch.end()
    for page in new_ones:
        page.context.close()
    for page in old_ones:
        leave(page)
        tabs.append(page)
    for watch in watches:
        watch.check()


@pytest.fixture(scope="module")
def pages(browser, server):
    """One open page a theme, shared by the tests that do not ask for one of their own."""
    made = {}
    for scheme in ("light", "dark"):
        page = new_tab(browser, color_scheme=scheme)
        made[scheme] = page, Watch(page, server)
        page.goto(server.address)
    yield made
    for page, _ in made.values():
        page.context.close()


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
  if (!root || !root.board || !plot || !plot.data || !root.dataset.rev || document.fonts.status !== "loaded") return false;
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


RESTS = """() => {
  const root = document.querySelector(".rv-board"), board = root?.board;
  const rests = board && root.dataset.rev === board.rev && !board.settling && !board.lane?.busy && !board.lane?.next
    && document.querySelector('[data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"]');
  const now = rests ? `${board.rev} ${board.told.link}` : "";
  if (now !== window.seen) Object.assign(window, { seen: now, since: performance.now() });
  return now && performance.now() - window.since > 400;
}"""


def at_rest(page):
    """Wait until nothing is under way any more: no run of the script, no answer, no picture, and none was for a moment."""
    page.evaluate("window.seen = null")
    page.wait_for_function(RESTS)
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
    return act(page, lambda: page.get_by_role("radio", name=name, exact=True).click(),
               until=f"() => document.querySelector('.rv-board').board.told.controls.example === {json.dumps(name)}")


def middle_of(page, layer, step):
    """The place on the screen of a cell's middle."""
    return page.evaluate("""([layer, step]) => {
      const plot = document.querySelector(".rv-plot"), box = plot.getBoundingClientRect();
      const { xaxis, yaxis } = plot._fullLayout;
      return [box.x + xaxis._offset + xaxis.c2p(step), box.y + yaxis._offset + yaxis.c2p(layer)];
    }""", [layer, step])
