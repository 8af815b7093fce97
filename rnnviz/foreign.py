"""What a trained network's arrays are: the names that PyTorch, Keras and this package give them, and their shapes.

    z_t = W_S h_below_t + W_T h_{t-1} + b        o_t = W_out h_top_t + b_out

PyTorch has W_S and W_T as they stand here, and b in two parts; Keras multiplies from the other side, so that its
matrices are turned over. Every array of a file gets a role, or the reason why it has none. Nothing is guessed: what
could be understood in two ways is refused, or left out by name.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .own import LONGEST_NAME, MAX_DEPTH, MAX_SIDE, Weights, place


@dataclass(frozen=True, eq=False)
class Found:
    """A network found among arrays, from the input upwards.

    weights: every matrix under the house's names, W_S1 (n, n_below), W_T1 (n, n), b1 (n,), .., W_out, b_out; b and b_out
    are zeros where the file has none. roles: (name in the file, shape such as "16 × 3", role) of every array, in the
    order of the file. left_out: (name, why) of those without a role. remarks: plain sentences. cells: a name a layer, or
    None where the file does not say. stack: (width, recurrent) a layer; n_out: None without a readout.
    """

    weights: Weights
    roles: tuple
    left_out: tuple
    remarks: tuple
    cells: tuple | None
    stack: tuple
    n_in: int
    n_out: int | None


@dataclass(frozen=True)
class Part:
    """One array of a file that is W_S, W_T, b or h of a layer, or W_out or b_out, on its own or added to another.

    shape is as it is used; an array that is turned stands in the file the other way round.
    """

    name: str
    kind: str
    shape: tuple
    turned: bool = False

    def __str__(self):
        return f"{quoted(self.name)} ({shape_text(self.shape[::-1] if self.turned else self.shape)})"


@dataclass(frozen=True)
class Spelled:
    """A network as one spelling of names knows it: Parts of each layer, from the input upwards, and remarks."""

    layers: tuple
    remarks: tuple = ()


@dataclass(frozen=True)
class Head:
    """A matrix that may be the readout, its bias if there is one, and whether its name says so."""

    W: Part
    b: Part | None
    usual: bool

    @property
    def parts(self):
        return (self.W,) if self.b is None else (self.W, self.b)


def understand(arrays):
    """The one recurrent network that these named arrays are: a Found.

    arrays: {name: array of 0, 1 or 2 axes}. Known are PyTorch's nn.RNN and nn.RNNCell, Keras' SimpleRNN and the house's
    own names, each with an optional linear readout. Raises ValueError with one sentence on gated layers (LSTM, GRU), on
    layers that also read backwards, on projected states, on two networks, on shapes that do not fit together, on sides
    above 512 or more than 12 layers, and where nothing recurrent is found.
    """
    shapes = {name: np.shape(value) for name, value in arrays.items()}
    networks = [network for spelling in SPELLINGS for network in spelling(shapes)]
    if not networks:
        raise ValueError(nothing_recurrent(shapes))
    if len(networks) > 1:
        first, second = (network.layers[0][0] for network in networks[:2])
        raise ValueError(f"{quoted(first.name)} and {quoted(second.name)} belong to two networks; the file must hold one")
    layers = networks[0].layers
    widths = fitting(layers)
    used = {part.name for layer in layers for part in layer}
    head, why = readout({name: shape for name, shape in shapes.items() if name not in used}, layers[-1], widths[-1])
    understood = {name: words for l, layer in enumerate(layers, 1) for name, words in roles(layer, f" of layer {l}").items()}
    understood |= roles(head.parts if head else (), "")
    left_out = {name: why.get(name, unknown(shape)) for name, shape in shapes.items() if name not in understood}
    return Found(
        weights=gathered(arrays, layers, widths, head),
        roles=tuple((shown(name), shape_text(shape), understood.get(name) or f"not understood: {left_out[name]}")
                    for name, shape in shapes.items()),
        left_out=tuple((shown(name), why) for name, why in left_out.items()),
        remarks=networks[0].remarks + remarks(layers, head),
        cells=None,
        stack=tuple((n, of_kind(layer, "W_T") is not None) for n, layer in zip(widths, layers, strict=True)),
        n_in=of_kind(layers[0], "W_S").shape[1],
        n_out=head.W.shape[0] if head else None,
    )


def gathered(arrays, layers, widths, head):
    """The Weights: every array under its house name, turned if need be, parts of one b added up, zeros for a missing b."""
    made = {f"b{l}": np.zeros(n) for l, n in enumerate(widths, 1)}
    parts = [(part.kind + str(l), part) for l, layer in enumerate(layers, 1) for part in layer]
    if head:
        made["b_out"] = np.zeros(head.W.shape[0])
        parts += [(part.kind, part) for part in head.parts]
    with np.errstate(over="ignore"):  # a sum beyond the range is refused by Weights
        for name, part in parts:
            value = np.transpose(arrays[part.name]) if part.turned else arrays[part.name]
            made[name] = made[name] + value if name in made else value
    return Weights(made)


def remarks(layers, head):
    parts = [part for layer in layers for part in layer]
    biases = [sum(part.kind == "b" for part in layer) for layer in layers]
    said = (
        (max(biases) > 1, "bias_ih and bias_hh of a layer are added into its b."),
        (min(biases) == 0, "A layer without a bias in the file has b = 0."),
        (any(part.turned for part in parts), "Keras multiplies from the other side, so its matrices are transposed here."),
        (head is None, "There is no readout in the file: the output is the top layer's state."),
        (head is not None and head.b is None, "The readout has no bias in the file: b_out = 0."),
        (True, "The file does not say which cells the layers have, tanh or relu."),
    )
    return tuple(sentence for applies, sentence in said if applies)


def roles(parts, whose):
    """{name: what it is in words}: "W_T of layer 1, transposed"."""
    several = sum(part.kind == "b" for part in parts) > 1
    return {part.name: ("added into " if several and part.kind == "b" else "") + {"h": "h_0"}.get(part.kind, part.kind) + whose
            + (", transposed" if part.turned else "") for part in parts}


def unknown(shape):
    return "a single number" if shape == () else "its name is none of a plain recurrent layer or its readout"


# Shapes that fit together.


LACKS = {"W_S": "matrix for what comes from below (weight_ih, kernel or W_S)",
         "W_T": "matrix for what comes from the step before (weight_hh, recurrent_kernel or W_T)"}
GATED = {3: "three gates in one matrix, a GRU", 4: "four gates in one matrix, an LSTM"}


def of_kind(layer, kind):
    return next((part for part in layer if part.kind == kind), None)


def fitting(layers):
    """The width of every layer. Raises ValueError where an array has a wrong number of axes or does not fit another."""
    for part in (part for layer in layers for part in layer):
        check_axes(part)
    for W_T in filter(None, (of_kind(layer, "W_T") for layer in layers)):
        rows, columns = W_T.shape
        if rows != columns:
            gates = None if rows % columns else GATED.get(rows // columns)
            raise ValueError(f"{W_T} has " + (f"{gates}; only plain recurrent layers are read (nn.RNN, SimpleRNN)" if gates
                                              else "unequal sides; it must have as many rows as columns"))
    if len(layers) > MAX_DEPTH:
        raise ValueError(f"the network has {len(layers):,} layers; it may have {MAX_DEPTH}")
    widths = []
    for l, layer in enumerate(layers, 1):
        W_S, W_T = of_kind(layer, "W_S"), of_kind(layer, "W_T")
        if W_S is None:
            raise ValueError(f"layer {l} has {quoted(layer[0].name)}, but no {LACKS['W_S']}")
        for part in layer:
            check_sides(part)
        n = W_S.shape[0]
        for part in layer:
            if part.shape[0] != n:
                first = W_T if W_T and part is not W_T and W_T.shape[0] != part.shape[0] else W_S
                raise ValueError(f"{first} and {part} are of one layer, but of {first.shape[0]} and {part.shape[0]} units")
        if widths and W_S.shape[1] != widths[-1]:
            below = of_kind(layers[l - 2], "W_T") or of_kind(layers[l - 2], "W_S")
            raise ValueError(f"{W_S} of layer {l} reads {W_S.shape[1]} units; layer {l - 1} below, {below}, has {widths[-1]}")
        widths.append(n)
    return widths


def check_axes(part):
    axes = 2 if part.kind.startswith("W") else 1
    if len(part.shape) != axes or 0 in part.shape:
        raise ValueError(f"{part} must have {axes} {'axes' if axes > 1 else 'axis'} of at least 1, to be {part.kind}")


def check_sides(part):
    if max(part.shape) > MAX_SIDE:
        raise ValueError(f"{part} has a side of {max(part.shape):,}; a side may be up to {MAX_SIDE}")


# Spellings: {name: shape} to the networks that these names spell.


TORCH = re.compile(r"(.*[./])?(weight|bias)_(ih|hh|hr)(?:_l(0|[1-9][0-9]{0,3}))?(_reverse)?")
TORCH_KINDS = {("weight", "ih"): "W_S", ("weight", "hh"): "W_T", ("bias", "ih"): "b", ("bias", "hh"): "b"}


def torch(shapes):
    """nn.RNN's weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 and so on, nn.RNNCell's weight_ih, ..; any prefix."""
    networks = {}
    for name, shape in shapes.items():
        if not (found := TORCH.fullmatch(name)):
            continue
        prefix, what, side, l, backwards = found.groups()
        if backwards:
            raise ValueError(f"{quoted(name)} reads the sequence backwards; only networks that read it forwards are read")
        if side == "hr":
            raise ValueError(f"{quoted(name)} projects the state (proj_size); only plain recurrent layers are read (nn.RNN)")
        layer = networks.setdefault((prefix, l is None), {}).setdefault(int(l or 0) + 1, [])
        layer.append(Part(name, TORCH_KINDS[what, side], shape))
    for l, layer in ((l, layer) for layers in networks.values() for l, layer in layers.items()):
        for kind in LACKS:
            if not of_kind(layer, kind):
                raise ValueError(f"layer {l} has {quoted(layer[0].name)}, but no {LACKS[kind]}")
    return [from_below(layers) for layers in networks.values()]


KERAS = re.compile(r"(?:(.*)[./])?(kernel|recurrent_kernel|bias)(?::0)?")
KERAS_KINDS = {"kernel": "W_S", "recurrent_kernel": "W_T", "bias": "b"}


def keras(shapes):
    """SimpleRNN's kernel (n_below, n), recurrent_kernel (n, n) and bias, with the path of their layer before them.

    Layers stand in the order of the numbers in their paths, if that fits, or else in the order of the file.
    """
    groups = {}
    for name, shape in shapes.items():
        if found := KERAS.fullmatch(name):
            kind = KERAS_KINDS[found[2]]
            turned = kind != "b"
            groups.setdefault(found[1] or "", []).append(Part(name, kind, shape[::-1] if turned else shape, turned))
    networks = {}
    for path, parts in groups.items():
        if not of_kind(parts, "W_T"):
            continue
        first, last = parts[0], parts[-1]
        if "backward" in path or "bidirectional" in path:
            raise ValueError(f"{quoted(first.name)} is of a layer that reads both ways; only those that read forwards are read")
        if len({part.kind for part in parts}) < len(parts):
            raise ValueError(f"{quoted(first.name)} and {quoted(last.name)} are of one layer, which has something twice")
        steps = unnumbered(path)  # the last two are the layer and its cell
        networks.setdefault(tuple(steps[:-2]), {})[path] = tuple(parts)
    return [stacked(layers) for layers in networks.values()]


def stacked(layers):
    """The Spelled of {path: layer}, in the order that fits; what remains a matter of belief is said."""
    by_file = tuple(layers.values())
    by_number = tuple(layers[path] for path in sorted(layers, key=numbers_of))
    orders = [order for order in dict.fromkeys((by_number, by_file)) if chains(order)]
    said = ()
    if len(orders) > 1:
        said = ("The layers stand in the order of the numbers in their names; that of the file would fit too.",)
    elif len({tuple(unnumbered(path)) for path in layers}) > 1:
        said = ("The layers have different names; they are taken to stand on each other as shown.",)
    return Spelled(orders[0] if orders else by_number, said)


def unnumbered(path):
    """The steps of a path without their numbers: "a_1/b" has ["a", "b"]."""
    return [re.sub("_?[0-9]+$", "", step) for step in re.split("[./]", path)]


def numbers_of(path):
    """The number at the end of each step of a path, 0 where there is none: "a_1/b" has [1, 0]."""
    return [int("0" + re.search(r"[0-9]{0,9}$", step)[0]) for step in re.split("[./]", path)]


def chains(layers):
    """Whether every layer reads what the one below has."""
    ends = [(of_kind(layer, "W_S"), of_kind(layer, "W_T")) for layer in layers]
    return all(above and above.shape[1:] == W_T.shape[:1] for (_, W_T), (above, _) in pairwise(ends))


def house(shapes):
    """W_S1, W_T1, b1, h1 and so on upwards, where at least one layer has W_T."""
    layers = {}
    for name, shape in shapes.items():
        if (where := place(name)) and where[0] <= MAX_DEPTH:
            layers.setdefault(where[0], []).append(Part(name, ("W_S", "W_T", "b", "h")[where[1]], shape))
    if not any(of_kind(layer, "W_T") for layer in layers.values()):
        return []
    return [from_below(layers)]


def from_below(layers):
    """The Spelled of {layer, from 1: Parts}. Raises ValueError where a layer is missing."""
    order = sorted(layers)
    for due, l in enumerate(order, 1):
        if l != due:
            raise ValueError(f"{quoted(layers[l][0].name)} is of layer {l}, but there is nothing of layer {due}")
    return Spelled(tuple(tuple(layers[l]) for l in order))


SPELLINGS = (torch, keras, house)


def nothing_recurrent(shapes):
    """The sentence for a file without a recurrent layer: which names it has, and which would be understood."""
    some = ", ".join(f'"{shown(name, 30)}"' for name in list(shapes)[:3])
    more = f" and {len(shapes) - 3:,} more" if len(shapes) > 3 else ""
    return (f"the file holds {some or 'nothing'}{more}; a recurrent layer would be weight_ih_l0 and weight_hh_l0 (nn.RNN), "
            "kernel and recurrent_kernel (SimpleRNN), or W_S1 and W_T1")


# The readout.


HEAD = re.compile(r"((?:(.*)[./])?)(?:(weight)|(kernel)(?::0)?|(W_out))")
USUAL = {"fc", "linear", "lin", "out", "output", "head", "decoder", "readout", "classifier", "regressor", "dense", "proj",
         "projection", "predictor", "h2o", "ho", "fcout", "outputlayer", "hiddentooutput", "hiddentotag", "tooutput"}
ELSEWHERE = re.compile(r"emb|encod|token|norm|attn|attention")  # matrices that stand before or beside a network


def heads(shapes):
    """Every matrix whose name a readout may have: "fc.weight", "dense/kernel" (turned over), "W_out"."""
    found = []
    for name, shape in shapes.items():
        match = HEAD.fullmatch(name)
        if not match or len(shape) != 2:
            continue
        before, path, weight, kernel, own = match.groups()
        steps = [step for step in re.split("[./]", (path or "").lower()) if step and not step.isdigit()]
        last = re.sub("[0-9_]", "", steps[-1]) if steps else ""
        if (own and before) or (weight and not path) or ELSEWHERE.search(last):
            continue
        bias = "b_out" if own else name[:len(before)] + name[len(before):].replace(weight or kernel, "bias")
        turned = kernel is not None
        found.append(Head(Part(name, "W_out", shape[::-1] if turned else shape, turned),
                          Part(bias, "b_out", shapes[bias]) if bias in shapes else None,
                          own is not None or turned or last in USUAL))
    return found


def readout(shapes, top, width):
    """The Head of a network whose top layer has this width, or None, and {name: why} of those that were not taken.

    A usual name comes first; without one, the only matrix that fits. Raises ValueError where the only one with a usual
    name does not fit. Where several fit, or another matrix may stand after it, none is taken.
    """
    found = heads(shapes)
    usual = [head for head in found if head.usual]
    fits = [head for head in usual or found if head.W.shape[1] == width]
    if len(usual) == 1 and not fits:
        below = of_kind(top, "W_T") or of_kind(top, "W_S")
        raise ValueError(f"{usual[0].W} would read {usual[0].W.shape[1]} units; the top layer, {below}, has {width}")
    if len(fits) != 1:
        why = "several matrices could be the readout" if fits else f"it does not read the {width} units of the top layer"
        return None, {part.name: why for head in fits or found for part in head.parts}
    head = fits[0]
    after = next((other for other in found if other is not head and other.W.shape[1] == head.W.shape[0]), None)
    if after:
        why = "the readout seems to have several layers; one matrix is read"
        return None, {part.name: why for part in head.parts + after.parts}
    for part in head.parts:
        check_axes(part)
        check_sides(part)
    if head.b and head.b.shape != head.W.shape[:1]:
        raise ValueError(f"{head.W} and {head.b} are one readout, but of {head.W.shape[0]} and {head.b.shape[0]} outputs")
    return head, {}


# Names as they may be shown.


def shown(name, longest=LONGEST_NAME):
    """A name from a file: up to 60 printable characters, the end of it if it is longer."""
    text = name if len(name) <= longest else "…" + name[1 - longest:]
    return "".join(c if c.isprintable() else "?" for c in text)


def quoted(name):
    return f'"{shown(name)}"'


def shape_text(shape):
    return " × ".join(f"{side:,}" for side in shape) if shape else "one number"
