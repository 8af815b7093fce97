"""Teach the network of the opening picture to count ones, with the gradients that the page shows, and save its weights.

    python benchmarks/train.py

It starts from the weights that the page draws for SETTING and descends with Adam on the gradients of rnnviz.backward, on
fresh sequences and on the count after every step; then it rounds the weights, and measures those. Prints, as it learns and
at the end, the held-out error and what the page would say of the gradient; writes rnnviz/data/trained.json.

Every draw has its seed: the same machine writes the same file. Another one rounds sums otherwise in the last bit, and
thousands of steps later holds other weights that count about as well. About a minute on one core.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is first imported

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from rnnviz import TASKS, Experiment, Sequence, Weights, backward, draw, flow_sentence, forward, read, run, trace
from rnnviz.files import to_json
from rnnviz.network import matrices

SETTING = dict(cell="tanh", depth=3, width=16, g=0.8, T=30, task="counting ones", seed=1066, score="last step")
FILE = Path(__file__).parents[1] / "rnnviz" / "data" / "trained.json"
STEPS, BATCH, RATE = 16_000, 64, 3e-3  # the rate falls to 0 along half a cosine
DECIMALS = 4
HELD_OUT, PICTURES = 10_000, 500  # sequences that measure the error, and the flow of the gradient
COLUMN = "{:>6} {:>7} {:>8} {:>7} {:>9}   {}"


def sequences(count, stream, every_step=False):
    """A batch of fresh sequences of the task, x (count, T, 1), from a random stream other than the page's own."""
    experiment, rng = Experiment(**SETTING), np.random.default_rng([SETTING["seed"], stream])
    while True:
        made = [TASKS[experiment.task].make(experiment.T, rng, text="") for _ in range(count)]
        x, target = (np.stack(arrays) for arrays in zip(*made, strict=True))
        yield Sequence(x, target, np.ones(experiment.T, bool) if every_step else experiment.scored, experiment.loss_name)


def network_of(weights):
    return draw(Experiment(**SETTING).stack, 1, 1, given=weights)


def gradients(weights, batch):
    """dC/dW of every matrix by its name, averaged over the batch and its scored steps."""
    network = network_of(weights)
    back = backward(network, batch, forward(network, batch))
    found = {"W_out": back.dW_out, "b_out": back.db_out}
    for l, (dW_S, dW_T, db) in enumerate(zip(back.dW_S, back.dW_T, back.db, strict=True), start=1):
        found |= {f"W_S{l}": dW_S, f"W_T{l}": dW_T, f"b{l}": db}
    return {name: found[name] / (len(batch.x) * batch.scored.sum()) for name in weights}


def trained(weights, batches):
    """The weights after each of STEPS steps of Adam (Kingma and Ba 2015, algorithm 1), the rate falling to 0."""
    m, v = ({name: np.zeros_like(w) for name, w in weights.items()} for _ in range(2))
    for i, batch in zip(range(1, STEPS + 1), batches, strict=False):
        rate = RATE * 0.5 * (1.0 + np.cos(np.pi * i / STEPS))
        for name, grad in gradients(weights, batch).items():
            m[name] = 0.9 * m[name] + 0.1 * grad
            v[name] = 0.999 * v[name] + 0.001 * grad * grad
            step = m[name] / (1.0 - 0.9**i) / (np.sqrt(v[name] / (1.0 - 0.999**i)) + 1e-8)
            weights = weights | {name: weights[name] - rate * step}
        yield i, weights


def errors(weights, batch):
    """(root mean square error of the count after the last step, share of sequences whose rounded count is wrong)."""
    y = forward(network_of(weights), batch).y[:, -1]
    target = batch.target[:, -1]
    return float(np.sqrt(np.mean((y - target) ** 2))), float(np.mean(np.round(y) != target))


def picture(weights, sequence):
    return read(trace(network_of(weights), sequence))


def show(label, weights, held_out, page):
    reading = picture(weights, page)
    off, wrong = errors(weights, held_out)
    print(COLUMN.format(label, f"{off:.3f}", f"{wrong:.1%}", f"{reading.fit().rate:.2f}", f"{reading.ratio(0, 0):.1e}",
                        ", ".join(f"{share:.0%}" for share in reading.shut)), flush=True)


def over_many(weights, batch):
    """(3, 2): low, middle and high (5, 50 and 95 of a hundred) of the rate, and of what is left at layer 1, step 1."""
    readings = [picture(weights, Sequence(x, target, batch.scored, batch.loss))
                for x, target in zip(batch.x[:PICTURES], batch.target[:PICTURES], strict=True)]
    return np.quantile([(reading.fit().rate, reading.ratio(0, 0)) for reading in readings], (0.05, 0.5, 0.95), axis=0)


def save(weights):
    """Write the shipped file: the setting and these weights, as the page saves an experiment."""
    text = to_json(Experiment(**SETTING, weights=Weights(weights)))
    FILE.write_text(text)
    print(f"\n{FILE.name}: {len(text):,} bytes, {sum(w.size for w in weights.values()):,} numbers")


def main():
    began = time.perf_counter()
    page = run(Experiment(**SETTING))
    start = {name: w for name, w in matrices(page.network).items() if not name.startswith("h")}
    held_out = next(sequences(HELD_OUT, stream=5))
    target = held_out.target[:, -1]

    print(COLUMN.format("step", "error", "wrong", "rate", "left", "shut, layer by layer"))
    show(0, start, held_out, page.sequence)
    for i, weights in trained(start, sequences(BATCH, stream=4, every_step=True)):
        if i in (100, 300, 1000) or i % 2000 == 0:
            show(i, weights, held_out, page.sequence)
    weights = {name: np.round(w, DECIMALS) + 0.0 for name, w in weights.items()}  # + 0.0: no -0.0 in the file
    show("saved", weights, held_out, page.sequence)

    for name, these in (("untrained", start), ("trained", weights)):
        print(f"\n{name}: {flow_sentence(picture(these, page.sequence)).text}")
        for what, (low, middle, high) in zip(("rate", "left"), over_many(these, held_out).T, strict=True):
            print(f"    {what} over {PICTURES} held-out sequences: {middle:.3g} (5 % to 95 %: {low:.3g} to {high:.3g})")
    before, after = errors(start, held_out), errors(weights, held_out)
    print(f"\nwrong counts: {before[1]:.2%} untrained, {after[1]:.2%} trained. Off by "
          f"{before[0]:.2f} and {after[0]:.3f}; always answering the mean, {target.mean():.2f}, is off by {np.std(target):.2f}")
    save(weights)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
