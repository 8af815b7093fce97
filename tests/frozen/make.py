"""Writes the frozen files beside this one: trained networks from PyTorch and Keras, and what they say of their gradients.

Not run by the tests, which need neither. Weights are float32, as they are trained; outputs, loss and gradients are those
of the same weights in float64, by automatic differentiation. Run it where torch, safetensors and keras are installed.
"""

import json
import os
import tempfile
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from keras.src.backend.common import dtypes  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

HERE = Path(__file__).parent
T, N_IN, N_OUT = 9, 3, 2


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.RNN(N_IN, 5, 2)
        self.fc = torch.nn.Linear(5, N_OUT)

    def forward(self, x, h_0):
        return self.fc(self.rnn(x, h_0)[0])


def data(widths):
    """x (T, n_in), target (T, n_out) and h_0 of every layer, the same every time."""
    rng = np.random.default_rng(11)
    return rng.standard_normal((T, N_IN)), rng.standard_normal((T, N_OUT)), [rng.standard_normal(n) for n in widths]


def half_squared(y, target):
    return 0.5 * ((y - target) ** 2).sum()


def trained(model, x, target, h_0):
    """A few steps of Adam, so that these are weights that somebody trained."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(30):
        optimizer.zero_grad()
        half_squared(model(x, h_0), target).backward()
        optimizer.step()
    return model


def record(path, **values):
    def plain(value):
        return [plain(v) for v in value] if isinstance(value, list) else value.detach().numpy().tolist()

    path.write_text(json.dumps({name: plain(value) for name, value in values.items()}) + "\n")


def leaf(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def pytorch():
    torch.manual_seed(5)
    x, target, h_0 = data((5, 5))
    model = trained(Model(), *(torch.tensor(np.array(v), dtype=torch.float32) for v in (x, target, h_0)))
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    np.savez(HERE / "torch.npz", **{name: value.numpy() for name, value in state.items()})
    save_file(state, HERE / "torch.safetensors")
    (HERE / "torch.json").write_text(json.dumps({name: value.tolist() for name, value in state.items()}) + "\n")

    model = model.double()
    model.zero_grad()
    given, start = leaf(x), leaf(np.array(h_0))
    y = model(given, start)
    loss = half_squared(y, torch.tensor(target))
    loss.backward()
    rnn, fc = model.rnn, model.fc
    record(HERE / "torch.gradients.json", x=given, target=torch.tensor(target), h_0=list(start), y=y, loss=loss,
           dW_S=[rnn.weight_ih_l0.grad, rnn.weight_ih_l1.grad], dW_T=[rnn.weight_hh_l0.grad, rnn.weight_hh_l1.grad],
           db=[rnn.bias_ih_l0.grad, rnn.bias_ih_l1.grad], dh_0=list(start.grad), dx=given.grad,
           dW_out=fc.weight.grad, db_out=fc.bias.grad)


def simple_rnn():
    return keras.Sequential([
        keras.Input((T, N_IN)),
        keras.layers.SimpleRNN(5, return_sequences=True),
        keras.layers.SimpleRNN(4, return_sequences=True),
        keras.layers.Dense(N_OUT),
    ])


def of_keras():
    keras.utils.set_random_seed(6)
    x, target, h_0 = data((5, 4))
    model = simple_rnn()
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="mse")
    model.fit(x[None], target[None], epochs=30, verbose=0)
    with tempfile.TemporaryDirectory() as folder:  # through a .keras file, as the page says
        model.save(Path(folder) / "model.keras")
        model = keras.models.load_model(Path(folder) / "model.keras")
    np.savez(HERE / "keras.npz", **{w.path.replace("/", "."): w.numpy() for w in model.weights})

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # as with TensorFlow; with torch it multiplies in float32 otherwise
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    double = simple_rnn()
    double.set_weights([w.numpy().astype(np.float64) for w in model.weights])
    given, start = leaf(x[None]), [leaf(h[None]) for h in h_0]
    below = given
    for layer, h in zip(double.layers[:2], start, strict=True):
        below = layer(below, initial_state=[h])
    y = double.layers[2](below)
    loss = half_squared(y, torch.tensor(target[None]))
    loss.backward()
    cells = [layer.cell for layer in double.layers[:2]]
    dense = double.layers[2]
    record(HERE / "keras.gradients.json", x=given[0], target=torch.tensor(target), h_0=[h[0] for h in start], y=y[0], loss=loss,
           dW_S=[cell.kernel.value.grad.T for cell in cells], dW_T=[cell.recurrent_kernel.value.grad.T for cell in cells],
           db=[cell.bias.value.grad for cell in cells], dh_0=[h.grad[0] for h in start], dx=given.grad[0],
           dW_out=dense.kernel.value.grad.T, db_out=dense.bias.value.grad)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    pytorch()
    of_keras()
