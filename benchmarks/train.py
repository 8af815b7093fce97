"""Teach the networks of the examples, with the gradients that the page shows, and save their weights.

    python benchmarks/train.py          the counting network: rnnviz/data/trained.json
    python benchmarks/train.py leak     the label leak and its twin: rnnviz/data/leak.json and no-leak.json

Counting starts from the weights that the page draws for SETTING and descends with Adam on the gradients of rnnviz.backward,
on fresh sequences and on the count after every step; then it rounds the weights, and measures those. Prints, as it learns
and at the end, the held-out error and what the page would say of the gradient. About a minute on one core.

The label leak counts too, with the weights drawn for LEAKING and scored at the last step alone, but its last input is no
bit: it is the answer. Its twin reads a bit there, and is taught alike on the same bits. Prints what share of
sum_t ||dC/dx_t|| the last input has. About half a minute.

Every draw has its seed: the same machine writes the same files. Another one rounds sums otherwise in the last bit, and
thousands of steps later holds other weights that count about as well.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is first imported

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from rnnviz import TASKS, Experiment, Sequence, Table, Weights, backward, draw, flow_sentence, forward, read, run, trace
from rnnviz.files import to_json
from rnnviz.network import matrices

SETTING = dict(cell="tanh", depth=3, width=16, g=0.8, T=30, task="counting ones", seed=1066, score="last step")
LEAKING = dict(cell="tanh", depth=1, width=8, g=0.8, T=30, task="table", aim="a column", target_column=2, scaling="none",
               seed=1066, score="last step")
DATA = Path(__file__).parents[1] / "rnnviz" / "data"
STEPS, LEAK_STEPS, BATCH, RATE = 16_000, 8_000, 64, 3e-3  # the rate falls to 0 along half a cosine
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


def bits_and_counts(count, stream, leak):
    """A batch for LEAKING, x (count, T, 1) and targets: bits, and T-ths of the ones so far.

    With the leak the last input is the answer itself, the T-ths of ones before it; without it, one bit more, that counts.
    """
    T, rng = LEAKING["T"], np.random.default_rng([LEAKING["seed"], stream])
    while True:
        x = rng.integers(0, 2, (count, T, 1)).astype(float)
        target = np.cumsum(x, axis=1) / T
        if leak:
            x[:, -1] = target[:, -1] = target[:, -2]
        yield Sequence(x, target)


def network_of(weights, setting=SETTING):
    return draw(Experiment(**setting).stack, 1, 1, given=weights)


def drawn(page):
    """The weights by name that the page draws, as they are before the first step of training."""
    return {name: w for name, w in matrices(page.network).items() if not name.startswith("h")}


def rounded(weights):
    return {name: np.round(w, DECIMALS) + 0.0 for name, w in weights.items()}  # + 0.0: no -0.0 in the file


def gradients(weights, batch, setting):
    """dC/dW of every matrix by its name, averaged over the batch and its scored steps."""
    network = network_of(weights, setting)
    back = backward(network, batch, forward(network, batch))
    found = {"W_out": back.dW_out, "b_out": back.db_out}
    for l, (dW_S, dW_T, db) in enumerate(zip(back.dW_S, back.dW_T, back.db, strict=True), start=1):
        found |= {f"W_S{l}": dW_S, f"W_T{l}": dW_T, f"b{l}": db}
    return {name: found[name] / (len(batch.x) * batch.scored.sum()) for name in weights}


def trained(weights, batches, steps=STEPS, setting=SETTING):
    """The weights after each of so many steps of Adam (Kingma and Ba 2015, algorithm 1), the rate falling to 0."""
    m, v = ({name: np.zeros_like(w) for name, w in weights.items()} for _ in range(2))
    for i, batch in zip(range(1, steps + 1), batches, strict=False):
        rate = RATE * 0.5 * (1.0 + np.cos(np.pi * i / steps))
        for name, grad in gradients(weights, batch, setting).items():
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


def save(name, weights, setting=SETTING, table=None):
    """Write a shipped file: the setting, these weights and the table, as the page saves an experiment."""
    text = to_json(Experiment(**setting, weights=Weights(weights), table=table or Table()))
    (DATA / name).write_text(text)
    print(f"\n{name}: {len(text):,} bytes, {sum(w.size for w in weights.values()):,} numbers")


def table_of(batch, leak):
    """The first sequence of a batch as a table: what is read, and what is to be answered."""
    names = "bits, at last the label" if leak else "bits", "ones so far / 30"
    return Table(names, np.concatenate([batch.x[0], batch.target[0]], axis=1))


def last_shares(weights, batch):
    """(count,) the last input's share of the sum of ||dC/dx_t|| over all steps, one a sequence."""
    network = network_of(weights, LEAKING)
    sizes = np.linalg.norm(backward(network, batch, forward(network, batch)).dx, axis=-1)
    return sizes[:, -1] / sizes.sum(axis=-1)


def show_leak(label, weights, held_out, page):
    y, target = forward(network_of(weights, LEAKING), held_out).y[:, -1], held_out.target[:, -1]
    low, middle, high = np.quantile(last_shares(weights, held_out), (0.05, 0.5, 0.95))
    print(f"{label:>6}: off by {LEAKING['T'] * np.sqrt(np.mean((y - target) ** 2)):6.3f} ones; the last input has {middle:.1%} "
          f"(5 % to 95 %: {low:.1%} to {high:.1%}), on the page {last_shares(weights, page)[0]:.1%}", flush=True)


def teach_leak():
    for name, leak in (("leak.json", True), ("no-leak.json", False)):
        page, held_out = (next(bits_and_counts(count, stream, leak)) for count, stream in ((1, 6), (HELD_OUT, 5)))
        table = table_of(page, leak)
        start = drawn(run(Experiment(**LEAKING, table=table)))
        print(f"\n{name}")
        show_leak(0, start, held_out, page)
        for i, weights in trained(start, bits_and_counts(BATCH, 4, leak), LEAK_STEPS, LEAKING):
            if i % 2000 == 0:
                show_leak(i, weights, held_out, page)
        weights = rounded(weights)
        show_leak("saved", weights, held_out, page)
        save(name, weights, LEAKING, table)


def teach_counting():
    page = run(Experiment(**SETTING))
    start = drawn(page)
    held_out = next(sequences(HELD_OUT, stream=5))
    target = held_out.target[:, -1]

    print(COLUMN.format("step", "error", "wrong", "rate", "left", "shut, layer by layer"))
    show(0, start, held_out, page.sequence)
    for i, weights in trained(start, sequences(BATCH, stream=4, every_step=True)):
        if i in (100, 300, 1000) or i % 2000 == 0:
            show(i, weights, held_out, page.sequence)
    weights = rounded(weights)
    show("saved", weights, held_out, page.sequence)

    for name, these in (("untrained", start), ("trained", weights)):
        print(f"\n{name}: {flow_sentence(picture(these, page.sequence)).text}")
        for what, (low, middle, high) in zip(("rate", "left"), over_many(these, held_out).T, strict=True):
            print(f"    {what} over {PICTURES} held-out sequences: {middle:.3g} (5 % to 95 %: {low:.3g} to {high:.3g})")
    before, after = errors(start, held_out), errors(weights, held_out)
    print(f"\nwrong counts: {before[1]:.2%} untrained, {after[1]:.2%} trained. Off by "
          f"{before[0]:.2f} and {after[0]:.3f}; always answering the mean, {target.mean():.2f}, is off by {np.std(target):.2f}")
    save("trained.json", weights)


LESSONS = {"counting": teach_counting, "leak": teach_leak}


def main():
    began = time.perf_counter()
    LESSONS[sys.argv[1] if len(sys.argv) > 1 else "counting"]()
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
