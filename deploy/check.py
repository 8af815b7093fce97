"""What the shipped HAProxy does with real replicas, visitors and a real Chromium: python deploy/check.py [--rounds 3]

Needs haproxy, Chromium and requirements-dev.txt; Linux, loopback only. See loopback.py for the two addresses that differ from
what is shipped. Says one line for each thing that holds, and ends with code 1 at the first that does not.
"""

import argparse
import http.client
import os
import re
import signal
import socket
import sys
import time
from contextlib import contextmanager

import numpy as np
from loopback import ROOT, Hall, fetch
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from browser import ARGS, DRAWN, SCREEN, drawn, found, grid, lead, query, slider  # noqa: E402

from rnnviz import Experiment, Table, Weights, from_link, read, run, to_json, to_link  # noqa: E402
from rnnviz.figures import flow_spec  # noqa: E402
from rnnviz.links import LONGEST_OWN  # noqa: E402

NAME = "hall.example"  # the public name, which no replica has heard of
VISITORS = 8
LINK = "cell=relu&g=1.75&init=Gaussian&seed=127"
BACK = 3.0  # seconds in which a visitor whose replica was killed must be back


class Failed(Exception):
    pass


def sure(holds, words):
    if not holds:
        raise Failed(words)


def say(words):
    print(f"ok   {words}", flush=True)


# A visitor without a browser: its requests carry the public name and the cookies that it was given.


class Visitor:
    def __init__(self, hall):
        self.hall, self.cookies, self.host = hall, {}, f"{NAME}:{hall.port}"

    def headers(self):
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def ask(self, method, path, body=None, headers=None):
        """(status, body) of a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.hall.port, timeout=10)
        try:
            connection.request(method, path, body, {"Host": self.host, **self.headers(), **(headers or {})})
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("set-cookie", ()):
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, answer.read()
        finally:
            connection.close()

    @contextmanager
    def socket(self, path, protocols=None, origin=None):
        with socket.create_connection(("127.0.0.1", self.hall.port), timeout=10) as raw:
            with connect(f"ws://{self.host}{path}", sock=raw, origin=origin or f"http://{self.host}", subprotocols=protocols,
                         additional_headers=self.headers(), max_size=None, open_timeout=10) as opened:
                yield opened

    def drawn(self, stream, link=""):
        """The session's id, once the page has run for a link."""
        message, session = BackMsg(), None
        message.rerun_script.query_string = link
        stream.send(message.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(stream.recv(timeout=20))
            if answer.WhichOneof("type") == "new_session":
                session = answer.new_session.initialize.session_id
            elif answer.WhichOneof("type") == "script_finished":
                sure(answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY, "the page ran to its end")
                return session

    def upload(self, session, data):
        body = (b'--part\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
                + data + b"\r\n--part--\r\n")
        return self.ask("PUT", f"/_stcore/upload_file/{session}/one", body, {
            "Content-Type": "multipart/form-data; boundary=part", "Origin": f"http://{self.host}",
            "X-Xsrftoken": self.cookies["_streamlit_xsrf"]})


SERVED = re.compile(r"^(\S+) (\d+) ([A-Z]+) (\S+) \d+ ms", re.M)


def served(hall, since, until):
    """[(page, status, what)] of the log behind a place, once it tells of `until` requests."""
    for _ in range(100):
        lines = SERVED.findall(hall.log().read_text()[since:])
        if len(lines) >= until:
            break
        time.sleep(0.05)
    return [(page, int(status), what) for page, status, _, what in lines]


def affinity(hall):
    """Everything one visitor asks for is answered by one page, and both pages get visitors."""
    homes, lane = [], None
    for _ in range(VISITORS):
        since, visitor = len(hall.log().read_text()), Visitor(hall)
        status, page = visitor.ask("GET", "/?" + LINK)
        sure(status == 200, "the page opens")
        script = re.search(rb'src="\./(static/js/[^"]+)"', page)[1].decode()
        for path in ("/_stcore/health", "/_stcore/host-config", "/" + script):
            sure(visitor.ask("GET", path)[0] == 200, f"{path} is there")
        with visitor.socket("/_stcore/stream", ["streamlit", visitor.cookies["_streamlit_xsrf"]]) as stream:
            session = visitor.drawn(stream, LINK)
            sure(visitor.upload(session, b"a,b\n1,2\n")[0] == 204, "an upload is taken")
            try:
                with visitor.socket("/rnnviz/live"):
                    lane = True
            except InvalidStatus:
                lane = False  # this version of the page has no live lane, but the request must have gone the same way
        home, lines = visitor.cookies["replica"], served(hall, since, 7)
        sure(len(lines) == 7, f"seven requests are in the log: {lines}")
        sure({page for page, _, _ in lines} == {home}, f"a visitor of {home} reached {lines}")
        sure(("_stcore/stream" in {what for _, status, what in lines if status == 101}), f"the stream is a WebSocket: {lines}")
        homes.append(home)
    sure(set(homes) == set(hall.homes), f"both pages get visitors: {homes}")
    say(f"page, scripts, stream, upload and {'live lane' if lane else '(no live lane in this version)'} of each of {VISITORS} "
        f"visitors reached one page; visitors a page: {', '.join(str(homes.count(name)) for name in hall.homes)}")
    visitor = Visitor(hall)
    visitor.ask("GET", "/_stcore/health")
    with visitor.socket("/_stcore/stream", ["streamlit"]) as stream:
        session, home = visitor.drawn(stream), visitor.cookies["replica"]
        visitor.cookies["replica"] = next(name for name in hall.homes if name != home)
        status, words = visitor.upload(session, b"a\n1\n")
    sure(status == 400 and b"sticky" in words, f"an upload to the other page is refused, so affinity is needed: {status}")
    say("an upload sent to the other page is refused (400): without the cookie it would fail half of the time")


def strangers(hall):
    """Only pages of the same address may open a WebSocket."""
    since = len(hall.log().read_text())
    for path in ("/_stcore/stream", "/rnnviz/live"):
        for origin in ("http://other.example", f"http://{NAME}:1", "null"):
            visitor, start = Visitor(hall), time.monotonic()
            try:
                with visitor.socket(path, origin=origin):
                    raise Failed(f"{path} is open to {origin}")
            except InvalidStatus as refused:
                sure(refused.response.status_code == 403, f"{path} refuses {origin}")
            sure(time.monotonic() - start < 0.5, f"{path} refuses {origin} at once")
    lines = served(hall, since, 6)
    sure([page for page, _, _ in lines] == ["<NOSRV>"] * 6, f"no page sees what is refused: {lines}")
    say("WebSockets from another site's page are refused at once, before they reach a page")


@contextmanager
def silent(hall):
    """A visitor who does nothing for a while, and then has the page drawn again over the same stream."""
    visitor, start = Visitor(hall), time.monotonic()
    visitor.ask("GET", "/_stcore/health")
    with visitor.socket("/_stcore/stream", ["streamlit"]) as stream:
        session = visitor.drawn(stream, LINK)
        yield
        sure(visitor.drawn(stream, LINK) == session, "the session is the same")
    say(f"a stream that was silent for {time.monotonic() - start:.0f} s goes on")


def longest():
    """A link as long as the page makes them: the most weights and the longest table that still travel in it."""
    table = Table(("\N{SNOWMAN}" * 60,) * 22, np.zeros((1, 22)))  # 540 characters a name, percent-encoded; 900 in a link
    side, numbers = 24, 1e100 * np.random.default_rng(1).normal(size=(24, 24))
    while len((weights := Weights({"W_T1": numbers[:side, :side]})).text) > LONGEST_OWN:
        side -= 1
    return to_link(Experiment(weights=weights, width=side, table=table, task="table", T=1))


def trickle(hall, path, piece=1460, pause=2e-4):
    """The status of a request that arrives packet by packet, as over a room's network."""
    with socket.create_connection(("127.0.0.1", hall.port), timeout=10) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = f"GET {path} HTTP/1.1\r\nHost: {NAME}:{hall.port}\r\nUser-Agent: {'a' * 200}\r\n\r\n".encode()
        for i in range(0, len(data), piece):
            raw.sendall(data[i:i + piece])
            time.sleep(pause)
        return int(raw.recv(100).split()[1])


def long_links(hall, visit):
    link = longest()
    for text, what in ((link, "the longest the page makes"), ("x=" + "a" * 126_500, "about 127 kB")):
        sure(fetch(f"{hall.address}?{text}")[0] == 200, f"a link of {len(text)} characters opens")
        sure(trickle(hall, f"/?{text}") == 200, f"a link of {len(text)} characters opens packet by packet")
        say(f"a link of {len(text):,} characters ({what}) passes, also packet by packet")
    sure(fetch(f"{hall.address}?x={'a' * 200_000}")[0] in (400, 414), "a link that fits in no buffer is refused")
    page = visit(link)
    sure(shown(page, link), "the picture is that of the longest link")
    say("and Chromium draws the picture of the longest link")


# A visitor with a browser.


def shown(page, link):
    """Whether the grid in the plot holds the numbers of a link."""
    true = np.asarray(flow_spec(read(run(from_link(link)[0])))["data"][0]["z"], dtype=float)
    seen = np.array([[np.nan if v is None else v for v in row] for row in grid(page)])
    return seen.shape == true.shape and np.allclose(seen, true, atol=1e-5, equal_nan=True)


STATE = '[data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"]'
LOST = '[data-test-connection-state]:not([data-test-connection-state="CONNECTED"])'

MADE = "document.querySelector('.rv-board').board.made"  # when the picture that is shown was made


def home(page):
    return next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "replica")


def g(link):
    return from_link(link)[0].g


def killed(hall, page):
    """Seconds from kill -9 of a visitor's process until the slider has moved the picture again, and until it could."""
    page.wait_for_selector(STATE)
    link, words, cells, old = query(page), lead(page), grid(page), home(page)
    made = page.evaluate(MADE)
    hall.kill(old)
    start = time.monotonic()
    page.wait_for_selector(LOST)
    page.wait_for_function(f"{MADE} > {made}", polling=20)
    page.wait_for_selector(STATE)
    back = time.monotonic() - start
    kept = lead(page), grid(page), page.evaluate("location.search.slice(1)"), float(slider(page, "g").input_value())
    rev = page.locator(".rv-board").get_attribute("data-rev")
    slider(page, "g").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(DRAWN, arg=rev, polling=20)
    moved = time.monotonic() - start
    sure(kept == (words, cells, link, g(link)), f"back with {kept[2]}, not {link}")
    sure(home(page) != old, "the visitor is on the other page")
    after = query(page)
    sure(abs(g(after) - g(link) - 0.01) < 1e-9, f"the slider moved from {link} to {after}")
    sure(after.replace(f"g={g(after)}", f"g={g(link)}") == link, f"nothing else in {link} changed: {after}")
    sure(shown(page, after), "the picture is that of the link")
    return moved, back


def revived(hall):
    """Start again whatever was killed, under a new address; the seconds until HAProxy sends visitors there."""
    for name in hall.homes:
        if hall.pages[name].process.poll() is not None:
            hall.start(name)
            return hall.wait([name])
    return 0.0


def kills(hall, visit, rounds):
    times = []
    for n in range(rounds):
        page = visit(LINK)
        sure(shown(page, LINK), "the picture is that of the link")
        times.append(killed(hall, page))
        page.context.close()
        taken = revived(hall)
        print(f"     round {n + 1}: kill -9 to moved again {times[-1][0]:.2f} s (could move after {times[-1][1]:.2f} s); "
              f"restarted under another address, it is used {taken:.2f} s after it answers", flush=True)
    worst = max(moved for moved, _ in times)
    sure(worst <= BACK, f"a visitor whose process was killed was back after {worst:.2f} s, not {BACK}")
    say(f"a visitor whose process is killed is back on the other, its link kept and its slider moving, within {worst:.2f} s "
        f"(target {BACK:.0f})")


def pressing(hall, visit):
    """A hand that goes on pressing the arrow through the kill."""
    page = visit(LINK)
    page.wait_for_selector(STATE)
    old = home(page)
    slider(page, "g").focus()
    start, gone, first = time.monotonic(), None, None
    while time.monotonic() < start + 5:
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(60)
        if gone is None and time.monotonic() > start + 0.7:
            hall.kill(old)
            gone = time.monotonic()
            page.wait_for_selector(LOST)  # so that no picture is on its way from the old process
            since = page.evaluate(MADE)
        elif gone and not first and page.evaluate(MADE) > since:
            first = time.monotonic() - gone
        if page.evaluate("document.activeElement === document.body"):
            slider(page, "g").focus()
    page.wait_for_selector(STATE)
    drawn(page)
    page.wait_for_timeout(300)
    link = query(page)
    sure(first is not None and first <= BACK, f"the first picture after the kill came after {first} s")
    sure(float(slider(page, "g").input_value()) == g(link), "slider and link agree")
    sure(g(link) < 1.75 and link.replace(f"g={g(link)}", "g=1.75") == LINK, f"nothing but the slider's value changed: {link}")
    sure(shown(page, link), "the picture is that of the link")
    page.context.close()
    revived(hall)
    say(f"a hand that goes on pressing an arrow sees the next picture {first:.2f} s after the kill; slider, link and picture "
        "agree")


def uploads(visit):
    """A file opened in a browser, as a person does."""
    page = visit("")
    page.get_by_role("button", name="Open…").click()
    page.locator("[role=dialog] input[type=file]").set_input_files(
        {"name": "mine.json", "mimeType": "application/json", "buffer": to_json(Experiment(g=1.2, T=33)).encode()})
    page.get_by_role("button", name="Use this experiment").click()
    page.wait_for_function("location.search.includes('T=33')")
    drawn(page)
    sure(query(page) == to_link(Experiment(g=1.2, T=33)) and shown(page, query(page)), "the picture is that of the file")
    page.context.close()
    say("a file is opened through the proxy in Chromium")


def hung(hall, visit):
    """A process that is there but does not answer."""
    page = visit(LINK)
    page.wait_for_selector(STATE)
    name, start = home(page), time.monotonic()
    process = hall.pages[name].process
    made = page.evaluate(MADE)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        page.wait_for_function(f"{MADE} > {made}", polling=50)
        page.wait_for_selector(STATE)
        back = time.monotonic() - start
    finally:
        os.kill(process.pid, signal.SIGCONT)
    sure(home(page) != name and query(page) == LINK and shown(page, LINK), "the visitor has the same picture on the other page")
    page.context.close()
    hall.wait([name])
    say(f"a process that hangs is left after {back:.1f} s")


def main(rounds):
    chromium = found()
    if not chromium:
        raise SystemExit("Chromium is missing")
    with Hall() as hall, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[
            *ARGS, f"--host-resolver-rules=MAP {NAME} 127.0.0.1"])

        def visit(link):
            page = browser.new_context(viewport=SCREEN).new_page()
            page.set_default_timeout(20_000)
            page.goto(f"http://{NAME}:{hall.port}/{'?' + link if link else ''}")
            return drawn(page)

        try:
            affinity(hall)
            strangers(hall)
            with silent(hall):
                long_links(hall, visit)
                uploads(visit)
            kills(hall, visit, rounds)
            pressing(hall, visit)
            hung(hall, visit)
            for name in hall.homes:
                sure("Traceback" not in hall.says(name), hall.says(name))
            say("no page printed an error")
        except (Failed, BrowserError, WebSocketException, OSError) as reason:
            print(f"FAIL {type(reason).__name__} {reason}", flush=True)
            return 1
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often a visitor's process is killed")
    sys.exit(main(parser.parse_args().rounds))
