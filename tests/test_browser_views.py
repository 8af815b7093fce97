"""The views beside Flow, the line of the check and the menu of formulas, in a real Chromium."""

import re

import pytest
from browser import drawn, example, lead, query, rev
from playwright.sync_api import expect
from test_browser_live import caught_up, link, pull, requests, take

from rnnviz import prove, run, truncation_sentence
from rnnviz.accounts import account
from rnnviz.examples import SCENES
from rnnviz.experiment import Experiment
from rnnviz.figures.groups import scripts
from rnnviz.links import from_link, to_link
from rnnviz.misprints import MISPRINTS
from rnnviz.sentences import checked

pytestmark = pytest.mark.browser
pytest_plugins = ["browser"]

CUT = "?view=truncation&score=every%20step&cut=1&tau_max=8&tau_b=4"


def said(experiment):
    return "".join(words for words, _ in truncation_sentence(account(experiment)).lead)


def proof(page):
    return page.locator(".rv-proof").inner_text()


def wait_for_proof(page, words):
    page.wait_for_function("(words) => document.querySelector('.rv-proof').textContent === words", arg=words)


def test_truncation_is_live_under_the_tau_sliders_and_a_release_shows_what_a_fresh_page_shows(visit):
    page = visit(CUT)
    page.wait_for_load_state("networkidle")
    wait_for_proof(page, checked(prove(run(from_link(CUT)[0]))))
    for name, way in (("tau_max", 25), ("tau_b", -20)):
        before = link(page)
        x, y = take(page, name)
        sent = requests(page)
        pull(page, x, y, way)
        caught_up(page, name)
        assert not sent, "the script was asked for while the thumb was moving"
        experiment = from_link(link(page))[0]
        assert getattr(experiment, name) != getattr(from_link(before)[0], name)
        assert lead(page) == said(experiment)
        assert proof(page) == "", "what was checked is another picture"
        page.mouse.up()
        page.wait_for_function("() => !document.querySelector('.rv-board').board.live")
        wait_for_proof(page, checked(prove(run(experiment))))
    drawn(page)
    fresh = visit("?" + query(page))
    assert rev(fresh) == rev(page)


def test_a_view_is_chosen_and_left_again_by_back(visit):
    page = visit("?g=0.9")
    page.get_by_role("radio", name="Truncation").click()
    page.wait_for_function("() => document.querySelector('.rv-board').board.told.link.includes('view=truncation')")
    drawn(page)
    assert lead(page) == said(Experiment(g=0.9, view="truncation"))
    example(page, "Wrong sign")
    assert "wrong sign" in lead(page)
    assert from_link(query(page))[0].recipe == SCENES["truncation"]["Wrong sign"].recipe
    for _ in range(2):
        page.go_back()
    page.wait_for_function("() => document.querySelector('.rv-board')?.board?.told?.link === 'g=0.9'")
    drawn(page)
    assert "of the gradient" in lead(page)
    expect(page.get_by_role("radio", name="Flow")).to_be_checked()


def test_the_gradient_its_order_and_the_misreading_are_chosen_beside_the_sentence(visit):
    page = visit(CUT)
    for label, choice, field in (("Gradient of", "W_S of layer 2", ("weight", "W_S2")), ("Terms by", "by lag", ("per", "lag")),
                                 ("Losses", "old losses again", ("again", True))):
        old = rev(page)
        page.get_by_label(label, exact=True).select_option(choice)
        drawn(page, old)
        assert getattr(from_link(link(page))[0], field[0]) == field[1]
    experiment = from_link(link(page))[0]
    assert lead(page) == said(experiment)
    assert lead(page).startswith("Injecting old losses again makes all gradients")
    assert page.locator(".rv-equation .rv-heading b").inner_text() == "This gradient"
    assert "weights from below, layer 2" in page.locator(".rv-equation .rv-heading span").inner_text()


def test_the_formulas_write_every_gradient_and_say_what_the_text_misprints(visit):
    page = visit("?notation=space/time&layer=2&step=29")
    page.get_by_role("button", name="Formulas").click()
    entries = page.locator(".rv-formulas .rv-entry")
    expect(entries).to_have_count(8)
    assert page.locator(".rv-formulas math").count() > 20
    marks = page.locator(".rv-formulas .rv-said").all_inner_texts()
    assert marks
    known = {re.sub("<[^>]+>", "", scripts(misprint.sentence)) for misprint in MISPRINTS}
    assert {mark.removeprefix("† ") for mark in marks} <= known


def test_a_bar_that_is_pressed_draws_its_route_and_a_node_that_is_clicked_is_the_chosen_cell(visit):
    page = visit("?" + to_link(SCENES["routes"]["Five routes"]) + "&view=routes")
    assert lead(page).startswith("Five routes lead from the loss to this cell.")
    old = rev(page)
    page.locator("[data-route='2']").click()
    drawn(page, old)
    assert from_link(link(page))[0].route == 2
    assert page.locator("[data-route='2']").get_attribute("aria-pressed") == "true"
    place = page.evaluate("""() => {
      const { data } = document.querySelector(".rv-plot"), nodes = data.find(({ name }) => name === "nodes");
      const box = document.querySelector(".rv-plot").getBoundingClientRect();
      const i = nodes.customdata.findIndex(([layer, step]) => layer === 2 && step === 4);
      return [box.x + nodes.x[i], box.y + nodes.y[i]];
    }""")
    old = rev(page)
    page.mouse.click(*place)
    drawn(page, old)
    made = from_link(link(page))[0]
    assert (made.layer, made.step) == (2, 4)
    assert lead(page).startswith("One route leads from the loss to this cell.")
