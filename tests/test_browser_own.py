"""One's own numbers in a real Chromium: typed, pasted, uploaded, undone, lost, shared and taken home."""

import io
import json
import re
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from browser import act, at_rest, drawn, example, grid, lead, move, query
from playwright.sync_api import expect
from test_browser import same_grid

from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, run
from rnnviz.files import from_json, grid_csv
from rnnviz.flow import read
from rnnviz.links import from_link
from rnnviz.network import matrices
from rnnviz.own import Weights

pytestmark = pytest.mark.browser
pytest_plugins = ["browser"]


# The editor.


def show_editor(page):
    page.get_by_text("Edit weights", exact=True).click()
    page.locator("#glide-cell-1-0").wait_for(state="attached")


def click_cell(page, row, column):
    """Select a cell of the editor, counted from 1, until it takes keys; its columns are 66 px wide, its rows 35."""
    at_rest(page)
    page.locator("[data-testid=stDataFrame]").first.click(position={"x": 80 + 66 * (column - 1), "y": 52 + 35 * (row - 1)})
    page.wait_for_function("(cell) => document.activeElement.id === cell", arg=f"glide-cell-{column}-{row - 1}")


def typed(page, text):
    """Type over the selected cell, no faster than a person; its field opens with the first letter."""
    field = page.locator("textarea.gdg-input")
    page.keyboard.type(text[0], delay=60)
    expect(field).to_be_focused()
    page.keyboard.type(text[1:], delay=60)
    expect(field).to_have_value(text)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)))")
    page.keyboard.press("Enter")


def type_into(page, row, column, text):
    click_cell(page, row, column)
    act(page, lambda: typed(page, text))


def own(page):
    """The own weights in the link, once the address bar has it."""
    return from_link(query(page))[0].weights


def test_a_number_typed_into_a_cell_moves_the_picture_and_undo_moves_it_back(visit):
    page = visit("?width=3&depth=2")
    before, drawn_weights = grid(page), matrices(run(Experiment(width=3, depth=2)).network)["W_T1"]
    show_editor(page)
    type_into(page, 2, 1, "1.5")
    expected = drawn_weights.copy()
    expected[1, 0] = 1.5
    assert own(page) == Weights({"W_T1": expected})
    assert same_grid(page, Experiment(width=3, depth=2, weights=Weights({"W_T1": expected})))
    type_into(page, 3, 3, "-2")
    assert own(page).arrays["W_T1"][2, 2] == -2
    assert own(page).arrays["W_T1"][1, 0] == 1.5
    act(page, lambda: page.get_by_role("button", name="Undo").click())
    assert own(page) == Weights({"W_T1": expected})
    act(page, lambda: page.get_by_role("button", name="Undo").click())
    assert grid(page) == before
    assert query(page) == "depth=2&width=3"


def test_a_block_copied_from_a_spreadsheet_is_pasted_into_the_matrix(visit):
    page = visit("?width=3")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show_editor(page)
    page.evaluate("navigator.clipboard.writeText('0.5\\t0.25\\t-1\\n2\\t0\\t1e-3\\n')")
    click_cell(page, 2, 1)
    act(page, lambda: page.keyboard.press("Control+v"))
    np.testing.assert_array_equal(own(page).arrays["W_T1"][1:], [[0.5, 0.25, -1], [2, 0, 0.001]])


def test_a_decimal_comma_typed_or_pasted_is_one_and_what_is_no_number_is_refused(visit):
    page = visit("?width=3")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show_editor(page)
    type_into(page, 1, 1, "0,5")
    assert own(page).arrays["W_T1"][0, 0] == 0.5
    page.evaluate("navigator.clipboard.writeText('0,25\\t−2\\n1e-3\\t,5\\n')")
    click_cell(page, 2, 2)  # not the cell that Enter went to: a click on it would open it
    act(page, lambda: page.keyboard.press("Control+v"))
    np.testing.assert_array_equal(own(page).arrays["W_T1"][1:, 1:], [[0.25, -2], [0.001, 0.5]])
    before = grid(page)
    click_cell(page, 3, 1)
    typed(page, "abc")
    expect(page.locator(".rv-notes")).to_have_text('Row 3, column 1 of W_T1 is "abc"; it must be a number.')
    assert grid(page) == before


def test_a_dial_moved_after_an_edit_draws_all_weights_again_and_says_so(visit):
    page = visit("?width=3")
    show_editor(page)
    type_into(page, 1, 1, "2")
    move(page, "g")
    expect(page.locator(".rv-notes")).to_contain_text("Recurrent scale g was moved")
    assert same_grid(page, Experiment(width=3, g=0.81))
    act(page, lambda: page.get_by_role("button", name="Undo").click())
    assert own(page).arrays["W_T1"][0, 0] == 2
    assert "g=" not in query(page)


# Files.


def saved(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def network(n, n_in=1, seed=0):
    rng = np.random.default_rng(seed)
    return {"weight_ih_l0": rng.standard_normal((n, n_in)), "weight_hh_l0": rng.standard_normal((n, n)) / np.sqrt(n),
            "fc.weight": rng.standard_normal((1, n))}


def choose_file(page, name, data):
    page.get_by_role("button", name="Open…").click()
    page.locator("[role=dialog] input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data})


def use_file(page, name, data, label):
    choose_file(page, name, data)
    act(page, lambda: page.get_by_role("button", name=label).click())
    page.locator("[role=dialog]").wait_for(state="hidden")


def test_a_dropped_network_is_drawn_survives_a_reload_and_back_returns(visit):
    page = visit()
    before = grid(page)
    arrays = network(70)
    use_file(page, "net.npz", saved(**arrays), "Use this network")
    weights = Weights({"W_S1": arrays["weight_ih_l0"], "W_T1": arrays["weight_hh_l0"], "b1": np.zeros(70),
                       "W_out": arrays["fc.weight"], "b_out": np.zeros(1)})
    assert same_grid(page, Experiment(depth=1, width=70, weights=weights))
    assert f"weights=@{weights.digest}" in query(page)
    cells = grid(page)
    page.reload()
    drawn(page)
    assert grid(page) == cells
    act(page, page.go_back)
    assert grid(page) == before


def test_a_refused_file_says_why_and_the_picture_stays(visit):
    page = visit()
    before = grid(page)
    choose_file(page, "weights.pt", b"\x80\x02}q\x00.")
    page.get_by_text("PyTorch file").wait_for()
    assert "torch.load" in page.locator("[role=dialog] code").inner_text()
    page.keyboard.press("Escape")
    choose_file(page, "holes.csv", b"a,b\n1,\n2,3\n")
    page.get_by_text('Row 2, column 2 ("b") is empty').wait_for()
    assert grid(page) == before


def test_weights_too_large_for_the_link_are_named_when_the_server_has_been_restarted(visit, own_server):
    page = visit(home=own_server, watched=False)
    use_file(page, "net.npz", saved(**network(70)), "Use this network")
    own_server.stop(kill=True)
    page.wait_for_selector('[data-test-connection-state]:not([data-test-connection-state="CONNECTED"])')
    own_server.start()
    page.wait_for_selector('[data-test-connection-state="CONNECTED"]')
    page.locator(".rv-notes p").wait_for()
    assert "too large for its link, and they are gone. Open their file again" in page.locator(".rv-notes").inner_text()
    assert same_grid(page, Experiment(depth=1, width=70))
    move(page, "T")
    assert same_grid(page, Experiment(depth=1, width=70, T=31))


def test_an_address_of_100_kb_opens_with_a_note(visit):
    page = visit("?g=0.9&weights=W_T1:" + "1," * 50_000 + "1")
    assert page.locator(".rv-notes").inner_text().startswith("Weights has 100,006 characters; in a link it may have 12,000")
    assert same_grid(page, Experiment(g=0.9))


# Taking home.


@pytest.fixture
def sharing(visit):
    """A page at By hand, its Share menu open."""
    page = visit()
    example(page, "By hand")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Figure as PNG").wait_for()
    return page


def saved_as(page, label):
    """(name, bytes) of what a button saves."""
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_the_link_of_the_share_menu_opens_the_picture(sharing, visit):
    link = sharing.locator("[data-testid=stCode] code").inner_text().strip()
    other = visit(link.partition("/?")[2] and "?" + link.partition("/?")[2])
    assert lead(other) == lead(sharing)
    assert grid(other) == grid(sharing)


def test_the_figure_is_saved_as_png_and_svg_with_its_words(sharing):
    name, png = saved_as(sharing, "Figure as PNG")
    assert name == "rnnviz-by-hand.png"
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(png[16:20]) == 2 * (1068 + 2 * 20)
    name, svg = saved_as(sharing, "Figure as SVG")
    assert name == "rnnviz-by-hand.svg"
    words = re.sub("<[^>]*>", "", svg.decode())
    for said in ("Gradient at every cell", "What is left, step by step", "layer 2", lead(sharing).split(".")[0]):
        assert said in words, said


def test_the_files_of_the_share_menu_hold_the_picture(sharing):
    name, text = saved_as(sharing, "Experiment as JSON")
    assert (name, from_json(text)) == ("rnnviz-by-hand.json", EXAMPLES["By hand"])
    name, text = saved_as(sharing, "Numbers as CSV")
    assert (name, text.decode()) == ("rnnviz-by-hand.csv", grid_csv(read(run(EXAMPLES["By hand"]))))
    name, text = saved_as(sharing, "Python script")
    assert name == "rnnviz-by-hand.py"
    compile(text, name, "exec")


def test_the_web_page_opens_without_a_network_and_shows_the_picture(sharing, browser, tmp_path):
    name, text = saved_as(sharing, "Web page")
    assert name == "rnnviz-by-hand.html"
    (tmp_path / name).write_bytes(text)
    context = browser.new_context(offline=True)
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / name).as_uri())
    page.wait_for_selector(".heatmaplayer image")
    assert lead(page) == lead(sharing)
    assert page.locator("math").count() >= 3
    z = page.evaluate("Array.from(document.querySelector('.plot')._fullData[0].z, (row) => Array.from(row))")
    np.testing.assert_allclose(np.array(z, float), np.array(grid(sharing), float), atol=1e-6)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert not errors
    context.close()


def test_the_server_takes_no_upload_beyond_16_mb(server):
    with urllib.request.urlopen(server.address + "_stcore/host-config", timeout=10) as answer:
        json.loads(answer.read())
    assert "maxUploadSize = 16" in (Path(__file__).parents[1] / ".streamlit/config.toml").read_text()
