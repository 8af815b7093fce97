"""How well the picture follows a hand, in a headless Chromium: python benchmarks/live.py [--view rate]

A thumb is dragged at 60 Hz and an arrow key is held at 30 Hz on the opening page; every drawn picture is counted, and timed
from the pointer's event to the heatmap. The requests that Streamlit sends for a run of the script are counted too.
"""

import argparse
import statistics
import time

from page import FLAGS, chromium
from playwright.sync_api import sync_playwright
from serving import ROOT, Server

WATCH = """() => {
  const root = document.querySelector(".rv-board");
  window.seen = {drawn: [], turned: [], hand: 0};
  addEventListener("pointermove", (event) => { seen.hand = event.timeStamp; }, true);
  addEventListener("keydown", (event) => { seen.hand = event.timeStamp; }, true);
  new MutationObserver((changes) => changes.forEach(({target}) => {
    if (target.closest('[class*="st-key-w_g"]')) seen.turned.push([seen.hand, Number(target.getAttribute("aria-valuetext"))]);
  })).observe(document.body, {subtree: true, attributes: true, attributeFilter: ["aria-valuetext"]});
  new MutationObserver(() => seen.drawn.push([performance.now(), root.board.told.link])).observe(
    root, {attributes: true, attributeFilter: ["data-live"]});
}"""


def drawn(page):
    """[(ms, ms since the hand's own event)] of every picture since the last look, and forgets them."""
    drawn, turned = page.evaluate("() => { const {drawn, turned} = seen; seen.drawn = []; return [drawn, turned]; }")
    made = []
    for at, link in drawn:
        g = next((float(part[2:]) for part in link.split("&") if part.startswith("g=")), 0.8)
        asked = [when for when, value in turned if value == g and when <= at]
        made.append((at, at - asked[-1] if asked else None))
    return made


def tell(name, pictures, seconds, runs):
    waits = sorted(wait for _, wait in pictures if wait is not None)
    print(f"{name}: {len(pictures)} pictures in {seconds:.1f} s, {len(pictures) / seconds:.0f} a second; hand to heatmap "
          f"median {statistics.median(waits):.1f} ms, 95 % within {waits[int(0.95 * len(waits))]:.1f} ms; "
          f"{runs} runs of the script meanwhile")


def dragged(page, runs, seconds):
    """Drag the thumb of the recurrent scale back and forth at 60 Hz."""
    box = page.locator("[class*=st-key-w_g] .stSlider input").locator("xpath=ancestor::*[@data-rac][2]").bounding_box()
    thumb = page.locator("[class*=st-key-w_g] [data-testid=stSliderThumbValue]").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(thumb["x"] + thumb["width"] / 2, y)
    page.mouse.down()
    before, start, moves = len(runs), time.perf_counter(), 0
    while (now := time.perf_counter() - start) < seconds:
        place = abs((0.8 * now + 0.3) % 2 - 1)  # quick enough for a new value at every move
        page.mouse.move(box["x"] + box["width"] * (0.1 + 0.8 * place), y)
        moves += 1
        time.sleep(max(0, start + moves / 60 - time.perf_counter()))
    taken, during = time.perf_counter() - start, len(runs) - before
    made = drawn(page)
    page.mouse.up()
    return made, taken, during, moves


def held(page, runs, seconds):
    """Hold the right arrow key on the slider: 30 key presses a second, as a keyboard repeats."""
    page.locator("[class*=st-key-w_g] input[type=range]").focus()
    before, start, n = len(runs), time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        page.keyboard.down("ArrowRight")
        n += 1
        time.sleep(max(0, start + n / 30 - time.perf_counter()))
    page.keyboard.up("ArrowRight")
    taken, released = time.perf_counter() - start, page.evaluate("performance.now()")
    during = len(runs) - before
    time.sleep(1)
    made = drawn(page)
    return [p for p in made if p[0] <= released], taken, during, max(0.0, made[-1][0] - released)


def main(seconds, view):
    server = Server(ROOT / "app.py", ROOT)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            runs = []
            page.on("websocket", lambda socket: "_stcore" in socket.url and socket.on(
                "framesent", lambda frame: runs.append(frame)))
            page.goto(f"{server.address}?view={view}")
            page.wait_for_selector(".rv-board[data-rev]")
            page.wait_for_timeout(1000)
            page.evaluate(WATCH)
            dragged(page, runs, 1)
            page.wait_for_timeout(600)
            drawn(page)
            made, taken, during, moves = dragged(page, runs, seconds)
            page.wait_for_timeout(600)
            after = len(drawn(page))
            tell(f"dragged, {moves / taken:.0f} moves a second", made, taken, during)
            print(f"  after the release {after} more pictures were drawn (the last value's own, if it was still on its way)")
            example = page.get_by_role("radio", name="Vanishing", exact=True)
            example.click()
            page.wait_for_timeout(600)
            page.evaluate("() => { seen.turned = []; seen.drawn = []; }")
            made, taken, during, settled = held(page, runs, min(seconds, 4))
            tell("key held", made, taken, during)
            print(f"  settled {settled:.0f} ms after the release (target 100)")
            link = page.evaluate("document.querySelector('.rv-board').board.told.link")
            rev = page.evaluate("document.querySelector('.rv-board').dataset.rev")
            fresh = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            fresh.goto(f"{server.address}?{link}")
            fresh.wait_for_selector(".rv-board[data-rev]")
            fresh.wait_for_timeout(1000)
            same = fresh.evaluate("document.querySelector('.rv-board').dataset.rev") == rev
            print(f"  a fresh page opened with its link shows {'the same picture' if same else 'ANOTHER PICTURE'}")
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--view", default="flow")
    given = parser.parse_args()
    main(given.seconds, given.view)
