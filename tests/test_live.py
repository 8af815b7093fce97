"""The live lane: what it takes, what it refuses, and that its pictures are those of the page."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given
from strategies import experiments
from test_page import grid, unpack, visit
from test_page import picture as on_page

from rnnviz.dials import DRAWS, dials, turned
from rnnviz.examples import EXAMPLES
from rnnviz.experiment import Experiment, hand_weights, problem
from rnnviz.links import to_link
from rnnviz.own import Weights
from rnnviz.texts import DIALS
from rnnviz.ui import live
from rnnviz.ui.live import Lane, Lanes, own_page
from rnnviz.ui.picture import View, parse_view


def nobody(digest):
    return None


def lane(link="", view="light 1068 0", recall=nobody):
    made = Lane(recall)
    made.start(link, view)
    return made


def drawn(made, message):
    return unpack(made.draw(made.turn(message)))


# Dials.


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_dial_of_an_example_turns_to_both_its_ends_and_back(name):
    e = EXAMPLES[name]
    for dial in dials(e):
        assert dial.low <= dial.value <= dial.high
        said = f"{dial.before}{dial.value:.12g}{dial.after}"
        back = turned(e, dial.field, said)
        if dial.field == "hand":
            assert hand_weights(back) == hand_weights(e)
        else:
            assert back == e
        for end in (dial.low, dial.high):
            made = turned(e, dial.field, f"{dial.before}{end:.12g}{dial.after}")
            found = next(other for other in dials(made) if other.name == dial.name)
            assert found.value == end
    names = {dial.name for dial in dials(e)}
    assert names <= set(DIALS)


@pytest.mark.parametrize(("experiment", "names"), [
    (Experiment(view="wall"), ["clip", "learning_rate", "descents"]),
    (Experiment(view="wall", surface="counting"), ["learning_rate", "descents"]),
    (Experiment(view="wall", surface="counting", method="norm"), ["clip", "learning_rate", "descents"]),
    (Experiment(view="wall", method="RProp"), ["learning_rate", "descents"]),
    (Experiment(), ["g", "input_scale", "bias", "T"]),
    (Experiment(weights=Weights({"W_T1": np.eye(16)})), ["T", "g", "input_scale", "bias"]),
    (Experiment(long=1000), ["g", "input_scale", "bias"]),
    (Experiment(long=1000, view="rate"), ["g", "input_scale", "bias", "T"]),
])
def test_the_first_dial_of_a_view_changes_its_picture_and_loses_nothing(experiment, names):
    assert [dial.name for dial in dials(experiment)] == names


def test_a_dial_that_draws_weights_replaces_own_ones_and_another_keeps_them():
    e = Experiment(width=2, weights=Weights({"W_T1": np.eye(2)}), cut=True)
    for dial in dials(e):
        other = dial.low if dial.value != dial.low else dial.high
        made = turned(e, dial.field, str(other))
        assert bool(made.weights) == (dial.field not in DRAWS), dial.name
    assert turned(e, "g", str(e.g)).weights, "a dial that stays where it is draws nothing"


# Pictures.


@pytest.mark.parametrize(("link", "field", "value"), [
    ("", "g", 0.93), ("", "input_scale", 2.0), ("", "T", 44), ("cut=1", "tau_max", 3), ("cut=1", "tau_b", 4),
    ("width=3&depth=1&weights=W_T1:0.5,0,0;0,0.5,0;0,0,0.5", "T", 12),
    ("width=3&depth=1&weights=W_T1:0.5,0,0;0,0.5,0;0,0,0.5", "g", 1.1),
    ("held=%3Fg%3D1.25", "g", 0.7), ("walk=by step&visit=5", "g", 0.7), ("lecture=1", "g", 0.7),
])
def test_a_picture_of_the_lane_is_that_of_the_page_after_the_release(link, field, value):
    page = visit(dict(parse_qsl(link)))
    there = on_page(page)
    made = drawn(lane(there["link"], there["view"]), f"{field}={value}")
    e = turned(Experiment(**page.session_state["settings"]), field, str(value))
    after = on_page(visit(dict(parse_qsl(to_link(e)))))
    assert made["link"] == after["link"]
    assert made["notes"] is None
    for part in ("lead", "consequence", "alt", "equation", "furniture", "cell", "shape", "view", "colours", "says"):
        assert made[part] == after[part], part
    for mine, theirs in zip(made["spec"]["data"], after["spec"]["data"], strict=True):
        assert mine["name"] == theirs["name"]
        for key in ("x", "y", "z"):
            np.testing.assert_array_equal(mine.get(key, 0), theirs.get(key, 0))
    assert (made["walk"] is None) == (after["walk"] is None)
    if made["walk"]:
        np.testing.assert_array_equal(made["walk"]["shade"], after["walk"]["shade"])


def test_the_checksum_of_a_lanes_picture_is_that_of_the_pages_so_that_a_release_draws_nothing():
    there = on_page(visit())
    packed = lane(there["link"], there["view"])
    mine = packed.draw(packed.turn("g=0.93"))
    page = visit("g=0.93")
    from test_page import component

    assert mine[8:12] == bytes(component(page).bytes)[8:12]


@given(experiments())
def test_a_lane_draws_or_refuses_whatever_a_dial_says(e):
    made = Lane(nobody)
    if problem(e):
        return
    made.base, made.view = e, View()
    for dial in dials(e)[:3]:
        found, why = None, ""
        try:
            found = made.turn(f"{dial.field}={dial.before}{dial.high:.12g}{dial.after}")
            assert unpack(made.draw(found))["link"] == to_link(found)
        except ValueError as reason:
            why = str(reason)
        assert found is None or not problem(found) or 0 < len(why) <= 300


# What it refuses.


@pytest.mark.parametrize("message", [
    "g=nan", "g=1e999", "g=", "g", "=", "", "g=99", "T=0", "T=-3", "T=10001", "width=9999", "nonsense=1", "seed=1.5",
    "hand=1 2", "weights=W_T1:nan", "layers=" + "9" * 500, "\0", "g=0.8\ng=0.9", "tau_max=1e3",
])
def test_a_message_that_is_no_setting_is_refused_in_one_sentence(message):
    with pytest.raises(ValueError) as reason:
        lane().turn(message)
    assert 0 < len(str(reason.value)) <= 300
    assert "Traceback" not in str(reason.value)


@pytest.mark.parametrize("start", ["?g=99\nlight 1068 0", "?weights=@0123\nlight 1068 0", "?\n", "?\nlight", "?\nblue 1068 0",
                                   "?\nlight 10 0", "?\nlight 99999 0", "?\nlight 1068 0 5", "?\nlight 1068 0 30 9 2",
                                   "?\nlight 1068 x", "?\nlight 1e3 0", "?" + "a" * 200_000,
                                   "?held=?T=10000%26width=112\nlight 1068 0"])
def test_a_start_that_names_no_picture_is_refused_and_leaves_no_older_one(start):
    made = lane()
    with pytest.raises(ValueError):
        made.take(f"{start}\ng=0.9")
    with pytest.raises(ValueError, match="no picture has been named"):
        made.turn("g=0.9")


def test_a_text_without_characters_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="Text is empty"):
        lane("task=text").take("text=")


def test_a_setting_that_takes_too_long_waits_for_the_release():
    with pytest.raises(ValueError, match="too long to follow a hand"):
        lane("width=256&depth=6&T=60").turn("T=200")


def test_own_weights_too_large_for_a_link_are_found_by_their_digest():
    big = Weights({"W_T1": 0.01 * np.arange(6400.0).reshape(80, 80) % 0.3})
    e = Experiment(width=80, depth=1, T=5, weights=big)
    assert f"@{big.digest}" in to_link(e)
    known = lane(to_link(e), recall={big.digest: big}.get)
    assert known.turn("T=6").weights == big
    with pytest.raises(ValueError, match="gone"):
        lane(to_link(e))


def test_a_view_is_read_back_from_its_text():
    for view in (View(), View("dark", 700, 380), View("light", 1068, 0, (60, 5, 20))):
        assert parse_view(view.text) == view


# The socket.


class Wire:
    """A WebSocket of ASGI without a network: what it is sent, and what comes back."""

    def __init__(self, messages, headers=(("origin", "http://here:1"), ("host", "here:1"))):
        self.incoming = [{"type": "websocket.connect"}, *({"type": "websocket.receive", "text": m} if isinstance(m, str) else m
                                                         for m in messages), {"type": "websocket.disconnect", "code": 1000}]
        self.out = []
        self.scope = {"type": "websocket", "path": "/", "headers": [(k.encode(), v.encode()) for k, v in headers],
                      "query_string": b"", "subprotocols": []}

    async def receive(self):
        return self.incoming.pop(0)

    async def send(self, message):
        self.out.append(message)


def spoken(messages, lanes=None, **more):
    """What the lane answers to these messages."""
    wire = Wire(messages, **more)
    finished((lanes or Lanes())(wire.scope, wire.receive, wire.send))
    return wire.out


def finished(work):
    """The result of a coroutine, in a thread of its own: the browser tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_the_socket_answers_each_message_with_its_picture():
    out = spoken(["?\nlight 1068 0\ng=0.9", "g=0.91", "g=99", "g=0.92"])
    assert [m["type"] for m in out] == ["websocket.accept", *["websocket.send"] * 4]
    assert [unpack(m["bytes"])["link"] for m in out[1:] if m.get("bytes")] == ["g=0.9", "g=0.91", "g=0.92"]
    assert out[3]["text"].startswith("Recurrent scale g is 99")


def test_a_heavier_picture_is_made_beside_the_loop_and_is_the_same():
    out = spoken(["?width=32&T=200\nlight 1068 0\ng=0.9"])
    assert unpack(out[1]["bytes"])["link"] == "width=32&g=0.9&T=200"


@pytest.mark.parametrize("headers", [
    (("origin", "http://elsewhere"), ("host", "here:1")), (("host", "here:1"),), (("origin", "null"), ("host", "here:1")),
    (("origin", "http://here:2"), ("host", "here:1")), (("origin", ""), ("host", "")),
])
def test_a_page_of_another_host_gets_no_lane(headers):
    out = spoken(["?\nlight 1068 0\ng=0.9"], headers=headers)
    assert [m["type"] for m in out] == ["websocket.close"]


def test_a_page_behind_a_proxy_gets_its_lane():
    assert own_page({"origin": "https://rnn.example", "host": "page1:8501", "x-forwarded-host": "rnn.example"})
    assert own_page({"origin": "https://rnn.example", "host": "rnn.example"})


def test_who_sends_nonsense_is_shown_out():
    out = spoken(["x=1"] * 50)
    assert sum(m["type"] == "websocket.send" for m in out) == live.STRIKES
    assert out[-1] == {"type": "websocket.close", "code": 1008, "reason": ""}
    blob = {"type": "websocket.receive", "bytes": b"\0" * 10}
    assert spoken([blob] * 50)[-1]["code"] == 1008
    assert len(spoken(["g" * 140_000])) == 2, "a message that is too long ends it"


def test_a_bug_in_drawing_is_a_word_to_the_visitor_and_a_line_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(live, "computed", lambda *a: 1 / 0)
    out = spoken(["?\nlight 1068 0\ng=0.9", "g=0.8"])
    assert [m.get("text") for m in out[1:]] == ["something went wrong"] * 2
    assert any("lane error" in record.getMessage() for record in caplog.records)


def test_there_are_so_many_lanes_and_no_more_and_a_closed_one_makes_room(monkeypatch):
    lanes = Lanes()
    monkeypatch.setattr(live, "LANES", 0)
    assert [m["type"] for m in spoken(["g=1"], lanes)] == ["websocket.close"]
    monkeypatch.setattr(live, "LANES", 1)
    for _ in range(3):
        assert spoken(["?\nlight 1068 0\ng=1"], lanes)[0]["type"] == "websocket.accept"
    assert lanes.open == 0


def test_nobody_gets_more_than_a_share_of_the_loop():
    async def timed():
        wire = Wire(["?\nlight 1068 0\ng=1", *["g=0.9"] * 20])
        start = asyncio.get_running_loop().time()
        await Lanes()(wire.scope, wire.receive, wire.send)
        return asyncio.get_running_loop().time() - start

    assert finished(timed()) >= 20 * live.REST


def test_the_boards_message_is_json_and_bytes_that_are_small():
    made = lane().draw(Experiment(g=0.9))
    assert len(made) < 40_000
    assert len(grid(visit())) == 3
    json.dumps(unpack(made)["alt"])


@pytest.mark.parametrize("link", ["g=0.5", "view=rate&g=0.5"])
def test_the_release_takes_the_picture_that_the_hand_has_just_seen(monkeypatch, link):
    """The page computes nothing that the lane has drawn: the same value on both ways is one run."""
    from rnnviz.ui import page as script

    drawn(lane(link), "g=0.77")
    with monkeypatch.context() as patch:
        patch.setattr(script, "computed", lambda *a: pytest.fail("it is computed again"))
        assert on_page(visit(f"{link.replace('g=0.5', 'g=0.77')}"))["lead"]


def test_what_was_drawn_last_is_let_go_in_its_turn():
    from rnnviz.ui.shelf import Recent

    kept = Recent(most=2)
    for name in "abc":
        kept.put(name, name.upper())
    assert [kept.find(name) for name in "abc"] == [None, "B", "C"]
