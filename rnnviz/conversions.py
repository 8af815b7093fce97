"""Files of other programs that are not read here, and the three lines of Python that make an .npz file of each.

None of them is opened: some can run a program when they are opened.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Conversion:
    """Files that are not read: how their names end, what they are, why they are not read, three lines that convert them.

    first: what a person may have to do before.
    """

    endings: tuple
    what: str
    why: str
    lines: str
    first: str = ""


CAN_RUN = "can run a program when it is opened, so it is not opened here"

CONVERSIONS = {
    "Keras weights": Conversion((".weights.h5",), "A file of Keras weights", "does not say what its arrays are", """\
import numpy as np
model.load_weights("model.weights.h5")  # into the model as it was built for training
np.savez("model.npz", **{w.path.replace("/", "."): w.numpy() for w in model.weights})"""),
    "Keras": Conversion((".keras", ".h5", ".hdf5"), "A Keras file", "needs Keras to be read", """\
import keras, numpy as np
model = keras.models.load_model("model.keras")
np.savez("model.npz", **{w.path.replace("/", "."): w.numpy() for w in model.weights})"""),
    "PyTorch": Conversion((".pt", ".pth", ".bin", ".ckpt"), "A PyTorch file", CAN_RUN, """\
import torch, numpy as np; saved = torch.load("model.pt", map_location="cpu", weights_only=True)
saved = next((saved[k] for k in ("state_dict", "model_state_dict", "model") if k in saved), saved)
np.savez("model.npz", **{k: v.detach().double().numpy() for k, v in saved.items() if hasattr(v, "detach")})""",
        ' (a whole model must be saved anew first, as torch.save(model.state_dict(), "model.pt"))'),
    "pickle": Conversion((".pkl", ".pickle"), "A pickle", CAN_RUN, """\
# in the program that wrote the pickle, with the weights as it has them: {name: array}
import numpy as np
np.savez("model.npz", **{k: np.asarray(v) for k, v in weights.items()})"""),
}


def conversion(name, data):
    """What to do with a PyTorch, Keras or pickle file: one sentence, then three lines of Python; None for other files.

    Such files are known by the end of their name, or by their first bytes whatever their name.
    """
    kind = next((kind for kind, row in CONVERSIONS.items() if name.lower().endswith(row.endings)), written_by(data))
    if kind is None:
        return None
    row = CONVERSIONS[kind]
    endings = " or ".join(row.endings[:2])
    return (f"{row.what} ({endings}) {row.why}; three lines of Python turn it into an .npz file that can be read{row.first}:"
            f"\n{row.lines}")


def written_by(data):
    """Which row of CONVERSIONS these bytes are by their first ones, or None."""
    if data[:4] == b"\x89HDF" or (data[:4] == b"PK\3\4" and b"model.weights.h5" in data):
        return "Keras"
    if (data[:4] == b"PK\3\4" and b"/data.pkl" in data) or data[:13] == b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P":
        return "PyTorch"
    header = data[2:9] == b"\0\0\0\0\0\0{"  # of .safetensors, whose length may begin with these bytes
    return "pickle" if data[:1] == b"\x80" and data[1:2] in (b"\2", b"\3", b"\4", b"\5") and not header else None
