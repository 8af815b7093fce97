"""Networks that were trained elsewhere: found among named arrays, run here, and compared with the gradients of their makers.

Tolerance of gradients: two programs that add up in different orders, in float64, over 9 to 12 steps; 1e-10 of the largest
entry.
"""

import json
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import hostile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.bptt import backward, forward
from rnnviz.foreign import understand
from rnnviz.formats import read_arrays
from rnnviz.network import Layer, Network
from rnnviz.own import Weights
from rnnviz.tasks import Sequence

pytestmark = pytest.mark.filterwarnings("error")

FROZEN = Path(__file__).parent / "frozen"
TOLERANCE = 1e-10


def built(found, h_0=None, cell="tanh"):
    """The Network of what was found, with these states before the first step."""
    own = found.weights.arrays
    layers = [Layer(own[f"W_S{l}"], own.get(f"W_T{l}"), own[f"b{l}"], cell, own.get(f"h{l}") if h_0 is None else h_0[l - 1])
              for l in range(1, len(found.stack) + 1)]
    return Network(layers, own.get("W_out"), own.get("b_out"))


def close(found, expected):
    expected = np.asarray(expected)
    assert np.shape(found) == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def agree(found, said, cell="tanh"):
    """Outputs, loss and every gradient of what was found are those that its maker said."""
    network = built(found, said["h_0"], cell)
    seq = Sequence(said["x"], said["target"], np.ones(len(said["x"]), bool))
    trace = forward(network, seq)
    close(trace.y, said["y"])
    close(trace.C, said["loss"])
    sent = backward(network, seq, trace)
    for name in ("dW_S", "dW_T", "db", "dh_0"):
        for ours, theirs in zip(getattr(sent, name), said[name], strict=True):
            close(ours, theirs)
    for name in ("dx", "dW_out", "db_out"):
        close(getattr(sent, name), said[name])


# What PyTorch and Keras trained, frozen by frozen/make.py: neither is needed here.


@pytest.mark.parametrize("file", ["torch.npz", "torch.safetensors", "torch.json", "keras.npz"])
def test_a_trained_network_from_a_file_has_the_gradients_that_its_maker_computed(file):
    kind = file.split(".")[1]
    found = understand(read_arrays((FROZEN / file).read_bytes(), kind))
    agree(found, json.loads((FROZEN / f"{file.split('.')[0]}.gradients.json").read_text()))


def test_the_three_files_of_one_trained_network_hold_the_same_weights():
    files = [understand(read_arrays((FROZEN / f"torch.{kind}").read_bytes(), kind)) for kind in hostile.KINDS]
    assert files[0].weights == files[1].weights == files[2].weights


def test_everything_in_a_file_of_pytorch_is_told():
    found = understand(read_arrays((FROZEN / "torch.npz").read_bytes(), "npz"))
    assert found.roles == (
        ("rnn.weight_ih_l0", "5 × 3", "W_S of layer 1"),
        ("rnn.weight_hh_l0", "5 × 5", "W_T of layer 1"),
        ("rnn.bias_ih_l0", "5", "added into b of layer 1"),
        ("rnn.bias_hh_l0", "5", "added into b of layer 1"),
        ("rnn.weight_ih_l1", "5 × 5", "W_S of layer 2"),
        ("rnn.weight_hh_l1", "5 × 5", "W_T of layer 2"),
        ("rnn.bias_ih_l1", "5", "added into b of layer 2"),
        ("rnn.bias_hh_l1", "5", "added into b of layer 2"),
        ("fc.weight", "2 × 5", "W_out"),
        ("fc.bias", "2", "b_out"),
    )
    assert found.left_out == ()
    assert found.remarks == ("bias_ih and bias_hh of a layer are added into its b.",)
    assert (found.stack, found.n_in, found.n_out) == (((5, True), (5, True)), 3, 2)


def test_roles_are_told_from_the_input_upwards_whatever_the_order_of_the_file():
    inside = ("W_S of layer {}", "W_T of layer {}", "added into b of layer {}", "added into b of layer {}")
    arrays = read_arrays((FROZEN / "torch.safetensors").read_bytes(), "safetensors")
    assert list(arrays)[0] == "fc.bias"
    for names in (list(arrays), list(arrays)[::-1]):
        found = understand({"stray": np.ones(2)} | {name: arrays[name] for name in names})
        assert [role for _, _, role in found.roles] == [
            *(role.format(1) for role in inside), *(role.format(2) for role in inside), "W_out", "b_out",
            "not understood: its name is none of a plain recurrent layer or its readout"]
    found = understand(ones(h1=(3,), b1=(3,), W_T1=(3, 3), W_S1=(3, 2)))
    assert [name for name, _, _ in found.roles] == ["W_S1", "W_T1", "b1", "h1"]


def test_everything_in_a_file_of_keras_is_told():
    found = understand(read_arrays((FROZEN / "keras.npz").read_bytes(), "npz"))
    assert [role for _, _, role in found.roles] == [
        "W_S of layer 1, transposed", "W_T of layer 1, transposed", "b of layer 1", "W_S of layer 2, transposed",
        "W_T of layer 2, transposed", "b of layer 2", "W_out, transposed", "b_out"]
    assert (found.stack, found.n_in, found.n_out) == (((5, True), (4, True)), 3, 2)
    assert found.remarks[0] == "Keras multiplies from the other side, so its matrices are transposed here."


@pytest.mark.parametrize("kind", hostile.KINDS)
@pytest.mark.parametrize(("cell", "depth"), [("tanh", 2), ("relu", 3)])
def test_what_torch_writes_today_has_the_gradients_that_torch_computes(kind, cell, depth):
    torch = pytest.importorskip("torch")
    f32, f64 = {"dtype": torch.float32}, {"dtype": torch.float64}
    torch.manual_seed(depth)
    rnn, fc = torch.nn.RNN(4, 6, depth, nonlinearity=cell, **f32), torch.nn.Linear(6, 2, **f32)
    model = torch.nn.ModuleDict({"encoder": rnn, "fc": fc})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(5):
        optimizer.zero_grad()
        fc(rnn(torch.randn(20, 4, **f32))[0]).square().sum().backward()
        optimizer.step()
    state = model.state_dict()
    if kind == "safetensors":
        data = pytest.importorskip("safetensors.torch").save(state)
    elif kind == "npz":
        file = BytesIO()
        np.savez(file, **{name: value.numpy() for name, value in state.items()})
        data = file.getvalue()
    else:
        data = json.dumps({name: value.tolist() for name, value in state.items()}).encode()

    model = model.double()
    model.zero_grad()
    x, h_0 = torch.randn(12, 4, **f64).requires_grad_(), torch.randn(depth, 6, **f64).requires_grad_()
    target = torch.randn(12, 2, **f64)
    y = fc(rnn(x, h_0)[0])
    loss = 0.5 * (y - target).square().sum()
    loss.backward()
    per_layer = {"dW_S": "weight_ih", "dW_T": "weight_hh", "db": "bias_ih"}
    said = {"x": x, "target": target, "y": y, "loss": loss, "dx": x.grad, "dW_out": fc.weight.grad, "db_out": fc.bias.grad,
            "h_0": h_0, "dh_0": h_0.grad}
    said = {name: value.detach().numpy() for name, value in said.items()}
    said |= {name: [getattr(rnn, f"{theirs}_l{l}").grad.numpy() for l in range(depth)] for name, theirs in per_layer.items()}
    found = understand(read_arrays(data, kind))
    assert found.stack == ((6, True),) * depth
    agree(found, said, cell)


# Spellings: one network under every name it may have.


@st.composite
def networks(draw):
    """Widths, n_in, n_out or None, whether there are biases, a random generator."""
    return SimpleNamespace(widths=draw(st.lists(st.integers(1, 7), min_size=1, max_size=4)), n_in=draw(st.integers(1, 7)),
                           n_out=draw(st.none() | st.integers(1, 7)), biased=draw(st.booleans()),
                           rng=np.random.default_rng(draw(st.integers(0, 2**32 - 1))))


def weights(of):
    """Such a network as Weights."""
    made, below = {}, of.n_in
    for l, n in enumerate(of.widths, 1):
        made |= {f"W_S{l}": of.rng.standard_normal((n, below)), f"W_T{l}": of.rng.standard_normal((n, n)),
                 f"b{l}": of.rng.standard_normal(n) if of.biased else np.zeros(n)}
        below = n
    if of.n_out:
        made |= {"W_out": of.rng.standard_normal((of.n_out, below)),
                 "b_out": of.rng.standard_normal(of.n_out) if of.biased else np.zeros(of.n_out)}
    return Weights(made)


def as_torch(own, of, prefix="rnn.", head="fc."):
    made = {}
    for l in range(1, len(of.widths) + 1):
        end = f"_l{l - 1}"
        made |= {f"{prefix}weight_ih{end}": own[f"W_S{l}"], f"{prefix}weight_hh{end}": own[f"W_T{l}"]}
        if of.biased:
            part = np.round(own[f"b{l}"])  # so that the two parts add up to the last bit
            made |= {f"{prefix}bias_ih{end}": part, f"{prefix}bias_hh{end}": own[f"b{l}"] - part}
    return made | after(own, of, f"{head}weight", f"{head}bias", lambda W: W)


def as_keras(own, of, path="sequential/simple_rnn{}/simple_rnn_cell/", head="sequential/dense/", end="", first=0):
    made = {}
    for l in range(1, len(of.widths) + 1):
        number = first + l - 1
        before = path.format(f"_{number}" if number else "")
        made |= {f"{before}kernel{end}": own[f"W_S{l}"].T, f"{before}recurrent_kernel{end}": own[f"W_T{l}"].T}
        if of.biased:
            made[f"{before}bias{end}"] = own[f"b{l}"]
    return made | after(own, of, f"{head}kernel{end}", f"{head}bias{end}", np.transpose)


def after(own, of, W, b, turn):
    if not of.n_out:
        return {}
    return {W: turn(own["W_out"])} | ({b: own["b_out"]} if of.biased else {})


SPELLINGS = {
    "nn.RNN": as_torch,
    "nn.RNN alone": lambda own, of: as_torch(own, of, ""),
    "nn.RNN far down": lambda own, of: as_torch(own, of, "module.model_2.encoder.rnn.", "module.h2o."),
    "a readout in a list": lambda own, of: as_torch(own, of, head="classifier.0."),
    "a readout by another name": lambda own, of: as_torch(own, of, head="m.output_layer_2."),
    "nn.RNNCell": lambda own, of: {name.replace("_l0", ""): value for name, value in as_torch(own, of, "cell.").items()},
    "Keras 3": as_keras,
    "Keras 2": lambda own, of: as_keras(own, of, "simple_rnn{0}/simple_rnn_cell{0}/", "dense/", ":0"),
    "Keras with dots": lambda own, of: as_keras(own, of, "simple_rnn{}.simple_rnn_cell.", "dense."),
    "Keras' stacked cells": lambda own, of: as_keras(own, of, "rnn/stacked_rnn_cells/simple_rnn_cell{}/", "outer/output/"),
    "Keras after many others": lambda own, of: as_keras(own, of, "sequential_7/simple_rnn{}/simple_rnn_cell/", first=8),
    "the house's own": lambda own, of: {name: value for name, value in own.items() if of.biased or name.startswith("W")},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(of=networks())
def test_a_network_is_the_same_under_every_spelling_with_its_layers_in_every_order(spelling, of):
    of.widths = of.widths[:1] if spelling == "nn.RNNCell" else of.widths
    own = weights(of)
    spelled = SPELLINGS[spelling](own.arrays, of)
    names = list(spelled)
    inside = len(names) - (1 + of.biased if of.n_out else 0)  # the readout stands last
    names = [*of.rng.permutation(names[:inside]).tolist(), *names[inside:]]
    if names == sorted(names):  # the order of such a file says nothing of a readout
        names = names[1::-1] + names[2:]
    found = understand({name: spelled[name] for name in names})
    assert found.stack == tuple((n, True) for n in of.widths)
    assert (found.n_in, found.n_out, found.left_out) == (of.n_in, of.n_out, ())
    assert sorted(name for name, _, _ in found.roles) == sorted(names)
    if spelling.startswith("nn") or "readout" in spelling:
        for name, value in own.arrays.items():  # b in two parts may round in its last bit
            np.testing.assert_allclose(found.weights.arrays[name], value, rtol=1e-15, atol=1e-16)
    else:
        assert found.weights == own
    built(found)


def ones(**shapes):
    return {name.replace("__", "."): np.ones(shape) for name, shape in shapes.items()}


RNN = ones(rnn__weight_ih_l0=(4, 2), rnn__weight_hh_l0=(4, 4))


def keras(path, n_below, n, gates=1):
    return {f"{path}/kernel": np.ones((n_below, gates * n)), f"{path}/recurrent_kernel": np.ones((n, gates * n))}


def house(depth):
    return ones(**{f"{kind}{l}": (2, 2) for l in range(1, depth + 1) for kind in ("W_S", "W_T")})


def test_keras_layers_stand_in_the_order_that_fits():
    found = understand(keras("b", 3, 5) | keras("a", 5, 2))  # the file's, as no name has a number
    assert found.stack == ((5, True), (2, True))
    assert found.remarks[0] == STAND.format('"b", "a"')
    found = understand(keras("rnn_10", 5, 2) | keras("rnn_9", 3, 5))
    assert found.stack == ((5, True), (2, True))
    assert not any("stand on" in remark for remark in found.remarks)  # no other order would fit
    found = understand(keras("rnn_64", 3, 5) | keras("rnn_32", 5, 2))  # its numbers are widths: only the file's order fits
    assert found.stack == ((5, True), (2, True))
    found = understand(keras("rnn_2", 5, 2) | keras("rnn_1", 2, 5))  # both would fit
    assert found.stack == ((5, True), (2, True))
    assert found.remarks[0] == STAND.format('"rnn_1", "rnn_2"')


STAND = "The layers are taken to stand on each other, in this order: {}."


@pytest.mark.parametrize(("shapes", "free"), [
    ([(4, 4), (4, 4)], True), ([(3, 4), (4, 4)], False), ([(3, 4), (4, 4), (4, 4)], True), ([(3, 4), (4, 5), (5, 3)], True),
    ([(3, 4), (4, 5), (5, 2)], False), ([(3, 3), (3, 2)], False), ([(3, 2), (2, 3), (3, 5)], False),
    ([(3, 2), (2, 3), (3, 5), (5, 3)], True), ([(2, 2)], False), ([(2, 2)] * 12, True),
])
def test_an_order_of_layers_that_widths_do_not_force_is_said(shapes, free):
    paths = [f"m/simple_rnn_{k}" for k in range(len(shapes))]
    found = understand({name: value for path, sides in zip(paths, shapes, strict=True)
                        for name, value in keras(path, *sides).items()})
    said = STAND.format(", ".join(f'"{path}"' for path in paths))
    assert (said in found.remarks) == free
    assert any("stand on" in remark for remark in found.remarks) == free


def test_layers_of_two_names_are_said_to_stand_on_each_other_in_the_order_of_the_file():
    found = understand(keras("m.decoder", 4, 4) | keras("m.encoder", 4, 4))
    assert found.remarks[0] == STAND.format('"m.decoder", "m.encoder"')


def test_layers_of_ours_may_lack_a_way_through_time_and_bring_their_first_state():
    found = understand(ones(W_S1=(4, 2), W_S2=(3, 4), W_T2=(3, 3), h2=(3,)))
    assert found.stack == ((4, False), (3, True))
    assert found.roles[3] == ("h2", "3", "h_0 of layer 2")
    assert list(found.weights.arrays) == ["W_S1", "b1", "W_S2", "W_T2", "b2", "h2"]
    assert built(found).layers[1].h_0.tolist() == [1, 1, 1]


def test_a_bias_that_the_file_does_not_have_is_zero_and_said_to_be():
    found = understand(RNN | ones(fc__weight=(1, 4)))
    assert found.weights.arrays["b1"].tolist() == [0] * 4
    assert found.weights.arrays["b_out"].tolist() == [0]
    assert "A layer without a bias in the file has b = 0." in found.remarks
    assert "The readout has no bias in the file: b_out = 0." in found.remarks


STRANGE = "its name is none of a plain recurrent layer or its readout"
NAMELESS = 'its name is none of a readout; if it is one, name it "readout.weight"'
FEEDS = "it does not read the 4 units of the top layer, but may stand before layer 1"


@pytest.mark.parametrize(("more", "left_out"), [
    ({}, {}),
    (ones(norm__num_batches_tracked=()), {"norm.num_batches_tracked": "a single number"}),
    (ones(norm__weight=(4,)), {"norm.weight": STRANGE}),
    (ones(embedding__weight=(900, 4)), {"embedding.weight": STRANGE}),
    (ones(encoder__weight=(900, 4)), {"encoder.weight": STRANGE}),
    *((ones(**{f"{name}__weight": shape}), {f"{name}.weight": NAMELESS}) for name, shape in (
        ("wte", (65, 4)), ("pre", (4, 4)), ("input", (4, 4)), ("skip", (4, 4)), ("price", (2, 4)), ("head_size", (2, 4)),
        ("2", (2, 4)))),
    (ones(price__weight=(2, 4), price__bias=(2,), size__weight=(3, 4)),
     {"price.weight": NAMELESS, "price.bias": NAMELESS.replace("weight", "bias"), "size.weight": NAMELESS}),
    ({"price/kernel:0": np.ones((4, 2))}, {"price/kernel:0": NAMELESS.replace(".weight", "/kernel:0")}),
    (ones(attn__out=(4, 4), attn__out__weight=(4, 4)), dict.fromkeys(("attn.out", "attn.out.weight"), STRANGE)),
    (ones(out__weight=(2, 4), head__weight=(3, 4)),
     dict.fromkeys(("out.weight", "head.weight"), "several matrices could be the readout")),
    (ones(fc1__weight=(8, 4), fc1__bias=(8,), fc2__weight=(3, 8)),
     dict.fromkeys(("fc1.weight", "fc1.bias", "fc2.weight"), "the readout seems to have several layers; one matrix is read")),
    (ones(fc1__weight=(8, 4), fc1__bias=(8,), fc2__weight=(2, 8)),  # as wide as the input, and still the readout's second
     dict.fromkeys(("fc1.weight", "fc1.bias", "fc2.weight"), "the readout seems to have several layers; one matrix is read")),
    (ones(price__weight=(2, 7)), {"price.weight": STRANGE}),
    (ones(fc__weight=(3, 9), linear__weight=(9, 7)),
     dict.fromkeys(("fc.weight", "linear.weight"), "it does not read the 4 units of the top layer")),
    (ones(linear__weight=(2, 9), linear__bias=(2,)), dict.fromkeys(("linear.weight", "linear.bias"), FEEDS)),
    (ones(fc1__weight=(9, 7), fc2__weight=(2, 9)),
     {"fc1.weight": "it does not read the 4 units of the top layer", "fc2.weight": FEEDS}),
    ({"a\u202eb" + "c" * 80: np.ones(1)},
     {"…" + "c" * 59: STRANGE}),
])
def test_what_is_not_understood_is_left_out_by_name_and_reason(more, left_out):
    found = understand(RNN | more)
    assert dict(found.left_out) == left_out
    assert [(name, role) for name, _, role in found.roles[2:]] == [(name, f"not understood: {why}")
                                                                   for name, why in left_out.items()]
    assert found.n_out is None
    assert "There is no readout in the file: the output is the top layer's state." in found.remarks


def test_a_readout_with_a_usual_name_comes_before_one_that_only_fits():
    found = understand(RNN | ones(price__weight=(2, 4), fc__weight=(3, 4)))
    assert found.n_out == 3
    assert [name for name, _ in found.left_out] == ["price.weight"]


SQUARE = ones(rnn__weight_ih_l0=(4, 4), rnn__weight_hh_l0=(4, 4))
MAY_FEED = 'it may as well stand before layer 1; if it is the readout, name it "readout.weight"'


@pytest.mark.parametrize("name", ["fc", "linear", "proj", "input.proj", "readout"])
def test_a_matrix_that_may_stand_before_the_layers_is_the_readout_only_if_it_follows_them_or_is_named_so(name):
    one = {f"{name}.weight": np.ones((4, 4))}
    assert understand(SQUARE | one).n_out == 4
    before = understand(one | SQUARE)
    by_name = understand(dict(sorted((one | SQUARE).items())))  # as a .safetensors file
    after_by_name = understand({"e.weight_hh": np.ones((4, 4)), "e.weight_ih": np.ones((4, 4))} | one)
    if name == "readout":
        assert before.n_out == by_name.n_out == after_by_name.n_out == 4
    else:
        assert dict(before.left_out) == dict(by_name.left_out) == dict(after_by_name.left_out) == {f"{name}.weight": MAY_FEED}


def test_a_readout_as_wide_as_the_input_is_taken_from_a_sorted_file_with_a_remark_and_left_out_where_it_comes_first():
    fc = ones(fc__weight=(2, 4))
    assert not any("fc.weight" in remark for remark in understand(RNN | fc).remarks)
    found = understand(dict(sorted((RNN | fc).items())))
    assert found.n_out == 2
    assert found.remarks[-1] == '"fc.weight" is taken to be the readout; its shape would also fit before layer 1.'
    assert dict(understand(fc | RNN).left_out) == {"fc.weight": MAY_FEED}


def test_what_feeds_the_layers_does_not_stand_in_the_way_of_the_readout():
    found = understand(ones(pre__weight=(2, 3)) | RNN | ones(fc__weight=(3, 4)))
    assert (found.n_out, [name for name, _ in found.left_out]) == (3, ["pre.weight"])
    found = understand({"dense/kernel": np.ones((4, 3))} | keras("simple_rnn", 3, 4) | {"dense_1/kernel": np.ones((4, 2))})
    assert (found.n_out, [name for name, _ in found.left_out]) == (2, ["dense/kernel"])


def test_a_dense_layer_that_may_stand_between_two_of_keras_is_not_the_readout():
    one = {"dense/kernel": np.ones((4, 4))}
    layers = keras("simple_rnn", 3, 4) | keras("simple_rnn_1", 4, 4)
    assert understand(layers | one).n_out == 4
    found = understand(dict(sorted((layers | one).items())))
    assert dict(found.left_out) == {
        "dense/kernel": 'it may as well stand between two layers; if it is the readout, name it "readout/kernel"'}


@pytest.mark.parametrize("other", ["head.weight", "fc.weight", "W.weight", "decoder/kernel"])
def test_the_readout_of_our_own_name_comes_before_every_other(other):
    for arrays in (ones(W_S1=(4, 4), W_T1=(4, 4), W_out=(2, 4)), RNN | ones(W_out=(2, 4))):
        for found in (understand(arrays | {other: np.ones((4, 4))}), understand({other: np.ones((4, 4))} | arrays)):
            assert (found.n_out, dict(found.left_out)) == (2, {other: "W_out is the readout"})


NONE = ("; a recurrent layer would be weight_ih_l0 and weight_hh_l0 (nn.RNN), kernel and recurrent_kernel (SimpleRNN), "
        "or W_S1 and W_T1")
PLAIN = "; only plain recurrent layers are read (nn.RNN, SimpleRNN)"
TWO = " belong to two networks; the file must hold one"
BELOW = ", but no matrix for what comes from below (weight_ih, kernel or W_S)"
BEFORE = ", but no matrix for what comes from the step before (weight_hh, recurrent_kernel or W_T)"
BETWEEN = ", of a Dense layer, stands between two recurrent ones; networks here have none there"
BOTH_WAYS = "bidirectional/backward_simple_rnn/simple_rnn_cell"


@pytest.mark.parametrize(("arrays", "sentence"), [
    ({}, "the file holds nothing" + NONE),
    (ones(conv1__weight=(3, 3), a=(1,), b=(1,), c=(1,)), 'the file holds "conv1.weight", "a", "b" and 1 more' + NONE),
    (ones(W_S1=(3, 3), W_out=(1, 3)), 'the file holds "W_S1", "W_out"' + NONE),
    (ones(weight_ih_l0=(64, 3), weight_hh_l0=(64, 16)),
     '"weight_hh_l0" (64 × 16) has four gates in one matrix, an LSTM' + PLAIN),
    (ones(weight_ih=(48, 3), weight_hh=(48, 16)), '"weight_hh" (48 × 16) has three gates in one matrix, a GRU' + PLAIN),
    (keras("lstm", 3, 4, 4), '"lstm/recurrent_kernel" (4 × 16) has four gates in one matrix, an LSTM' + PLAIN),
    (keras("gru", 3, 4, 3), '"gru/recurrent_kernel" (4 × 12) has three gates in one matrix, a GRU' + PLAIN),
    (ones(weight_ih_l0=(4, 3), weight_hh_l0=(4, 5)),
     '"weight_hh_l0" (4 × 5) has unequal sides; it must have as many rows as columns'),
    (RNN | ones(rnn__weight_ih_l0_reverse=(4, 2)),
     '"rnn.weight_ih_l0_reverse" reads the sequence backwards; only networks that read it forwards are read'),
    (keras(BOTH_WAYS, 3, 4),
     f'"{BOTH_WAYS}/kernel" is of a layer that reads both ways; only those that read forwards are read'),
    (RNN | ones(rnn__weight_hr_l0=(2, 4)),
     '"rnn.weight_hr_l0" projects the state (proj_size); only plain recurrent layers are read (nn.RNN)'),
    (RNN | ones(rnn2__weight_ih_l0=(4, 2), rnn2__weight_hh_l0=(4, 4)), '"rnn.weight_ih_l0" and "rnn2.weight_ih_l0"' + TWO),
    (RNN | keras("simple_rnn", 3, 4), '"rnn.weight_ih_l0" and "simple_rnn/kernel"' + TWO),
    (keras("encoder/simple_rnn/cell", 4, 4) | keras("decoder/simple_rnn/cell", 4, 4),
     '"encoder/simple_rnn/cell/kernel" and "decoder/simple_rnn/cell/kernel"' + TWO),
    (RNN | ones(rnn__weight_ih_l1=(4, 5), rnn__weight_hh_l1=(4, 4)),
     '"rnn.weight_ih_l1" (4 × 5) of layer 2 reads 5 units; layer 1 below, "rnn.weight_hh_l0" (4 × 4), has 4'),
    (keras("a_1", 3, 4) | keras("a_2", 5, 4),
     '"a_2/kernel" (5 × 4) of layer 2 reads 5 units; layer 1 below, "a_1/recurrent_kernel" (4 × 4), has 4'),
    (ones(weight_ih_l0=(3, 2), weight_hh_l0=(4, 4)),
     '"weight_ih_l0" (3 × 2) and "weight_hh_l0" (4 × 4) are of one layer, but of 3 and 4 units'),
    (RNN | ones(rnn__bias_ih_l0=(3,)),
     '"rnn.weight_hh_l0" (4 × 4) and "rnn.bias_ih_l0" (3) are of one layer, but of 4 and 3 units'),
    (RNN | ones(rnn__bias_ih_l0=(4, 1)), '"rnn.bias_ih_l0" (4 × 1) must have 1 axis of at least 1, to be b'),
    (RNN | ones(rnn__weight_ih_l1=(), rnn__weight_hh_l1=(4, 4)),
     '"rnn.weight_ih_l1" (one number) must have 2 axes of at least 1, to be W_S'),
    (RNN | ones(rnn__weight_ih_l2=(4, 4), rnn__weight_hh_l2=(4, 4)),
     '"rnn.weight_ih_l2" is of layer 3, but there is nothing of layer 2'),
    (keras("a", 3, 4) | {"d/kernel": np.ones((4, 4))} | keras("b", 4, 4), '"d/kernel" (4 × 4)' + BETWEEN),
    (keras("a", 3, 4) | {"head/kernel": np.ones((4, 2))} | keras("b", 2, 4), '"head/kernel" (4 × 2)' + BETWEEN),
    (house(13), "the network has 13 layers; it may have 12"),
    (house(100), "the network has 100 layers; it may have 12"),
    (ones(W_S1=(4, 2), W_T1=(4, 4), W_T13=(4, 4)), '"W_T13" is of layer 13, but there is nothing of layer 2'),
    (ones(W_S0=(4, 2), W_T0=(4, 4), W_S1=(4, 4), W_T1=(4, 4)),
     '"W_S0" is of layer 0; layers are counted from 1, as in W_S1 and W_T1'),
    (ones(W_S1=(4, 2), W_T1=(4, 4), W_out=(2, 5)), '"W_out" (2 × 5) would read 5 units; the top layer, "W_T1" (4 × 4), has 4'),
    (ones(W_S1=(4, 2), W_T1=(4, 4), W_out=(4,)), '"W_out" (4) must have 2 axes of at least 1, to be W_out'),
    (ones(W_S1=(4, 2), W_T3=(4, 4)), '"W_T3" is of layer 3, but there is nothing of layer 2'),
    (ones(weight_hh_l0=(4, 4)), 'layer 1 has "weight_hh_l0"' + BELOW),
    (ones(weight_ih_l0=(4, 4)), 'layer 1 has "weight_ih_l0"' + BEFORE),
    (ones(W_T1=(4, 4)), 'layer 1 has "W_T1"' + BELOW),
    ({"a/recurrent_kernel": np.ones((4, 4))}, 'layer 1 has "a/recurrent_kernel"' + BELOW),
    (keras("a", 2, 4) | {"a/kernel:0": np.ones((2, 4))},
     '"a/kernel" and "a/kernel:0" are of one layer, which has something twice'),
    (ones(weight_ih_l0=(513, 2), weight_hh_l0=(513, 513)),
     '"weight_ih_l0" (513 × 2) has a side of 513; a side may be up to 512'),
    (RNN | ones(fc__weight=(900, 4)), '"fc.weight" (900 × 4) has a side of 900; a side may be up to 512'),
    (RNN | ones(fc__weight=(3, 5)), '"fc.weight" (3 × 5) would read 5 units; the top layer, "rnn.weight_hh_l0" (4 × 4), has 4'),
    (RNN | ones(fc__weight=(2, 4), fc__bias=(3,)),
     '"fc.weight" (2 × 4) and "fc.bias" (3) are one readout, but of 2 and 3 outputs'),
    (dict(pair for l in range(13) for pair in ones(**{f"weight_ih_l{l}": (2, 2), f"weight_hh_l{l}": (2, 2)}).items()),
     "the network has 13 layers; it may have 12"),
    ({name: 1e308 * value for name, value in (RNN | ones(rnn__bias_ih_l0=(4,), rnn__bias_hh_l0=(4,))).items()},
     "b1 is inf at index (0,); every entry must be a finite number"),
])
def test_a_refusal_names_the_arrays_what_they_were_and_what_they_may_be(arrays, sentence):
    with pytest.raises(ValueError) as caught:
        understand(arrays)
    assert str(caught.value) == sentence
    assert not hostile.not_plain(sentence)


POOL = ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0", "rnn.weight_ih_l1", "rnn.weight_hh_l1",
        "weight_ih", "weight_hh", "rnn.weight_hr_l0", "rnn.weight_hh_l99999", "a/kernel", "a/recurrent_kernel", "a/bias",
        "b_1/kernel", "b_1/recurrent_kernel", "linear.weight", "c/kernel", "W_T13", "W_S0",
        "kernel", "recurrent_kernel", "bias", "dense/kernel:0", "fc.weight", "fc.bias",
        "fc2.weight", "weight", "W_S1", "W_T1", "b1", "h1", "W_S2", "W_out", "b_out", "x.W_out", "", ".", "/", "\ud800",
        "\n.weight_ih_l0", "é" * 200]
SHAPES = [(), (0,), (1,), (2,), (2, 2), (1, 2), (2, 1), (8, 2), (6, 2), (0, 2), (513, 2), (2, 2, 2)]


@given(st.dictionaries(st.sampled_from(POOL), st.sampled_from(SHAPES), max_size=8))
def test_any_names_and_shapes_are_a_network_or_refused_in_a_plain_sentence(shapes):
    try:
        found, sentence = understand(ones(**shapes)), None
    except ValueError as problem:
        found, sentence = None, str(problem)
    if found is None:
        assert not hostile.not_plain(sentence), sentence
    else:
        assert len(found.roles) == len(shapes)
        assert built(found).widths == tuple(n for n, _ in found.stack)
