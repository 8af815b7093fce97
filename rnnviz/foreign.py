"""What a trained network's arrays are: the names that PyTorch, Keras and this package give them, and their shapes.

    z_t = W_S h_below_t + W_T h_{t-1} + b        o_t = W_out h_top_t + b_out

PyTorch has W_S and W_T as they stand here, and b in two parts; Keras multiplies from the other side, so that its
matrices are turned over. Every array of a file gets a role, or the reason why it has none. What could be understood in
two ways is refused, left out by name, or said in a remark.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .own import MAX_DEPTH, MAX_SIDE, Weights
from .values import named, quoted, shape_text


@dataclass(frozen=True, eq=False)
class Found:
    """A network found among arrays, from the input upwards.

    weights: every matrix under the house's names, W_S1 (n, n_below), W_T1 (n, n), b1 (n,), .., W_out, b_out; b and b_out
    are zeros where the file has none. roles: (name in the file, shape such as "16 × 3", role) of every array: W_S, W_T, b
    and h_0 of each layer, the readout, then what has none. left_out: (name, why) of those without a role. remarks: plain
    sentences. stack: (width, recurrent) a layer (no file says its cell); n_out: None
    without a readout.
    """

    weights: Weights
    roles: tuple
    left_out: tuple
    remarks: tuple
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
    """A matrix that may be the readout, its bias if there is one, and what its name says.

    says: "own" for W_out, "readout" for a name that readouts have, "linear" for one that any linear layer has, or "".
    """

    W: Part
    b: Part | None
    says: str

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
    head, why, doubts = readout(shapes, layers, widths)
    understood = {name: words for l, layer in enumerate(layers, 1) for name, words in roles(layer, f" of layer {l}").items()}
    understood |= roles(head.parts if head else (), "")
    left_out = {name: why.get(name, unknown(shape)) for name, shape in shapes.items() if name not in understood}
    told = understood | {name: f"not understood: {reason}" for name, reason in left_out.items()}
    return Found(
        weights=gathered(arrays, layers, widths, head),
        roles=tuple((named(name), shape_text(shapes[name]), words) for name, words in told.items()),
        left_out=tuple((named(name), why) for name, why in left_out.items()),
        remarks=networks[0].remarks + remarks(layers, head) + doubts,
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
    )
    return tuple(sentence for applies, sentence in said if applies)


def roles(parts, whose):
    """{name: what it is in words}, W_S first: "W_T of layer 1, transposed"."""
    several = sum(part.kind == "b" for part in parts) > 1
    parts = sorted(parts, key=lambda part: KINDS.index(part.kind))
    return {part.name: ("added into " if several and part.kind == "b" else "") + {"h": "h_0"}.get(part.kind, part.kind) + whose
            + (", transposed" if part.turned else "") for part in parts}


KINDS = ("W_S", "W_T", "b", "h", "W_out", "b_out")


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

    Layers stand in the order of the numbers in their paths, if that fits, or else in the order of the file. Raises
    ValueError where another layer's kernel stands between two of them.
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
    for layers in networks.values():
        check_between(shapes, groups, layers)
    return [stacked(layers) for layers in networks.values()]


def check_between(shapes, groups, layers):
    """Raises ValueError where a file in the order of its layers has a kernel of another layer between these.

    groups: {path: Parts} of the whole file; layers: those of one network.
    """
    if alphabetical(name for name in shapes if KERAS.fullmatch(name)):
        return
    inside = [i for i, path in enumerate(groups) if path in layers]
    for parts in list(groups.values())[inside[0]:inside[-1]]:
        kernel = of_kind(parts, "W_S")
        if kernel and len(kernel.shape) == 2 and not of_kind(parts, "W_T"):
            raise ValueError(f"{kernel}, of a Dense layer, stands between two recurrent ones; networks here have none there")


def alphabetical(names):
    """Whether these names are sorted, as .safetensors files sort them: their order then says nothing about the layers.

    In the order of the layers they are not: weight_ih comes before weight_hh, and kernel before bias.
    """
    names = list(names)
    return names == sorted(names)


def stacked(layers):
    """The Spelled of {path: layer}, in the order that fits; what remains a matter of belief is said."""
    by_file = tuple(layers.values())
    by_number = tuple(layers[path] for path in sorted(layers, key=numbers_of))
    orders = [order for order in dict.fromkeys((by_number, by_file)) if chains(order)]
    order = orders[0] if orders else by_number
    said = ()
    if orders and len(layers) <= MAX_DEPTH and (several_chains(order) or len({tuple(unnumbered(path)) for path in layers}) > 1):
        path_of = {layer: path for path, layer in layers.items()}
        names = ", ".join(f'"{named(path_of[layer], 30)}"' for layer in order)
        said = (f"The layers are taken to stand on each other, in this order: {names}.",)
    return Spelled(order, said)


def unnumbered(path):
    """The steps of a path without their numbers: "a_1/b" has ["a", "b"]."""
    return [re.sub("_?[0-9]+$", "", step) for step in re.split("[./]", path)]


def numbers_of(path):
    """The number at the end of each step of a path, 0 where there is none: "a_1/b" has [1, 0]."""
    return [int("0" + re.search(r"[0-9]{0,9}$", step)[0]) for step in re.split("[./]", path)]


def chains(layers):
    """Whether every layer reads what the one below has."""
    return all(above[0] == below[1] for below, above in pairwise(map(ends, layers)))


def ends(layer):
    """(how many units a layer reads, how many it has), or None for what its shapes do not say."""
    W_S, W_T = of_kind(layer, "W_S"), of_kind(layer, "W_T")
    return (W_S.shape[1] if W_S and len(W_S.shape) == 2 else None), (W_T.shape[0] if W_T.shape else 0)


def several_chains(layers):
    """Whether these layers, which chain, would do so in another order too."""
    def ways(left, width):  # up to 2
        found = 0 if left else 1
        for i, (reads, has) in enumerate(left):
            if found < 2 and width in (None, reads):
                found += ways(left[:i] + left[i + 1:], has)
        return found

    sides = [ends(layer) for layer in layers]
    return len(set(sides)) < len(sides) or ways(sides, None) > 1  # two of one shape can always change places


HOUSE = re.compile(r"(W_S|W_T|b|h)(0|[1-9][0-9]{0,3})")


def house(shapes):
    """W_S1, W_T1, b1, h1 and so on upwards, where at least one layer has W_T."""
    layers = {}
    for name, shape in shapes.items():
        if found := HOUSE.fullmatch(name):
            layers.setdefault(int(found[2]), []).append(Part(name, found[1], shape))
    if not any(of_kind(layer, "W_T") for layer in layers.values()):
        return []
    if 0 in layers:
        raise ValueError(f"{quoted(layers[0][0].name)} is of layer 0; layers are counted from 1, as in W_S1 and W_T1")
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
    some = ", ".join(f'"{named(name, 30)}"' for name in list(shapes)[:3])
    more = f" and {len(shapes) - 3:,} more" if len(shapes) > 3 else ""
    return (f"the file holds {some or 'nothing'}{more}; a recurrent layer would be weight_ih_l0 and weight_hh_l0 (nn.RNN), "
            "kernel and recurrent_kernel (SimpleRNN), or W_S1 and W_T1")


# The readout.


HEAD = re.compile(r"((?:(.*)[./])?)(?:(weight)|(kernel)(?::0)?|(W_out))")
READOUT = {"out", "output", "outputs", "head", "lmhead", "decoder", "readout", "classifier", "regressor", "predictor",
           "prediction", "predictions", "logits", "final", "finallayer", "h2o", "ho", "fcout", "outfc", "linearout",
           "outlinear", "outlayer", "outputlayer", "outproj", "outputproj", "outputprojection", "tooutput", "toout",
           "hidden2tag", "hidden2out", "hidden2output", "hiddentotag", "hiddentoout", "hiddentooutput"}
LINEAR = {"fc", "linear", "lin", "dense", "proj", "projection"}  # readouts have these names too, but not only they
ELSEWHERE = re.compile(r"emb|encod|token|norm|attn|attention")  # matrices that stand before or beside a network


def heads(shapes, layers):
    """Every matrix whose name a readout may have: "fc.weight", "dense/kernel" (turned over), "W_out"."""
    recurrent = {part.name for layer in layers for part in layer}
    shared = {step for name in recurrent for step in steps_of(name)[:-1]}
    found = []
    for name, shape in shapes.items():
        match = HEAD.fullmatch(name)
        if not match or name in recurrent:
            continue
        before, path, weight, kernel, own = match.groups()
        if (own and before) or (not own and (not path or len(shape) != 2)):
            continue
        steps = [step for step in steps_of(path or "") if step and not step.isdigit()]
        if any(ELSEWHERE.search(step) for step in steps if step not in shared):
            continue
        bias = "b_out" if own else name[:len(before)] + name[len(before):].replace(weight or kernel, "bias")
        turned = kernel is not None
        found.append(Head(Part(name, "W_out", shape[::-1] if turned else shape, turned),
                          Part(bias, "b_out", shapes[bias]) if bias in shapes else None,
                          "own" if own else said_by([step for step in steps[:-1] if step not in shared] + steps[-1:])))
    return found


def steps_of(path):
    return re.split("[./]", path.lower())


def said_by(steps):
    """What the steps of a name say of its matrix: "readout", "linear" or ""."""
    *above, last = [re.sub("_?[0-9]+$", "", step).replace("_", "") for step in steps] or [""]
    if last in READOUT or (last in LINEAR and READOUT.intersection(above)):
        return "readout"
    return "linear" if last in LINEAR else ""


def readout(shapes, layers, widths):
    """(Head, {name: why}, remarks): the readout of these layers or None, why others were not taken, and what is in doubt.

    W_out is the readout; without it, the only matrix that fits among those with a usual name. One that may as well stand
    before the layers or between them is not taken, and where several fit, or another matrix may stand after it, none is.
    Raises ValueError where W_out or the only one with a usual name does not fit.
    """
    found = heads(shapes, layers)
    own = next((head for head in found if head.says == "own"), None)
    if own:
        check_head(own, layers[-1], widths[-1])
        return own, {part.name: "W_out is the readout" for head in found if head is not own for part in head.parts}, ()
    order = Order.of(shapes, layers, found)
    away, why = set(), {}
    for head in found:
        reason = "" if head.says else unnamed(head, widths[-1])
        if head.says == "linear" and (reason := elsewhere(head, layers, widths, order)):
            away.add(head)
        if reason:
            why |= {part.name: reason.format(f'"{renamed(part)}"') for part in head.parts}
    named = [head for head in found if head.says]
    able = [head for head in named if head not in away]
    fits = [head for head in able if head.W.shape[1] == widths[-1]]
    if len(named) == len(able) == 1 and not fits:
        check_head(able[0], layers[-1], widths[-1])
    if len(fits) != 1:
        reason = "several matrices could be the readout" if fits else OF_OTHERS.format(widths[-1])
        return None, why | {part.name: reason for head in fits or able for part in head.parts}, ()
    head = fits[0]
    n_in = of_kind(layers[0], "W_S").shape[1]
    after = next((other for other in found if other is not head and other.W.shape[1] == head.W.shape[0]
                  and not (order.early(other) and other.W.shape[0] == n_in)), None)
    if after:
        reason = "the readout seems to have several layers; one matrix is read"
        return None, why | {part.name: reason for part in head.parts + after.parts}, ()
    check_head(head, layers[-1], widths[-1])
    doubtful = head.says == "linear" and head.W.shape[0] == n_in and not order.late(head)
    doubt = f"{quoted(head.W.name)} is taken to be the readout; its shape would also fit before layer 1."
    return head, why, (doubt,) if doubtful else ()


OF_OTHERS = "it does not read the {} units of the top layer"


def check_head(head, top, width):
    for part in head.parts:
        check_axes(part)
    if head.W.shape[1] != width:
        below = of_kind(top, "W_T") or of_kind(top, "W_S")
        raise ValueError(f"{head.W} would read {head.W.shape[1]} units; the top layer, {below}, has {width}")
    for part in head.parts:
        check_sides(part)
    if head.b and head.b.shape != head.W.shape[:1]:
        raise ValueError(f"{head.W} and {head.b} are one readout, but of {head.W.shape[0]} and {head.b.shape[0]} outputs")


@dataclass(frozen=True)
class Order:
    """Where the names of a file stand, from first to last, those of its recurrent layers, and whether that says anything."""

    at: dict
    first: int
    last: int
    says: bool

    @classmethod
    def of(cls, shapes, layers, found):
        names = [part.name for layer in layers for part in layer]
        at = {name: i for i, name in enumerate(shapes)}
        places = [at[name] for name in names]
        names += [part.name for head in found for part in head.parts]
        return cls(at, min(places), max(places), not alphabetical(sorted(names, key=at.get)))

    def early(self, head):
        return self.says and self.at[head.W.name] < self.first

    def late(self, head):
        return self.says and self.at[head.W.name] > self.last


def elsewhere(head, layers, widths, order):
    """Why a matrix of any linear layer's name is not taken as the readout: it stands, or may stand, elsewhere; "" if not."""
    (m, k), W_S = head.W.shape, of_kind(layers[0], "W_S")
    if k != widths[-1]:
        return OF_OTHERS.format(widths[-1]) + ", but may stand before layer 1" if m == W_S.shape[1] else ""
    feeds = m == W_S.shape[1] and (m == k or order.early(head))
    between = W_S.turned and m == k and m in widths[:-1]  # Keras' layers are named one by one
    if (feeds or between) and not order.late(head):
        return f"it may as well stand {'before layer 1' if feeds else 'between two layers'}; if it is the readout, name it {{}}"
    return ""


def unnamed(head, width):
    return "its name is none of a readout; if it is one, name it {}" if head.W.shape[1] == width else ""


def renamed(part):
    """A name that only a readout has: "readout.weight" for "pre.weight"."""
    return "readout" + re.search(r"[./][^./]*$", part.name)[0]


# Names as they may be shown.
