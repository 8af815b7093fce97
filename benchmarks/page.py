"""How fast the page is, against an empty page with one slider, in one run: python benchmarks/page.py [--view rate] [--long]

Both pages run on their own server on this machine with the same configuration; a headless Chromium presses an arrow key
on a slider and waits for the frame in which the last change is painted. Ratios hold from run to run, absolute times do not.
--view measures another view than Flow; --long adds 2 000 slider changes by one visitor and the server's memory.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright
from serving import ROOT, Server

FLOOR = '''
import streamlit as st
value = st.slider("value", 0.0, 3.0, 0.8, step=0.01)
st.write(f"value {value:.2f}")
'''
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-component-update",
         "--disable-sync"]
FRAME = "new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
READY = {"page": ".rv-board[data-rev]", "floor": ".stSlider"}
FIRST = {"page": ".rv-board[data-live], .rv-board[data-rev]", "floor": ".stMarkdown p"}
WATCH = """(() => { const look = () => { if (document.querySelector(%r)) window.first = performance.now();
  else requestAnimationFrame(look); }; look(); })()"""
PAINTED = {
    "page": "old => document.querySelector('.rv-board').dataset.rev !== old",
    "floor": "old => document.querySelector('.stMarkdown').innerText !== old",
}
NOW = {"page": "document.querySelector('.rv-board').dataset.rev", "floor": "document.querySelector('.stMarkdown').innerText"}


def opened(browser, server, kind, view="flow"):
    """A fresh visitor on a page, and the seconds until the first thing worth seeing and until all of it."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(WATCH % FIRST[kind])
    start = time.perf_counter()
    page.goto(f"{server.address}?view={view}" if kind == "page" else server.address, wait_until="commit")
    page.wait_for_selector(READY[kind])
    page.wait_for_function("window.first")
    return page, page.evaluate("window.first") / 1e3, time.perf_counter() - start


def presses(page, kind, n, key=None):
    """Milliseconds from key press to the painted frame, n times, back and forth."""
    page.get_by_role("slider").first.focus()
    times = []
    for i in range(n):
        old = page.evaluate(NOW[kind])
        page.evaluate("window.pressed = new Promise(done => addEventListener('keydown', "
                      "() => done(performance.now()), {once: true, capture: true})); null")
        page.keyboard.press(key or ("ArrowRight" if (i // 20) % 2 == 0 else "ArrowLeft"))
        page.wait_for_function(PAINTED[kind], arg=old, polling="raf", timeout=10_000)
        times.append(page.evaluate(f"Promise.all([window.pressed, {FRAME}]).then(([a, b]) => b - a)"))
    return times


def chromium():
    """The path of this machine's Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def bench(n, long, view="flow"):
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        shutil.copytree(ROOT / ".streamlit", Path(folder) / ".streamlit")
        (Path(folder) / "floor.py").write_text(FLOOR)
        servers = {"floor": Server(Path(folder) / "floor.py", folder), "page": Server(ROOT / "app.py", ROOT)}
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            pages, painted, cpu = {}, {"floor": [], "page": []}, {"floor": [], "page": []}
            for kind, server in servers.items():
                opened(browser, server, kind, view)[0].context.close()  # warms the server
                opens = [opened(browser, server, kind, view) for _ in range(3)]
                for page, *_ in opens[1:]:
                    page.context.close()
                pages[kind] = opens[0][0]
                first, all_of_it = (statistics.median(o[i] for o in opens) for i in (1, 2))
                what = "grid" if kind == "page" else "text"
                print(f"{kind:6s} opened to first {what} {first:.2f} s, all of it {all_of_it:.2f} s")
                presses(pages[kind], kind, 40)
            pages["page"].evaluate("""() => {
              window.seen = {removed: 0, blank: 0};
              const plot = document.querySelector('.rv-plot'), root = document.querySelector('.rv-board');
              new MutationObserver(all => all.forEach(m => m.removedNodes.forEach(n => {
                if (n === plot || (n.contains && n.contains(plot))) window.seen.removed++; }))).observe(
                document.body, {childList: true, subtree: true});
              const drawn = '.heatmaplayer image, .heatmaplayer .hm, .scatterlayer .trace';
              const look = () => { if (!plot.querySelector(drawn)) window.seen.blank++;
                requestAnimationFrame(look); }; look(); }""")
            for _ in range(max(1, n // 40)):
                for kind, server in servers.items():
                    before = server.cpu()
                    painted[kind] += presses(pages[kind], kind, 40)
                    cpu[kind].append((server.cpu() - before) / 40)
            report(painted, cpu, pages["page"].evaluate("window.seen"))
            if long:
                presses(pages["page"], "page", 200)
                before = servers["page"].memory()
                presses(pages["page"], "page", 2000)
                print(f"2000 slider changes: server memory {before:.0f} -> {servers['page'].memory():.0f} MB "
                      f"({servers['page'].memory() - before:+.1f}; target at most +20)")
        finally:
            browser.close()
            for server in servers.values():
                server.stop()


def report(painted, cpu, seen):
    for kind in painted:
        print(f"{kind:6s} key press to painted {statistics.median(painted[kind]):.1f} ms, "
              f"server CPU a rerun {1e3 * statistics.median(cpu[kind]):.1f} ms")
    print(f"painted: {statistics.median(painted['page']) / statistics.median(painted['floor']):.2f} x the one-slider page "
          "(target 2.2, aim 1.6)")
    ratio = statistics.median(cpu["page"]) / statistics.median(cpu["floor"])
    print(f"server CPU: {ratio:.2f} x the one-slider page (target 5)")
    print(f"remounts {seen['removed']}, blank frames {seen['blank']} (target 0, 0)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presses", type=int, default=200)
    parser.add_argument("--view", default="flow")
    parser.add_argument("--long", action="store_true")
    given = parser.parse_args()
    bench(given.presses, given.long, given.view)
