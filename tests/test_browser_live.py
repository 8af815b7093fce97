"""Drag and see, hold, sweep, step, lecture and talk in a real Chromium."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import act, at_rest, drawn, equation, example, grid, lead, middle_of, outlined, query, rev, slider
from playwright.sync_api import expect
from test_browser import complaints, same_grid, sentence_of
from test_browser_own import choose_file

from rnnviz import sentences
from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, run
from rnnviz.figures import THEMES, colour
from rnnviz.flow import read
from rnnviz.links import from_link
from rnnviz.talk import from_talk
from rnnviz.ui.keys import KEYS
from rnnviz.walk import walk

pytestmark = pytest.mark.browser
pytest_plugins = ["browser"]

LINK = "() => document.querySelector('.rv-board').board.told.link"


def link(page):
    return page.evaluate(LINK)


def requests(page):
    """What this page sends to Streamlit from now on."""
    sent = []
    page.on("websocket", lambda socket: "_stcore" in socket.url and socket.on("framesent", lambda frame: sent.append(frame)))
    return sent


def take(page, name):
    """Put the mouse down on a slider's thumb; its place."""
    thumb = slider(page, name).locator("xpath=../..").bounding_box()
    x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    return x, y


def pull(page, x, y, way, moves=8):
    """Drag what the mouse holds by `way` px, and wait until the picture has followed."""
    old = page.evaluate("document.querySelector('.rv-board').dataset.live || ''")
    for i in range(1, moves + 1):
        page.mouse.move(x + way * i / moves, y)
    page.wait_for_function("(old) => (document.querySelector('.rv-board').dataset.live || '') !== old", arg=old)


def live_value(page, name):
    return slider(page, name).get_attribute("aria-valuetext")


def caught_up(page, name):
    """Wait until the picture is that of the value under the thumb."""
    page.wait_for_function(f"""() => {{
      const shown = document.querySelector('[class*="st-key-w_{name}"] input[type=range]').getAttribute("aria-valuetext");
      const link = new URLSearchParams(document.querySelector(".rv-board").board.told.link);
      return Number(link.get("{name}")) === Number(shown);
    }}""")


# Drag and see.


def test_the_picture_follows_the_thumb_without_a_run_of_the_script_and_a_release_draws_nothing_new(visit):
    sent = []

    page = visit(wait=False)
    page.on("websocket", lambda socket: "_stcore" in socket.url and socket.on("framesent", lambda frame: sent.append(frame)))
    page.reload()
    drawn(page)
    page.wait_for_load_state("networkidle")
    x, y = take(page, "g")
    before = len(sent)
    for way in (20, 45, -10):
        pull(page, x, y, way)
    caught_up(page, "g")
    assert len(sent) == before, "the script was asked for while the thumb was moving"
    experiment = from_link(link(page))[0]
    assert experiment.g != 0.8
    assert lead(page) == sentence_of(experiment)
    drawn(page)  # Plotly has drawn what the brush had, without a release
    assert same_grid(page, experiment)
    page.evaluate("""() => {
      window.renders = 0;
      new MutationObserver(() => { window.renders += 1; }).observe(document.querySelector(".rv-lead"), {childList: true});
    }""")
    page.mouse.up()
    page.wait_for_function("() => !document.querySelector('.rv-board').board.live")
    assert len(sent) > before
    assert page.evaluate("window.renders") == 0, "the release drew the picture again"
    assert query(page) == link(page) == f"g={experiment.g}"
    fresh = visit("?" + link(page))
    assert rev(fresh) == rev(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_the_brush_paints_under_the_hand_are_the_colours_of_the_numbers(visit, theme):
    page = visit("?cut=1&tau_max=20", color_scheme=theme)
    x, y = take(page, "g")
    pull(page, x, y, 30)
    caught_up(page, "g")
    spec = page.evaluate("document.querySelector('.rv-board').board.picture.spec.layout.coloraxis.cmax")
    experiment = from_link(link(page))[0]
    reading = read(run(experiment))
    page.evaluate("""async () => {
      const { board } = document.querySelector(".rv-board");
      const { paint } = await import(performance.getEntriesByType("resource").find((r) => r.name.endsWith("/brush.js")).name);
      paint(board.brush, board.picture.spec);
    }""")
    for layer, step in ((0, 29), (2, 25), (1, 14), (0, 10)):
        found = page.evaluate("""([layer, step]) => {
          const { board } = document.querySelector(".rv-board"), { layout, data } = board.picture.spec;
          const [first, last] = layout.xaxis.range, [low, high] = layout.yaxis.domain, rows = data[0].y.length;
          const { margin, width, height } = layout;
          const x = margin.l + (width - margin.l - margin.r) * (step + 0.7 - first + 0.5) / (last - first);
          const y = height * (1 - low - (high - low) * (layer + 0.2) / rows);
          return Array.from(board.brush.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3));
        }""", [layer, step])
        true = colour.at(THEMES[theme], spec, float(reading.log_ratio[layer, step]))
        np.testing.assert_allclose(found, true, atol=4, err_msg=f"{layer} {step}")
    page.mouse.up()


def test_a_held_arrow_key_moves_the_picture_and_ends_at_its_last_value(page):
    slider(page, "T").focus()
    for _ in range(12):
        page.keyboard.down("ArrowRight")
    page.keyboard.up("ArrowRight")
    page.wait_for_function(f"() => ({LINK})() === 'T=42'")
    drawn(page)
    assert same_grid(page, Experiment(T=42))
    assert query(page) == "T=42"


def test_own_weights_go_with_a_dial_that_draws_none_and_give_way_to_one_that_does(visit):
    page = visit("?width=2&depth=1&weights=W_T1:0.5,0.1;0,0.7")
    own = from_link(link(page))[0].weights
    x, y = take(page, "T")
    pull(page, x, y, 12)
    caught_up(page, "T")
    assert from_link(link(page))[0].weights == own
    assert same_grid_live(page)
    page.mouse.up()
    page.wait_for_function("() => !document.querySelector('.rv-board').board.live")
    assert from_link(query(page))[0].weights == own
    x, y = take(page, "g")
    pull(page, x, y, 25)
    caught_up(page, "g")
    assert not from_link(link(page))[0].weights
    assert same_grid_live(page)
    old = rev(page)
    page.mouse.up()
    expect(page.locator(".rv-notes")).to_contain_text("W_T1 is gone")
    drawn(page)
    assert same_grid(page, from_link(link(page))[0])
    assert old is not None


def same_grid_live(page):
    drawn(page)
    return same_grid(page, from_link(link(page))[0])


def test_an_arrow_key_in_a_weight_by_hand_moves_the_picture(visit):
    page = visit("?depth=2&width=1&init=by+hand&T=6&readout=none&task=sine&hand=0.9+0.8+0,+0.9+-0.7+0")
    field = page.locator("[class*=st-key-w_hand_0_1] input, [class*=st-key-w_hand][class*=_0_1] input").first
    field.click()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    page.wait_for_function(f"() => ({LINK})().includes('hand=0.9%200.95%200')")
    drawn(page)
    assert same_grid(page, from_link(link(page))[0])


def test_without_a_lane_the_picture_comes_with_the_release(visit):
    page = visit(wait=False, watched=False, new=True)
    page.route_web_socket(re.compile("rnnviz/live"), lambda socket: socket.close())
    page.reload()
    drawn(page)
    before = rev(page)
    x, y = take(page, "g")
    for way in (10, 20, 30):
        page.mouse.move(x + way, y)
    page.wait_for_timeout(300)
    assert rev(page) == before
    value = live_value(page, "g")
    page.mouse.up()
    page.wait_for_function(f"() => ({LINK})() === 'g={float(value)}'")
    drawn(page, before)
    assert same_grid(page, Experiment(g=float(value)))


LATE = """
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    set onmessage(heard) {
      super.onmessage = this.url.includes("rnnviz") ? (event) => setTimeout(heard, %d, event) : heard;
    }
  };
"""


@pytest.mark.parametrize("delay", [120, 300])
def test_answers_that_come_late_are_forgotten_with_the_hand_they_were_for(visit, delay):
    page = visit(init=LATE % delay)
    x, y = take(page, "g")
    for way in (10, 20, 30, 40):
        page.mouse.move(x + way, y)
    page.mouse.up()
    page.wait_for_timeout(2 * delay)
    example(page, "Exploding")
    at_rest(page)
    page.wait_for_timeout(3 * delay)
    assert same_grid(page, EXAMPLES["Exploding"])
    assert from_link(query(page))[0] == EXAMPLES["Exploding"]
    page.go_back()
    page.wait_for_function(f"() => !({LINK})().includes('relu')")
    at_rest(page)
    page.wait_for_timeout(3 * delay)
    assert float(live_value(page, "g")) == from_link(link(page))[0].g
    assert same_grid(page, from_link(link(page))[0])


# Hold and sweep.


def traces(page):
    return page.evaluate("document.querySelector('.rv-plot').data.map((t) => t.name)")


def test_a_held_curve_stays_while_a_dial_moves_on_travels_in_the_link_and_goes_again(visit):
    page = visit("?g=1.25")
    held = read(run(Experiment(g=1.25))).log_ratio[0]
    act(page, lambda: page.keyboard.press("h"))
    assert "held" in traces(page)
    x, y = take(page, "g")
    pull(page, x, y, -30)
    caught_up(page, "g")
    page.mouse.up()
    page.wait_for_function("() => !document.querySelector('.rv-board').board.live")
    drawn(page)
    ghost = page.evaluate("Array.from(document.querySelector('.rv-plot').data.find((t) => t.name === 'held').y)")
    np.testing.assert_allclose(ghost, held, atol=1e-4)
    assert "held: g = 1.25" in " ".join(page.locator(".rv-furniture").first.all_inner_texts())
    fresh = visit("?" + query(page))
    assert "held" in traces(fresh)
    assert rev(fresh) == rev(page)
    act(page, lambda: page.keyboard.press("h"))
    assert "held" not in traces(page)
    assert "held" not in query(page)


def test_a_curve_can_be_held_in_the_middle_of_a_drag(page):
    x, y = take(page, "g")
    pull(page, x, y, 20)
    caught_up(page, "g")
    there = from_link(link(page))[0]
    page.keyboard.press("h")
    pull(page, x, y, 60)
    caught_up(page, "g")
    drawn(page)
    assert "held" in traces(page)
    assert from_link(from_link(link(page))[0].held[1:])[0] == there
    page.mouse.up()
    page.wait_for_function("() => !document.querySelector('.rv-board').board.live")
    assert "held" in traces(page)
    act(page, lambda: page.keyboard.press("h"))
    assert "held" not in traces(page)


def test_a_sweep_moves_the_dial_by_itself_pauses_and_ends_at_any_key(page):
    page.get_by_role("button", name="Sweep").click()
    page.wait_for_function(f"() => Number(new URLSearchParams(({LINK})()).get('g')) > 0.9")
    assert float(live_value(page, "g")) > 0.85, "the slider in the sidebar goes along"
    page.get_by_role("button", name="Pause").click()
    at_rest(page)
    there = link(page)
    page.wait_for_timeout(400)
    assert link(page) == there
    page.get_by_role("button", name="Go on").click()
    page.wait_for_function("(there) => document.querySelector('.rv-board').board.told.link !== there", arg=there)
    page.locator(".rv-figure").focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("button", name="Sweep")).to_be_visible()
    at_rest(page)
    g = from_link(link(page))[0].g
    assert float(live_value(page, "g")) == g
    assert from_link(query(page))[0].g == g
    drawn(page)
    assert same_grid(page, from_link(link(page))[0])


def test_a_sweep_in_a_lecture_shows_its_value_and_goes_on_with_another_dial(visit):
    page = visit("?lecture=1", viewport=BIG, wait=False)
    page.wait_for_selector(".rv-lecture[data-rev]")
    page.get_by_role("button", name="Sweep").click()
    page.wait_for_function("() => Number(document.querySelector('.rv-dialing output').textContent) > 0.9")
    shown = page.evaluate("""() => new Promise((done) => {
      const seen = [], look = () => {
        seen.push(Number(document.querySelector(".rv-dialing output").textContent));
        if (seen.length < 40) requestAnimationFrame(look);
        else done(seen);
      };
      look();
    })""")
    assert shown == sorted(shown), "the dial jumps back"
    page.get_by_role("combobox", name="Dial").select_option("T")
    page.wait_for_function(f"() => Number(new URLSearchParams(({LINK})()).get('T')) > 32")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sweep")).to_be_visible()
    assert page.locator(".rv-lecture").count() == 1, "the first Escape only ends the sweep"


# Step.


def position(page):
    return int(page.locator(".rv-board").get_attribute("data-step"))


def shades(page):
    """How many cells are computed, and how many still open."""
    return page.evaluate("""() => ['rv-done', 'rv-open'].map((name) =>
      document.querySelectorAll('.rv-squares .' + name).length)""")


def test_step_starts_with_the_loss_alone_and_fills_cell_by_cell_with_its_sentence_and_equation(page):
    page.keyboard.press("s")
    page.wait_for_selector(".rv-board[data-step='0']")
    assert shades(page) == [0, 90]
    assert "Nothing has flowed back yet" in lead(page)
    made = run(Experiment())
    w = walk(made, read(made))
    for n in range(1, 9):
        page.keyboard.press("ArrowRight")
        assert position(page) == n
        assert shades(page) == [n, 90 - n]
        assert lead(page) == "".join(text for text, _ in sentences.wave(w, n - 1).lead)
    assert page.locator(".rv-count b").inner_text() == "Cell 8 of 90"
    assert "size" in page.locator(".rv-terms").inner_text()
    assert page.locator(".rv-arrows path").count() == 2
    page.locator("[data-step=back]").click()
    assert position(page) == 7
    page.locator("[data-step=next]").click()
    page.keyboard.press("End")
    assert shades(page) == [90, 0]
    page.keyboard.press("Home")
    assert shades(page) == [0, 90]


def test_steps_ask_nothing_of_the_server_until_they_rest_and_then_the_link_says_where(visit):
    page = visit("?walk=by+step", wait=False)
    sent = requests(page)
    page.reload()
    page.wait_for_selector(".rv-board[data-step]")
    page.wait_for_load_state("networkidle")
    at_rest(page)
    before = len(sent)
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert (position(page), len(sent)) == (40, before)
    page.wait_for_function("() => location.search.includes('visit=40')")
    fresh = visit("?" + query(page), wait=False)
    fresh.wait_for_selector(".rv-board[data-step='40']")
    assert lead(fresh) == lead(page)


def test_a_walk_plays_pauses_and_is_left_at_its_cell(visit):
    page = visit("?walk=by+layer", wait=False)
    page.wait_for_selector(".rv-board[data-step='0']")
    page.locator("[data-step=speed]").select_option("fast")
    page.locator(".rv-figure").focus()
    page.keyboard.press(" ")
    page.wait_for_function("() => Number(document.querySelector('.rv-board').dataset.step) >= 12")
    page.keyboard.press(" ")
    there = position(page)
    page.wait_for_timeout(300)
    assert position(page) == there
    page.keyboard.press("Escape")
    page.wait_for_selector(".rv-board:not(.rv-walking)")
    drawn(page)
    assert outlined(page) == (3, 31 - there)
    assert "walk" not in query(page)
    page.go_back()
    page.wait_for_selector(".rv-board[data-step]")


def test_cells_that_can_be_computed_at_once_come_together_along_diagonals(visit):
    page = visit("?walk=by+step", wait=False)
    page.wait_for_selector(".rv-board[data-step='0']")
    page.locator("[data-step=order]").select_option("by diagonal")
    page.wait_for_function("() => location.search.includes('by%20diagonal')")
    page.locator(".rv-figure").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert shades(page) == [6, 84]
    assert lead(page) == "3 cells at once, in layers 3 to 1: none waits for another."
    assert page.locator(".rv-box").count() == 3


def test_truncated_passes_follow_one_another_and_a_new_one_starts_afresh(visit):
    page = visit("?walk=by+step&cut=1&tau_max=8&tau_b=4&score=every+step&T=12&depth=2&width=3&visit=24", wait=False)
    page.wait_for_selector(".rv-board[data-step='24']")
    assert page.locator(".rv-squares .rv-done").count() == 16  # of two passes, of 4 and 8 columns
    page.keyboard.press("ArrowRight")
    assert "Pass 3 of 3 starts at step 12." in page.locator(".rv-consequence").inner_text()
    assert page.locator(".rv-squares .rv-done").count() == 9  # columns 5 to 12 are open again, but for the first
    assert page.locator(".rv-reach").count() == 1
    page.keyboard.press("End")
    assert "their sum" in lead(page)
    assert page.locator(".rv-squares .rv-done").count() == 24


def test_a_dial_turns_under_a_walk(visit):
    page = visit("?walk=by+step&visit=30", wait=False)
    page.wait_for_selector(".rv-board[data-step='30']")
    before = page.locator(".rv-terms").inner_text()
    x, y = take(page, "g")
    for way in (10, 20, 30):
        page.mouse.move(x + way, y)
    page.wait_for_function("(old) => document.querySelector('.rv-terms').innerText !== old", arg=before)
    page.mouse.up()
    page.wait_for_function("() => location.search.includes('g=')")
    assert position(page) == 30


def test_twelve_layers_by_a_hundred_steps_are_walked_to_the_end(visit):
    page = visit("?walk=by+step&depth=12&width=4&T=100", wait=False)
    page.wait_for_selector(".rv-board[data-step='0']")
    page.locator("[data-step=speed]").select_option("fast")
    page.evaluate("""() => new Promise((done) => {
      const next = () => {
        document.querySelector("[data-step=next]").click();
        if (Number(document.querySelector(".rv-board").dataset.step) < 1200) setTimeout(next, 2);
        else done();
      };
      next();
    })""")
    assert page.locator(".rv-squares .rv-done").count() == 1200


def test_a_walk_plays_on_past_the_texts_that_were_sent_first(visit):
    page = visit("?walk=by+step&depth=3&width=2&T=150&visit=370", wait=False)
    page.wait_for_selector(".rv-board[data-step='370']")
    page.locator("[data-step=speed]").select_option("fast")
    page.locator("[data-step=play]").click()
    page.wait_for_function("() => Number(document.querySelector('.rv-board').dataset.step) === 450")
    expect(page.locator("[data-step=play] span")).to_have_text("Play")
    page.locator(".rv-figure").focus()
    page.keyboard.press("Home")
    page.wait_for_selector(".rv-board[data-step='0']")
    assert page.locator(".rv-squares .rv-done").count() == 0


def test_another_order_or_example_begins_the_walk_anew_and_back_returns_to_where_it_was(visit):
    page = visit("?walk=by+step", wait=False)
    page.wait_for_selector(".rv-board[data-step='0']")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.search.includes('visit=5')")
    page.locator("[data-step=order]").select_option("by layer")
    page.wait_for_selector(".rv-board[data-step='0']")
    page.locator(".rv-figure").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("radio", name="Edge", exact=True).click()
    page.wait_for_function("() => document.querySelector('.rv-board').dataset.step === '0'")
    page.wait_for_function("() => location.search.includes('sine')")


# Lecture mode.


BIG = {"width": 1920, "height": 1080}
SMALLEST = """() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest("script, style, option, dialog:not([open]), title")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (!box.width || !parent.checkVisibility({ visibilityProperty: true })) continue;
    const board = parent.closest(".rv-board");
    const scale = board ? board.getBoundingClientRect().width / board.offsetWidth : 1;
    const size = parseFloat(getComputedStyle(parent).fontSize) * scale;
    found.push([size, node.textContent.trim().slice(0, 30), box.bottom, box.right]);
  }
  return found;
}"""


@pytest.mark.parametrize(("query_", "mode"), [
    ("lecture=1", "lecture"), ("lecture=1&walk=by+step&visit=9", "step"), ("lecture=dark&cut=1&score=every+step", "lecture"),
    ("lecture=1&depth=2&width=1&init=by+hand&T=6&readout=none&task=sine", "lecture"),
    ("lecture=1&walk=by+diagonal&visit=5", "step"), ("walk=by+step&visit=20", "step"), ("", "page"),
    ("lecture=1&view=truncation&score=every+step&cut=1&tau_b=4", "lecture"), ("view=truncation&cut=1", "page"),
    ("lecture=1&view=routes&depth=2&width=1&init=by+hand&T=6&readout=none&task=sine", "lecture"),
    ("view=routes&depth=2&width=1&init=by+hand&T=6&readout=none&task=sine", "page"), ("lecture=dark&view=routes", "lecture"),
])
def test_a_mode_passes_the_checker_shows_its_keys_and_a_lecture_can_be_read_from_row_twenty(visit, query_, mode):
    page = visit("?" + query_, wait=False, viewport=BIG)
    page.wait_for_selector(".rv-board[data-rev]")
    at_rest(page)
    if "lecture" in query_:
        found = page.evaluate(SMALLEST)
        assert len(found) > 20
        assert [(size, text) for size, text, *_ in found if size < 23] == []
        assert [(text, bottom, right) for _, text, bottom, right in found if bottom > 1080 or right > 1920] == []
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight && scrollY === 0")
        assert not page.locator("[data-testid=stSidebar]").is_visible()
    assert complaints(page, {"include": [[".rv-board"]]}) == []
    page.keyboard.press("?")
    rows = page.locator("dialog[open] tr")
    known = [(key, what) for key, what, *only in KEYS[mode] if not only or "view=" not in query_]
    assert [tuple(row.locator("th, td").all_inner_texts()) for row in rows.all()] == known
    assert complaints(page, {"include": [[".rv-keys"]]}) == []
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert page.locator(".rv-board").evaluate("(n) => n.classList.contains('rv-lecture')") == ("lecture" in query_)


@pytest.mark.parametrize(("lecture", "scheme"), [("1", "dark"), ("dark", "light")])
def test_a_lecture_is_light_unless_it_is_to_be_dark_whatever_the_browser_likes(visit, lecture, scheme):
    page = visit(f"?lecture={lecture}", viewport=BIG, color_scheme=scheme, wait=False)
    page.wait_for_selector(".rv-lecture[data-rev]")
    wanted = THEMES["dark" if lecture == "dark" else "light"].page
    rgb = tuple(int(wanted[i:i + 2], 16) for i in (1, 3, 5))
    assert page.locator(".rv-lecture").evaluate("(n) => getComputedStyle(n).backgroundColor") == f"rgb{rgb}"
    page.keyboard.press("d")
    page.wait_for_function("(old) => getComputedStyle(document.querySelector('.rv-lecture')).backgroundColor !== old",
                           arg=f"rgb{rgb}")


def test_examples_lie_under_their_keys_and_escape_returns_with_everything_kept(visit):
    page = visit("?g=1.1&layer=2&step=7", viewport=BIG)
    page.keyboard.press("l")
    page.wait_for_selector(".rv-lecture")
    page.wait_for_function("() => location.search.includes('lecture=1')")
    names = list(EXAMPLES)
    for n in (2, 3, 8, 9):
        page.keyboard.press(str(n))
        page.wait_for_selector(f".rv-examples [aria-pressed=true]:has-text('{names[n - 1]}')")
        assert "lecture=1" in link(page)
    for _ in range(4):
        page.go_back()
        page.wait_for_timeout(250)
    page.wait_for_function(f"() => ({LINK})() === 'g=1.1&layer=2&step=7&lecture=1'")
    page.keyboard.press("Escape")
    page.wait_for_selector(".rv-board:not(.rv-lecture)")
    drawn(page)
    assert query(page) == "g=1.1&layer=2&step=7"
    assert page.locator("[data-testid=stSidebar]").is_visible()
    assert float(live_value(page, "g")) == 1.1


def test_the_lecturers_dial_is_chosen_and_turns_the_picture(visit):
    page = visit("?lecture=1", viewport=BIG, wait=False)
    page.wait_for_selector(".rv-lecture[data-rev]")
    page.get_by_role("combobox", name="Dial").select_option("T")
    page.wait_for_function("() => location.search.includes('dial=T')")
    assert page.evaluate("document.activeElement.className") == "rv-figure", "the keys are the page's again"
    dial = page.locator(".rv-dialing input")
    dial.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.search.includes('T=35')")
    at_rest(page)
    assert from_link(link(page))[0].T == 35
    assert len(grid(page)[0]) == 35


def test_a_click_on_a_cell_is_right_where_the_picture_is_magnified(visit):
    page = visit("?lecture=1", viewport=BIG, wait=False)
    page.wait_for_selector(".rv-lecture[data-rev]")
    at_rest(page)
    place = page.evaluate("""() => {
      const { board } = document.querySelector(".rv-board"), plot = board.plot, box = plot.getBoundingClientRect();
      const { xaxis, yaxis } = plot._fullLayout;
      return [box.x + board.scale * (xaxis._offset + xaxis.c2p(20)), box.y + board.scale * (yaxis._offset + yaxis.c2p(3))];
    }""")
    page.mouse.click(*place)
    page.wait_for_function("() => location.search.includes('layer=3&step=20')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => location.search.includes('layer=2&step=19')")


# Talk and hand-out.


def shared(page):
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Add to talk").wait_for()


def added(page, title, count):
    page.get_by_label("Title of this picture").fill(title)
    page.get_by_role("button", name="Add to talk").click()
    page.get_by_text(f"{count}. {title}", exact=True).wait_for()


def saved(page, label):
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    return Path(download.value.path()).read_bytes()


@pytest.fixture
def speaker(visit):
    """A page with a talk of two pictures."""
    page = visit("?g=1.1")
    shared(page)
    added(page, "Nearly the edge", 1)
    page.keyboard.press("Escape")
    example(page, "Dead ReLU")
    shared(page)
    added(page, "Shut", 2)
    return page


def test_a_talk_is_made_saved_opened_in_another_browser_and_walked_through(speaker, visit):
    data = saved(speaker, "Talk as JSON")
    entries, notes = from_talk(data)
    assert [(entry.title, entry.experiment) for entry in entries] == [
        ("Nearly the edge", Experiment(g=1.1)), ("Shut", EXAMPLES["Dead ReLU"])]
    assert not notes
    assert len(data) < 1000
    page = visit()
    choose_file(page, "talk.json", data)
    page.get_by_role("button", name="Use this talk").click()
    expect(page.locator(".rv-talk")).to_have_text("1 of 2: Nearly the edge")
    page.wait_for_function(f"() => ({LINK})() === 'g=1.1'")
    page.keyboard.press("PageDown")
    expect(page.locator(".rv-talk")).to_have_text("2 of 2: Shut")
    drawn(page)
    assert same_grid(page, EXAMPLES["Dead ReLU"])
    page.keyboard.press("PageUp")
    page.keyboard.press("PageDown")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageDown")
    page.keyboard.press("l")
    page.wait_for_selector(".rv-lecture")
    expect(page.locator(".rv-talk")).to_have_text("2 of 2: Shut")
    page.keyboard.press("PageUp")
    expect(page.locator(".rv-talk")).to_have_text("1 of 2: Nearly the edge")
    assert "lecture=1" in link(page), "the lecture goes on with the next picture"
    page.keyboard.press("PageUp")
    page.wait_for_timeout(200)
    expect(page.locator(".rv-talk")).to_have_text("1 of 2: Nearly the edge")


def test_a_talk_outlives_a_reload(speaker):
    speaker.reload()
    drawn(speaker)
    expect(speaker.locator(".rv-talk")).to_contain_text("2")
    speaker.keyboard.press("PageUp")
    expect(speaker.locator(".rv-talk")).to_have_text("1 of 2: Nearly the edge")


def test_entries_of_a_talk_are_moved_and_taken_out(speaker):
    speaker.get_by_role("button", name="↑").nth(1).click()
    speaker.get_by_text("1. Shut", exact=True).wait_for()
    speaker.get_by_role("button", name="✕").first.click()
    speaker.get_by_text("1. Nearly the edge", exact=True).wait_for()
    assert speaker.get_by_text("2. ").count() == 0


def test_the_hand_out_of_a_talk_opens_from_a_file_without_a_network_and_shows_every_picture(speaker, browser, tmp_path):
    made = saved(speaker, "Hand-out of the talk")
    file = tmp_path / "talk.html"
    file.write_bytes(made)
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_function("() => document.querySelectorAll('.plot .heatmaplayer image').length >= 4")
    assert [h.inner_text() for h in page.locator("h1").all()] == ["Nearly the edge", "Shut"]
    assert page.locator(".rv-lead").first.inner_text() == sentence_of(Experiment(g=1.1))
    assert page.locator(".rv-terms math").count() > 4
    assert page.locator("a").first.get_attribute("href").endswith("?g=1.1")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    page.emulate_media(media="print")
    assert page.locator("section").first.evaluate("(n) => getComputedStyle(n).breakAfter") == "page"
    context.close()


def test_a_talk_that_is_none_is_refused_in_a_sentence(visit):
    page = visit()
    choose_file(page, "talk.json", json.dumps({"rnnviz talk": 1, "pictures": [{"title": "a" * 99, "link": "?"}]}).encode())
    page.get_by_text("picture 1: a title is", exact=False).wait_for()
    assert outlined(page) == (1, 15)
    assert equation(page)
    assert middle_of(page, 1, 1)
