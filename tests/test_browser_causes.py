"""Rate, Wall and Map in a real Chromium: what fits on a screen, what a click and a hand do, what Back and a link bring."""

import pytest
from browser import act, at_rest, drawn, lead, query, rev, slider
from test_browser_live import BIG, SMALLEST, caught_up, link, live_value, pull, requests, take

from rnnviz import map_sentence, rate_sentence, rates, run, sweep, wall_of, wall_sentence
from rnnviz.links import from_link

pytestmark = pytest.mark.browser
pytest_plugins = ["browser"]

VIEWS = ("rate", "wall", "map")
SAID = {  # the sentence of a view, computed from its experiment
    "rate": lambda e: rate_sentence(rates(run(e), max(0, e.layer - 1))),
    "wall": lambda e: wall_sentence(wall_of(e)),
    "map": lambda e: map_sentence(sweep(e)),
}


def said(page):
    """The lead of the sentence that the picture's own link asks for."""
    experiment, notes = from_link(link(page))
    assert not notes
    return "".join(words for words, _ in SAID[experiment.view](experiment).lead)


def place_of(page, x, y):
    """The place on the screen of two numbers on the figure's surface."""
    return page.evaluate("""([x, y]) => {
      const { board } = document.querySelector(".rv-board"), box = board.plot.getBoundingClientRect();
      const { surface: s } = board.picture.spec.layout.meta;
      const across = s.left + (s.right - s.left) * (x - s.x[0]) / (s.x[1] - s.x[0]);
      const up = s.bottom - (s.bottom - s.top) * (y - s.y[0]) / (s.y[1] - s.y[0]);
      return [box.x + board.scale * across, box.y + board.scale * up];
    }""", [x, y])


def click(page, x, y):
    return act(page, lambda: page.mouse.click(*place_of(page, x, y)))


def choose_view(page, name):
    page.get_by_role("radio", name=name, exact=True).click()
    page.wait_for_function("(view) => document.querySelector('.rv-board').board.told.link.includes(`view=${view}`)",
                           arg=name.lower())
    return drawn(page)


# Boxes of every text inside a node, in px of the screen: [text, left, top, right, bottom], of its letters, not of their lines.
TEXTS = """(name) => {
  const found = [], walk = document.createTreeWalker(document.querySelector(name), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const { currentNode: node } = walk, { parentElement: parent } = node;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (!node.textContent.trim() || !box.width || parent.closest("option, dialog:not([open])")) continue;
    found.push([node.textContent.trim(), box.left, box.top + box.height / 4, box.right, box.bottom - box.height / 4]);
  }
  return found;
}"""


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_fits_the_screen_with_every_word_inside_and_nothing_to_scroll(visit, view):
    page = at_rest(visit(f"?view={view}"))
    assert lead(page) == said(page)
    width, height, scrolled, tall, wide = page.evaluate("""() => {
      const main = document.querySelector("[data-testid=stMain]");
      return [innerWidth, innerHeight, main.scrollHeight - main.clientHeight, document.documentElement.scrollHeight,
        main.scrollWidth - main.clientWidth];
    }""")
    assert (scrolled, wide) == (0, 0)
    assert tall <= height
    texts, board = page.evaluate(TEXTS, ".rv-board"), page.locator(".rv-board").bounding_box()
    assert len(texts) > 25
    assert [text for text in texts if text[1] < board["x"] - 1 or text[3] > min(width, board["x"] + board["width"]) + 1] == []
    assert [text for text in texts if text[4] > height] == []
    assert page.locator(".rv-plot .js-line, .rv-plot .hm image").count() > 0, "nothing is drawn"


def test_a_click_on_the_wall_moves_the_start_and_the_link_of_it_shows_the_same_in_another_browser(visit):
    page = at_rest(visit("?view=wall"))
    before = lead(page)
    click(page, 4.5, -2.1)
    x, y = (float(word) for word in from_link(query(page))[0].start.split())
    assert (x, y) == pytest.approx((4.5, -2.1), abs=0.004), "one px"
    assert lead(page) == said(page) != before
    assert page.locator("[class*=st-key-w_start] input").input_value() == f"{x:.4g} {y:.4g}"
    other = visit("?" + query(page), new=True)
    assert lead(other) == lead(page)
    assert rev(other) == rev(page)


def test_a_click_on_the_map_moves_the_slider_and_back_returns_through_the_views(visit):
    page = visit("?depth=1&width=4&view=wall")
    click(page, 4.6, -2.0)
    wall = query(page)
    choose_view(page, "Map")
    click(page, 1.5, 20)
    at_rest(page)
    g = from_link(query(page))[0].g
    assert g == pytest.approx(1.5, abs=0.01)
    assert float(live_value(page, "g")) == g
    assert lead(page) == said(page)
    choose_view(page, "Rate")
    assert lead(page) == said(page)
    page.go_back()
    page.wait_for_function("() => document.querySelector('.rv-board').board.told.link.includes('view=map')")
    drawn(page)
    assert from_link(query(page))[0].g == g
    page.go_back()
    page.wait_for_function("() => document.querySelector('.rv-board').board.told.link.includes('view=wall')")
    drawn(page)
    assert query(page) == wall
    assert lead(page) == said(page)
    assert slider(page, "g").count() == 0, "the wall of one unit has no use for it"


def test_rate_follows_the_thumb_without_a_run_of_the_script(visit):
    page = visit("?view=rate")
    page.wait_for_load_state("networkidle")
    x, y = take(page, "g")
    sent = requests(page)
    for way in (15, 35):
        pull(page, x, y, way)
    caught_up(page, "g")
    assert not sent, "the script was asked for while the thumb was moving"
    assert page.evaluate("(({ dataset, board }) => dataset.live === board.rev)(document.querySelector('.rv-board'))")
    assert from_link(link(page))[0].g > 0.85
    assert lead(page) == said(page)
    there = link(page)
    page.mouse.up()
    at_rest(page)
    assert link(page) == query(page) == there
    assert rev(visit("?" + there)) == rev(page)


@pytest.mark.parametrize("view", VIEWS)
def test_a_lecture_shows_its_figure_and_its_dial_beside_each_other_large_enough_for_row_twenty(visit, view):
    page = visit(f"?view={view}&lecture=1", viewport=BIG, wait=False)
    page.wait_for_selector(".rv-lecture[data-rev]")
    at_rest(page)
    assert lead(page) == said(page)
    found = page.evaluate(SMALLEST)
    assert [(size, text) for size, text, *_ in found if size < 23] == []
    assert [(text, bottom, right) for _, text, bottom, right in found if bottom > BIG["height"] or right > BIG["width"]] == []
    dial, foot = (page.locator(name).bounding_box() for name in (".rv-dialing", ".rv-foot"))
    assert dial["height"] > 40
    assert dial["y"] + dial["height"] <= foot["y"] + 1
    texts = page.evaluate(TEXTS, ".rv-furniture")
    assert texts
    assert [text for text in texts if text[4] > dial["y"] and text[3] > dial["x"]] == []
    assert [text for text in texts if text[4] > foot["y"]] == []


def test_a_click_on_a_wall_that_is_magnified_finds_its_place(visit):
    page = visit("?view=wall&lecture=1", viewport=BIG, wait=False)
    page.wait_for_selector(".rv-lecture[data-rev]")
    at_rest(page)
    page.mouse.click(*place_of(page, 4.4, -2.1))
    page.wait_for_function("() => location.search.includes('start=')")
    x, y = (float(word) for word in from_link(query(page))[0].start.split())
    assert (x, y) == pytest.approx((4.4, -2.1), abs=0.004)
