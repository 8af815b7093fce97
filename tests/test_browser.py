"""The page in a real Chromium: drawn, clicked, typed on, shared, reloaded, cut off from its server, read by a checker."""

import math
import random
import re
import statistics
import subprocess
import time
import unicodedata
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs

import axe_core_python
import numpy as np
import pytest
from browser import SCREEN, act, at_rest, drawn, equation, example, grid, lead, middle_of, move, outlined, query, slider, widget
from playwright.sync_api import expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, run
from rnnviz.figures import DARK, LIGHT, flow_spec
from rnnviz.flow import read, uncut
from rnnviz.links import from_link
from rnnviz.sentences import flow
from rnnviz.ui import board

pytestmark = pytest.mark.browser
pytest_plugins = ["browser"]  # the fixtures visit, page, dark, server and own_server


def sentence_of(experiment):
    """The lead of the sentence of an experiment, as text."""
    return "".join(text for text, _ in flow(read(run(experiment))).lead)


def same_grid(page, experiment):
    """Whether the grid in the plot holds the numbers of an experiment."""
    reading = read(run(experiment))
    true = flow_spec(reading)["data"][0]["z"]
    found = grid(page)
    return len(found) == true.shape[0] and all(
        (a is None and math.isnan(b)) or (a is not None and abs(a - float(b)) < 1e-5)
        for row, real in zip(found, true, strict=True) for a, b in zip(row, real, strict=True))


# First paint.

WATCH_FIRST_PAINT = """
  window.frames_seen = 0; window.frames_blank = 0; window.blank_at = [];
  const look = () => {
    const lead = document.querySelector(".rv-lead");
    if (lead && lead.textContent) {
      window.frames_seen += 1;
      const cells = document.querySelector(".rv-board[data-live] .rv-brush:not([hidden]), .rv-plot .heatmaplayer image");
      if (!cells) window.frames_blank += 1;
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""


def test_the_first_picture_is_a_drawn_grid_under_a_sentence_and_never_a_blank(visit):
    page = visit(init=WATCH_FIRST_PAINT)
    assert lead(page) == sentence_of(Experiment())
    assert same_grid(page, Experiment())
    assert page.locator(".rv-plot .heatmaplayer image").first.is_visible()
    assert page.title() == "rnnviz"
    assert page.locator(".rv-consequence").inner_text().startswith("Reach of this loss")
    assert page.evaluate("window.frames_seen") > 0
    assert page.evaluate("window.frames_blank") == 0
    assert query(page) == ""
    assert page.evaluate("history.length") <= 2  # about:blank, and the page
    asked = "performance.getEntriesByType('resource').filter((r) => r.name.includes('/rnnviz/')).length"
    assert page.evaluate(asked) == 7  # plotly.js, and the board's own six
    move(page, "g", times=3)
    assert page.evaluate(asked) == 7, "a script was fetched again"


def test_words_stand_on_the_figure_where_nothing_covers_them(page):
    texts = [text.strip() for text in page.locator(".rv-furniture > span").all_inner_texts()]
    for word in ("Gradient at every cell", "fades", "1 holds", "blows up", "layer 1", "layer 3"):
        assert word in texts
    boxes = page.locator(".rv-furniture > span").evaluate_all("""(nodes) => nodes.map((n) => {
      const b = n.getBoundingClientRect(), size = parseFloat(getComputedStyle(n).fontSize);
      const top = (b.top + b.bottom - size) / 2;  // of the letters, not of their line
      return [n.textContent, b.left, top, b.right, top + size];
    })""")
    for i, (a, left, top, right, bottom) in enumerate(boxes):
        for b, left2, top2, right2, bottom2 in boxes[i + 1:]:
            over = min(right, right2) - max(left, left2), min(bottom, bottom2) - max(top, top2)
            assert over[0] <= 1 or over[1] <= 1, f"{a!r} covers {b!r}"


# Cells and keys.


def test_a_click_on_a_cell_outlines_it_and_reads_its_equation_while_the_tracks_stay(page):
    tracks = """() => JSON.stringify(document.querySelector(".rv-plot").data.filter((t) => t.yaxis !== "y")
      .map((t) => [t.name, Array.from(t.y, Number)]))"""
    before, cells = page.evaluate(tracks), grid(page)
    act(page, lambda: page.mouse.click(*middle_of(page, 2, 9)))
    assert outlined(page) == (2, 9)
    assert parse_qs(query(page)) == {"layer": ["2"], "step": ["9"]}
    reading = read(run(Experiment()))
    above, future = (page.locator(f".rv-terms .{name}").inner_text() for name in ("rv-space", "rv-time"))
    assert above.endswith(f"from above {100 * reading.share(1, 8)[0]:.0f}%")
    assert future.endswith(f"from the future {100 * reading.share(1, 8)[1]:.0f}%")
    assert page.evaluate(tracks) == before
    assert grid(page) == cells
    box = page.locator(".rv-furniture svg rect").first.bounding_box()
    (x, y), (right, _) = middle_of(page, 2, 9), middle_of(page, 2, 10)
    assert box["x"] + box["width"] / 2 == pytest.approx(x, abs=1)
    assert box["y"] + box["height"] / 2 == pytest.approx(y, abs=1)
    assert box["width"] == pytest.approx(right - x, abs=8), "one column, and the line around it"


def test_arrow_keys_move_the_outline_through_steps_and_layers_and_stop_at_the_edges(page):
    act(page, lambda: page.mouse.click(*middle_of(page, 1, 2)))
    for key, place in (("ArrowLeft", (1, 1)), ("ArrowUp", (2, 1)), ("ArrowRight", (2, 2)), ("ArrowUp", (3, 2)),
                       ("ArrowDown", (2, 2))):
        act(page, lambda key=key: page.keyboard.press(key))
        assert outlined(page) == place
    act(page, lambda: page.mouse.click(*middle_of(page, 3, 30)))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    act(page, lambda: page.keyboard.press("ArrowLeft"))
    assert outlined(page) == (3, 29)


def test_a_cut_cell_can_be_outlined_too(page):
    example(page, "Cut too early")
    act(page, lambda: page.mouse.click(*middle_of(page, 2, 5)))
    assert outlined(page) == (2, 5)
    assert "no pass reaches it" in equation(page)


def test_a_click_that_comes_with_no_movement_before_it_finds_its_own_cell(page):
    """As a tap on a touch screen does: Plotly still thinks of the cell it saw last."""
    for cell in ((1, 4), (3, 21), (2, 11)):
        act(page, lambda cell=cell: page.mouse.click(*middle_of(page, *cell)))
        assert outlined(page) == cell


def test_left_and_right_move_the_outline_of_a_page_that_nothing_else_listens_on(page):
    act(page, lambda: page.mouse.click(*middle_of(page, 1, 10)))
    page.evaluate("document.activeElement.blur()")
    act(page, lambda: page.keyboard.press("ArrowRight"))
    assert outlined(page) == (1, 11)


def test_an_arrow_key_on_a_slider_moves_the_slider_and_not_the_outline(page):
    act(page, lambda: page.mouse.click(*middle_of(page, 1, 10)))
    move(page, "g")
    assert parse_qs(query(page))["g"] == ["0.81"]
    assert outlined(page) == (1, 10)
    assert lead(page) == sentence_of(Experiment(g=0.81))


def test_an_arrow_key_in_a_text_field_moves_the_caret_and_not_the_outline(page):
    widget(page, "task", "input").first.click()
    act(page, lambda: page.get_by_role("option", name="text", exact=True).click())
    act(page, lambda: page.mouse.click(*middle_of(page, 1, 10)))
    field = widget(page, "text", "input")
    field.click()
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("x")
    act(page, lambda: page.keyboard.press("Enter"))
    assert field.input_value() == "hello worldx "
    assert outlined(page) == (1, 10)


def letters(page):
    """The equation's text, its italic letters as plain ones."""
    return unicodedata.normalize("NFKC", page.locator(".rv-terms").inner_text())


def test_the_reading_menu_changes_the_letters_of_the_equation(page):
    assert "V" not in letters(page)
    page.locator(".st-key-reading button").first.click()
    widget(page, "notation", "input").first.click()
    act(page, lambda: page.get_by_role("option", name="U, V, W").click())
    assert "V" in letters(page)
    assert parse_qs(query(page)) == {"notation": ["U, V, W"]}


# Links and history.


def test_a_link_copied_into_another_browser_shows_the_same_picture(page, visit):
    one = page
    example(one, "Saturated")
    move(one, "g", times=3)
    act(one, lambda: one.mouse.click(*middle_of(one, 2, 20)))
    other = visit("?" + query(one))
    assert lead(other) == lead(one)
    assert grid(other) == grid(one)
    assert equation(other) == equation(one)
    assert query(other) == query(one)
    assert from_link(query(one)) == (from_link(query(one))[0], ())


def test_an_example_can_be_shared_as_a_link(page, visit):
    example(page, "By hand")
    other = visit("?" + query(page))
    assert grid(other) == grid(page)
    assert lead(other) == lead(page)
    assert other.get_by_role("radio", name="By hand", exact=True).get_attribute("aria-checked") == "true"


def test_back_returns_from_examples_one_by_one_and_forward_goes_again(visit):
    page = visit("?g=0.7")
    page.evaluate(WATCH_NODE)
    first = lead(page)
    example(page, "Exploding")
    second = lead(page)
    example(page, "Edge")
    third = lead(page)
    assert len({first, second, third}) == 3
    for turn, words, link in ((page.go_back, second, "cell=relu"), (page.go_back, first, "g=0.7"),
                              (page.go_forward, second, "cell=relu"), (page.go_forward, third, "g=1.05")):
        act(page, turn)
        assert lead(page) == words
        assert query(page).startswith(link)
    assert same_grid(page, EXAMPLES["Edge"])
    assert slider(page, "g").input_value() == "1.05"
    assert page.evaluate("window.watched.removed") == 0, "the board was taken away for a moment"


def test_a_board_that_is_taken_away_and_brought_anew_goes_on_as_it_was(visit):
    """Streamlit's server may throw away what it has not sent yet of one part of the page when that part is asked for again."""
    page, lost, keep = visit(new=True, wait=False), [], True

    def thin(socket):
        server = socket.connect_to_server()

        def pass_on(message):
            component = ForwardMsg.FromString(message).delta.new_element.bidi_component.component_name
            if component.endswith("rnnviz_board") and not keep:
                lost.append(message)
            else:
                socket.send(message)

        server.on_message(pass_on)

    page.route_web_socket(re.compile("_stcore/stream"), thin)
    page.reload()
    drawn(page)
    length = page.evaluate("history.length")
    page.evaluate("window.plot = document.querySelector('.rv-plot')")
    keep = False
    page.get_by_role("radio", name="Exploding", exact=True).click()
    page.wait_for_selector(".rv-board", state="detached")
    assert lost
    keep = True
    page.get_by_role("radio", name="Edge", exact=True).click()
    page.wait_for_selector(".rv-board")
    at_rest(page)
    assert page.evaluate("document.querySelector('.rv-plot') === window.plot")
    assert same_grid(page, EXAMPLES["Edge"])
    assert page.evaluate("history.length") == length + 1
    act(page, lambda: page.mouse.click(*middle_of(page, 2, 9)))
    act(page, lambda: page.keyboard.press("ArrowRight"))
    at_rest(page)
    assert outlined(page) == (2, 10), "an older board listens too"
    act(page, page.go_back)
    assert same_grid(page, Experiment())


def test_a_moved_slider_replaces_the_history_entry_and_an_example_adds_one(visit):
    page = visit(new=True)
    length = page.evaluate("history.length")
    move(page, "g", times=3)
    assert page.evaluate("history.length") == length
    assert parse_qs(query(page)) == {"g": ["0.83"]}
    example(page, "Edge")
    assert page.evaluate("history.length") == length + 1
    move(page, "g")
    assert page.evaluate("history.length") == length + 1
    act(page, page.go_back)
    assert parse_qs(query(page)) == {"g": ["0.83"]}
    assert same_grid(page, Experiment(g=0.83))


def test_a_reload_keeps_the_picture_and_the_outline(visit):
    page = visit()
    example(page, "Dead ReLU")
    act(page, lambda: page.mouse.click(*middle_of(page, 1, 25)))
    words, cells = lead(page), grid(page)
    assert query(page).endswith("layer=1&step=25")
    page.reload()
    drawn(page)
    assert (lead(page), grid(page), outlined(page)) == (words, cells, (1, 25))


def test_a_link_that_had_to_be_changed_says_so_in_one_note(visit):
    page = visit("?T=999999&g=1.1&nonsense=%3Cimg%20src%3Dx%3E")
    notes = page.locator(".rv-notes p").all_inner_texts()
    assert any("Steps T is 999999" in note for note in notes)
    assert any("nonsense" in note for note in notes)
    assert page.locator(".rv-board img").count() == 0
    assert same_grid(page, Experiment(g=1.1))


def test_two_visitors_do_not_see_each_others_settings(page, dark):
    one, other = page, dark
    move(one, "g", times=2)
    move(other, "g", "ArrowLeft")
    assert (query(one), query(other)) == ("g=0.82", "g=0.79")
    assert same_grid(one, Experiment(g=0.82))
    assert same_grid(other, Experiment(g=0.79))


# A server that goes away.


MADE = "() => document.querySelector('.rv-board').board.made"  # when the server made what is shown


@pytest.mark.parametrize("name", ["g", "T"])
def test_a_slider_moves_the_picture_of_an_idle_page_whose_server_was_restarted(visit, own_server, name):
    page = visit(home=own_server, watched=False)
    example(page, "Saturated")
    at_rest(page)
    link, made = query(page), page.evaluate(MADE)
    own_server.stop(kill=True)
    page.wait_for_selector('[data-test-connection-state]:not([data-test-connection-state="CONNECTED"])')
    own_server.start()
    page.wait_for_function(f"(made) => ({MADE})() > made", arg=made)
    at_rest(page)
    assert query(page) == link
    move(page, name)
    assert same_grid(page, from_link(query(page))[0])
    assert query(page) != link


def test_a_server_killed_and_restarted_under_an_open_page_loses_nothing(visit, own_server):
    page = visit(home=own_server, watched=False)  # a lost connection is an error on the console
    example(page, "Saturated")
    move(page, "g", times=2)
    act(page, lambda: page.mouse.click(*middle_of(page, 2, 20)))
    link, words, cells = query(page), lead(page), grid(page)
    made = page.evaluate(MADE)
    own_server.stop(kill=True)
    page.wait_for_selector('[data-test-connection-state]:not([data-test-connection-state="CONNECTED"])')
    assert lead(page) == words
    own_server.start()
    page.wait_for_function(f"(made) => ({MADE})() > made", arg=made)
    page.wait_for_selector('[data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"]')
    assert (lead(page), grid(page), query(page)) == (words, cells, link)
    assert slider(page, "g").input_value() == "1.32"
    slider(page, "input_scale").focus()
    act(page, lambda: page.keyboard.press("ArrowLeft"), until="() => location.search.includes('input_scale=4.95')")
    assert query(page) == link.replace("input_scale=5.0", "input_scale=4.95")
    experiment, _ = from_link(query(page))
    assert same_grid(page, experiment)
    assert grid(page) != cells
    assert outlined(page) == (2, 20)
    assert slider(page, "g").input_value() == "1.32"


# Themes and sizes.


@pytest.mark.parametrize(("scheme", "theme"), [("light", LIGHT), ("dark", DARK)])
def test_the_picture_wears_the_colours_of_the_visitors_theme(page, dark, scheme, theme):
    page = {"light": page, "dark": dark}[scheme]

    def colour(selector, what="color"):
        red, green, blue = page.locator(selector).first.evaluate(
            "(node, what) => getComputedStyle(node)[what].match(/[0-9]+/g).slice(0, 3).map(Number)", what)
        return f"#{red:02X}{green:02X}{blue:02X}"

    assert colour(".stApp", "backgroundColor") == theme.page
    assert colour(".rv-lead") == theme.ink
    assert colour(".rv-lead .rv-fades") == theme.fades
    assert colour(".rv-terms .rv-space") == theme.space
    assert colour(".rv-terms .rv-time") == theme.time
    assert page.evaluate("document.querySelector('.rv-plot').layout.paper_bgcolor") == theme.page
    scale = page.evaluate("document.querySelector('.rv-plot').layout.coloraxis.colorscale")
    assert [stop[1] for stop in scale] == [*theme.low, theme.middle, *theme.high]


def test_every_example_fits_a_screen_of_1440_by_900_without_scrolling(page):
    for name in [*list(EXAMPLES)[1:], "Vanishing"]:
        example(page, name)
        tall = page.evaluate("""() => [".stMain", "[data-testid=stSidebarContent]"].map((selector) => {
          const node = document.querySelector(selector);
          return [node.scrollHeight - node.clientHeight, node.scrollWidth - node.clientWidth];
        })""")
        for down, across in tall:
            assert down <= (40 if name == "By hand" else 0), name
            assert across <= 0, name


def test_at_820_px_nothing_is_wider_than_the_screen(visit):
    page = visit(viewport={"width": 820, "height": 1100})
    for name in ("Cut too early", "By hand", "Exploding", "Vanishing"):
        example(page, name)
        assert beyond_the_board(page) == [], name
        for node in ("html", ".stMain"):
            assert page.locator(node).evaluate("(node) => node.scrollWidth - node.clientWidth") <= 0


def beyond_the_board(page):
    """Words that reach out of the board to the left or right."""
    return page.evaluate("""() => {
      const out = document.querySelector(".rv-board").getBoundingClientRect();
      const words = ".rv-lead, .rv-consequence, .rv-furniture span, .rv-plot svg, .rv-plot .annotation-text";
      return Array.from(document.querySelectorAll(words)).map((n) => [n.textContent.slice(0, 30), n.getBoundingClientRect()])
        .filter(([, b]) => b.width && (b.right > out.right + 1 || b.left < out.left - 1))
        .map(([text, b]) => [text, b.left, b.right]);
    }""")


def test_a_narrower_window_redraws_the_picture_at_its_width(page):
    wide = page.evaluate("document.querySelector('.rv-plot').layout.width")
    page.set_viewport_size({"width": 1100, "height": 900})
    page.wait_for_function(f"document.querySelector('.rv-plot').layout.width < {wide - 200}")
    drawn(page)
    assert same_grid(page, Experiment())
    act(page, lambda: page.set_viewport_size(SCREEN))
    assert page.evaluate("document.querySelector('.rv-plot').layout.width") == wide


# Live redrawing.

WATCH_NODE = """() => {
  const plot = document.querySelector(".rv-plot");
  window.watched = { plot, removed: 0, frames: 0, blank: 0, revs: 0 };
  new MutationObserver((records) => records.forEach((r) => r.removedNodes.forEach((node) => {
    if (node === plot || node.contains(plot)) window.watched.removed += 1;
  }))).observe(document.body, { childList: true, subtree: true });
  new MutationObserver(() => { window.watched.revs += 1; })
    .observe(document.querySelector(".rv-board"), { attributes: true, attributeFilter: ["data-rev"] });
  const look = () => {
    window.watched.frames += 1;
    const image = plot.querySelector(".heatmaplayer image");
    if (!image || !image.getAttribute("xlink:href") && !image.getAttribute("href") || !plot.getBoundingClientRect().height
        || !document.querySelector(".rv-lead").textContent) window.watched.blank += 1;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def test_thirty_slider_changes_redraw_one_node_that_is_never_blank(page):
    page.evaluate(WATCH_NODE)
    move(page, "g", times=30)
    seen = page.evaluate("({ ...window.watched, plot: window.watched.plot === document.querySelector('.rv-plot') })")
    assert seen["plot"]
    assert seen["removed"] == 0
    assert seen["blank"] == 0
    assert seen["revs"] == 30
    assert seen["frames"] >= 30
    assert same_grid(page, Experiment(g=1.1))


def test_of_a_slider_moved_faster_than_pictures_come_the_last_value_is_drawn(page):
    """Right after an example, too: its pill is let go while the next moves are already on their way."""
    for key, times in (("ArrowRight", 25), ("ArrowLeft", 10)):
        slider(page, "g").focus()
        for _ in range(times):
            page.keyboard.press(key)
    page.wait_for_function("document.querySelector('.rv-board').board.told.link === 'g=0.95'")
    drawn(page)
    assert query(page) == "g=0.95"
    assert same_grid(page, Experiment(g=0.95))
    assert lead(page) == sentence_of(Experiment(g=0.95))


def a_step(rng, page):
    """One thing a person might do, that changes the picture: what to do, in words and as an action."""
    here = from_link(page.evaluate("document.querySelector('.rv-board').board.told.link"))[0]
    kind = rng.choice(("slider", "slider", "slider", "cell", "cell", "example", "choice", "toggle"))
    if kind == "slider":
        name, key = rng.choice(("g", "input_scale", "T")), rng.choice(("ArrowLeft", "ArrowRight"))

        def press():
            slider(page, name).focus()
            page.keyboard.press(key)

        return f"{key} on {name}", press
    if kind == "cell":
        place = 1 + rng.randrange(len(here.stack)), 1 + rng.randrange(here.T)
        there = (f"a click on {place}", lambda: page.mouse.click(*middle_of(page, *place)))
        return there if place != outlined(page) else None
    if kind == "example":
        name = rng.choice([name for name in EXAMPLES if EXAMPLES[name].init != "by hand"])
        pill = page.get_by_role("radio", name=name, exact=True)
        return (name, pill.click) if EXAMPLES[name] != here.recipe else None
    if kind == "choice":
        control, name, value = rng.choice((("cell", "tanh", "tanh"), ("cell", "sigm", "sigmoid"),
                                           ("score", "last", "last step"), ("score", "every", "every step")))
        button = widget(page, control).get_by_role("radio", name=name, exact=True)
        return (f"{control} {name}", button.click) if getattr(here, control) != value else None
    return "the switch", lambda: widget(page, "cut", "label").first.click()


def test_a_walk_over_the_controls_shows_the_picture_of_its_link_at_every_step(page, visit):
    """Parts of the page rerun by themselves: none may lose what another has set."""
    rng, done = random.Random(7), []
    while len(done) < 40:
        step = a_step(rng, page)
        if step is None:
            continue
        done.append(step[0])
        act(page, step[1])
        experiment, notes = from_link(page.evaluate("document.querySelector('.rv-board').board.told.link"))
        made = run(experiment)
        reading = read(made, experiment.quantity)
        said = "".join(text for text, _ in flow(reading, uncut(made, reading)).lead)
        assert lead(page) == said, f"after {done[-5:]}"
        for name in ("g", "input_scale", "T"):
            expect(slider(page, name), f"after {done[-5:]}").to_have_value(f"{getattr(experiment, name):.12g}")
    other = visit("?" + query(page))
    assert (lead(other), grid(other), equation(other)) == (lead(page), grid(page), equation(page))


def drag(page, start, end):
    """Drag over the grid from one cell's middle to another's."""
    (left, y), (right, to) = middle_of(page, *start), middle_of(page, *end)
    page.mouse.move(left, y)
    page.mouse.down()
    page.mouse.move((left + right) / 2, (y + to) / 2, steps=4)
    page.mouse.move(right, to, steps=4)
    page.mouse.up()


def test_a_zoom_stays_when_a_slider_moves_and_a_double_click_ends_it(page):
    span = "document.querySelector('.rv-plot').layout.xaxis.range"
    act(page, lambda: drag(page, (2, 10), (2, 20)))
    zoomed = page.evaluate(span)
    assert zoomed == pytest.approx([10, 20], abs=1)
    np.testing.assert_allclose(grid(page), read(run(Experiment())).log_ratio[:, int(zoomed[0]):int(zoomed[1])], atol=1e-5)
    move(page, "g", times=2)
    assert page.evaluate(span) == zoomed
    found = read(run(Experiment(g=0.82))).log_ratio
    np.testing.assert_allclose(grid(page), found[:, int(zoomed[0]):int(zoomed[1])], atol=1e-5)
    page.mouse.dblclick(*middle_of(page, 2, 15))
    page.wait_for_function(f"{span}[0] < 1 && {span}[1] > 30")
    drawn(page)
    assert same_grid(page, Experiment(g=0.82))


def test_a_zoom_into_two_thousand_steps_shows_them_one_by_one(visit):
    page = visit("?T=2000&width=4&g=1.0")
    assert len(grid(page)[0]) == 400
    fewer = "() => document.querySelector('.rv-plot').data[0].z[0].length < 250"
    act(page, lambda: drag(page, (2, 1000), (2, 1200)), until=fewer)
    assert 190 <= len(grid(page)[0]) <= 215
    low, high = page.evaluate("document.querySelector('.rv-plot').layout.xaxis.range")
    assert (low, high) == pytest.approx((1000, 1200), abs=8)


def cpu_of(pid):
    """Seconds of CPU a process has used."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        ticks = stat.read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / 100
    text = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    minutes, seconds = text.strip().rpartition(":")[::2]
    return 60 * float(minutes.rpartition(":")[2]) + float(seconds)


def test_a_moved_slider_costs_the_server_little_more_than_its_picture(page, server):
    """With a full garbage collection after each rerun it was four times as much."""
    move(page, "g", times=3)
    start = cpu_of(server.process.pid)
    move(page, "g", times=25)
    rerun = (cpu_of(server.process.pid) - start) / 25

    def alone():
        began = time.process_time()
        reading = read(run(Experiment()))
        spec = flow_spec(reading, cell=(0, 14), page=True)
        board.pack(spec)
        board.furniture(spec["layout"]["meta"])
        return time.process_time() - began

    picture = statistics.median(alone() for _ in range(15))
    assert rerun < 12 * picture + 0.005, f"{1000 * rerun:.0f} ms a rerun, {1000 * picture:.1f} ms its picture"


# What a checker and a screen reader find.

AXE = Path(axe_core_python.__file__).parent / "axe.min.js"
STREAMLITS_OWN = {  # rules that Streamlit 1.67 breaks outside our nodes, which we cannot mend
    "aria-allowed-attr", "aria-allowed-role", "aria-required-children", "aria-required-parent", "aria-input-field-name",
    "button-name", "label", "nested-interactive", "color-contrast", "scrollable-region-focusable", "aria-command-name",
    "aria-tooltip-name", "aria-toggle-field-name", "list", "listitem", "duplicate-id-aria",
}


def complaints(page, where):
    """(rule, target, html) of every serious or critical violation in a part of the page."""
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(content=AXE.read_text())
    found = page.evaluate("(where) => axe.run(where, { resultTypes: ['violations'] })", where)
    return [(v["id"], node["target"], node["html"][:200]) for v in found["violations"] if v["impact"] in ("serious", "critical")
            for node in v["nodes"]]


def test_a_checker_finds_nothing_serious_in_the_board(page, dark):
    for screen in (page, dark):
        for name in ("Cut too early", "By hand", "Dead ReLU"):
            example(screen, name)
            assert complaints(screen, {"include": [[".rv-board"]]}) == []


def test_a_checker_finds_nothing_serious_on_the_page_but_what_is_streamlits_own(page):
    ours = [c for c in complaints(page, {"include": [["body"]]}) if c[0] not in STREAMLITS_OWN]
    assert ours == []


def test_a_screen_reader_is_told_the_sentence_the_equation_and_the_keys(page):
    said = flow(read(run(Experiment()))).text
    assert page.locator(".rv-plot").get_attribute("aria-label") == said
    assert page.locator(".rv-plot").get_attribute("role") == "img"
    assert page.locator(".rv-lead").get_attribute("role") == "status"
    assert "Arrow keys" in page.locator(".rv-figure").get_attribute("aria-label")
    assert "from the future" in page.locator(".rv-terms").get_attribute("aria-label")
    page.locator(".rv-figure").focus()
    assert page.evaluate("document.activeElement.className") == "rv-figure"


# Where the board cannot load.


@pytest.mark.parametrize("file", ["plotly.js", "board.js"])
def test_a_board_whose_script_is_blocked_gives_way_to_streamlits_own_chart(visit, file):
    page = visit("?layer=1&step=3", watched=False, wait=False, route=(f"**/rnnviz/*/{file}", lambda route: route.abort()))
    chart = page.locator("[data-testid=stPlotlyChart] .js-plotly-plot")
    page.wait_for_selector("[data-testid=stPlotlyChart] .heatmaplayer image")
    page.get_by_text(sentence_of(Experiment())).first.wait_for()
    z = chart.evaluate("(node) => node._fullData.find((t) => t.name === 'grid').z.map((row) => Array.from(row))")
    true = flow_spec(read(run(Experiment())))["data"][0]["z"]
    assert all(abs(a - float(b)) < 1e-5 for row, real in zip(z, true, strict=True) for a, b in zip(row, real, strict=True))
    page.wait_for_selector(".katex")
    assert page.locator(".katex-error").count() == 0
    assert page.get_by_text("Gradient at every cell").count() >= 1
    assert page.locator(".stAlert").count() == 0
    page.get_by_text("layer 1, step 3").wait_for()
    x, y = chart.evaluate("""(node) => {
      const box = node.getBoundingClientRect(), { xaxis, yaxis } = node._fullLayout;
      return [box.x + xaxis._offset + xaxis.c2p(12), box.y + yaxis._offset + yaxis.c2p(2)];
    }""")
    page.mouse.click(x, y)
    page.get_by_text("layer 2, step 12").wait_for()


# The route.


def test_the_route_hands_out_the_boards_scripts_and_nothing_else(server):
    for name, size in (("plotly.js", 1_000_000), ("board.js", 2_000)):
        with urllib.request.urlopen(server.address + f"rnnviz/any/{name}", timeout=10) as answer:
            assert "javascript" in answer.headers["content-type"]
            assert "immutable" in answer.headers["cache-control"]
            assert len(answer.read()) > size / 5
    for name in ("app.py", "..%2fapp.py", "state.py", "config.toml", "plotly.js.map", "..%2f..%2fetc%2fpasswd"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(server.address + "rnnviz/any/" + name, timeout=10)
        refused.value.close()
        assert refused.value.code in (400, 404)
