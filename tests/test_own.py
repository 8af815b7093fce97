"""Weights and tables of one's own: values compared by content, and their readable texts."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import printable, tables, weights_in_part

from rnnviz.own import (
    MAX_ROWS,
    MOST_NUMBERS,
    Table,
    Weights,
    parse_table,
    parse_weights,
)

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = ("W_S1", "W_T1", "b1", "h1", "W_S12", "W_out", "b_out")


@st.composite
def any_weights(draw):
    """Any finite numbers, to the last bit and the sign of zero."""
    names = draw(st.sets(st.sampled_from(NAMES), max_size=4))
    sides = st.integers(1, 3)
    return Weights({name: draw(arrays(float, (draw(sides), draw(sides)) if name[0] == "W" else draw(sides), elements=FLOATS))
                    for name in names})


@given(any_weights())
def test_weights_are_read_back_from_their_text_to_the_last_bit(weights):
    again = parse_weights(weights.text)
    assert again == weights
    assert list(again.arrays) == list(weights.arrays)
    for name, value in weights.arrays.items():
        assert value.tobytes() == again.arrays[name].tobytes()
    assert re.fullmatch(r"[ -~]*", weights.text)


@given(st.lists(st.text(printable, min_size=1, max_size=60), min_size=1, max_size=4), st.data())
def test_a_table_is_read_back_from_its_text_to_the_last_bit(names, data):
    table = Table(names, data.draw(arrays(float, (data.draw(st.integers(1, 4)), len(names)), elements=FLOATS)))
    again = parse_table(table.text)
    assert again == table
    assert again.names == tuple(names)
    assert again.numbers.tobytes() == table.numbers.tobytes()


@given(any_weights(), st.data())
def test_one_changed_bit_makes_other_weights(weights, data):
    if not weights:
        return
    name = data.draw(st.sampled_from(list(weights.arrays)))
    made = weights.arrays[name].copy()
    i = data.draw(st.integers(0, made.size - 1))
    made.flat[i] = np.nextafter(made.flat[i], 0.0) if made.flat[i] else 5e-324
    other = weights.put(**{name: made})
    assert other != weights
    assert other.digest != weights.digest
    assert weights.put(**{name: weights.arrays[name]}) == weights


def test_the_same_numbers_in_another_order_or_type_are_the_same_weights():
    a = np.arange(6.0).reshape(2, 3)
    made = [Weights({"W_T1": m, "b1": [1, 2]}) for m in (a, np.asfortranarray(a), a.astype(">f8"), a.astype("f4"), a.tolist())]
    made.append(Weights({"b1": np.array([1.0, 2.0]), "W_T1": a}))
    assert len(set(made)) == 1
    assert len({weights.text for weights in made}) == 1


def test_the_same_numbers_under_another_name_or_shape_are_other_weights():
    a = np.arange(6.0).reshape(2, 3)
    assert len({Weights({"W_T1": a}), Weights({"W_S1": a}), Weights({"W_T1": a.reshape(3, 2)}), Weights({"W_T2": a})}) == 4
    assert Table(["a"], [[1.0]]) != Table(["b"], [[1.0]])
    assert Table(["a", "b"], [[1.0, 2.0]]) != Table(["a"], [[1.0], [2.0]])
    assert Weights() == Weights({})
    assert Weights() != Table()


@given(weights_in_part(3), tables())
def test_own_values_can_be_pickled_and_are_read_only(weights, table):
    assert pickle.loads(pickle.dumps((weights, table))) == (weights, table)
    for value in [*weights.arrays.values(), table.numbers]:
        assert not value.flags.writeable
    with pytest.raises(TypeError):
        weights.arrays["b1"] = np.zeros(1)


@pytest.mark.parametrize(("arrays", "words"), [
    ({"W_T13": [[1.0]]}, "W_T13"),
    ({"weight_hh_l0": [[1.0]]}, "weight_hh_l0"),
    ({"W_T01": [[1.0]]}, "W_T01"),
    ({7: [[1.0]]}, "7"),
    ({"W_T1": [1.0, 2.0]}, "W_T1 has shape (2,)"),
    ({"b1": [[1.0]]}, "b1 has shape (1, 1)"),
    ({"b1": []}, "b1 has shape (0,)"),
    ({"W_T1": [[1.0, np.nan]]}, "W_T1 is nan at index (0, 1)"),
    ({"W_T1": [["x"]]}, "W_T1 must be an array of numbers"),
    ({"W_T1": [[1j]]}, "complex"),
    ({"W_S1": np.zeros((1, 513))}, "513"),
    ({f"W_T{l}": np.zeros((512, 512)) for l in range(1, 5)}, "1,048,576"),
])
def test_what_is_no_matrix_of_a_network_is_refused_by_its_name(arrays, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Weights(arrays)


@pytest.mark.parametrize(("names", "numbers", "words"), [
    (["a"], np.zeros((MAX_ROWS + 1, 1)), "10,001 rows"),
    (["a"] * 513, np.zeros((1, 513)), "513 columns"),
    (["a"] * 101, np.zeros((MAX_ROWS, 101)), f"{MOST_NUMBERS:,} numbers"),
    (["a"], [[np.inf]], "inf"),
    (["a", "b"], [[1.0]], "shape (1, 1)"),
    (["x" * 61], [[1.0]], "60 printable"),
    (["a\nb"], [[1.0]], "printable"),
    ([""], [[1.0]], "printable"),
    ([3], [[1.0]], "printable"),
])
def test_what_is_no_table_is_refused(names, numbers, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Table(names, numbers)


@pytest.mark.parametrize(("text", "words"), [
    ("W_T1", '"W_T1" must be a matrix such as'),
    ("W_T1:", 'W_T1, row 1, column 1 is ""'),
    ("W_T1:1,2;3", "W_T1, row 2 has 1 numbers; row 1 has 2"),
    ("W_T1:1,x;3,4", 'W_T1, row 1, column 2 is "x"; it must be a number'),
    ("W_T1:1e999", '"1e999"'),
    ("W_T1:nan", '"nan"'),
    ("W_T1:1_0", '"1_0"'),
    ("W_T1:0x10", '"0x10"'),
    ("W_T1:1/W_T1:2", "W_T1 is given twice"),
    ("b1:1;2", "b1 has 2 rows"),
    ("W_T0:1", '"W_T0:1"'),
    ("eval:1", '"eval:1"'),
])
def test_a_text_that_is_no_weights_is_refused_with_its_place(text, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_weights(text)


@pytest.mark.parametrize(("text", "words"), [
    ("a,b", "must be columns and rows"),
    ("a,b;1", "shape (1, 1)"),
    ("a;1;2,3", "row 2 has 2 numbers; row 1 has 1"),
    ("a;true", 'row 1, column 1 is "true"'),
    ("%00;1", "printable"),
    (";1", "printable"),
])
def test_a_text_that_is_no_table_is_refused_with_its_place(text, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_table(text)
