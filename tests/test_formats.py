"""Files of numbers: what is read, what is refused, and that nothing in a file is ever run or unpacked beyond its promise."""

import json
import os
import pickle
import subprocess
import sys
from importlib.util import find_spec
from io import BytesIO, RawIOBase
from pathlib import Path
from time import process_time

import hostile
import numpy as np
import pytest
import safetensors.numpy

from rnnviz import formats
from rnnviz.conversions import conversion
from rnnviz.formats import MOST_BYTES, arrays_of, read_arrays
from rnnviz.own import MOST_NUMBERS

pytestmark = pytest.mark.filterwarnings("error")

ROOT = Path(__file__).parent.parent
LONGEST_READ = 2.0  # seconds, for any file of up to 16 MB; the longest took 0.8 on a machine with two cores
MOST_MEMORY = 300  # MB of the whole process, file included; Python with NumPy alone takes 35


def savez(**arrays):
    file = BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def outcome(data, kind):
    """(arrays, None) of a file that is read, (None, sentence) of one that is refused."""
    try:
        return read_arrays(data, kind), None
    except ValueError as refused:
        return None, str(refused)


def refusal(data, kind, what=""):
    """The sentence with which a file is refused; fails if it is not, or if it is no plain sentence."""
    made, sentence = outcome(data, kind)
    assert made is None, f"{what} was read"
    assert not hostile.not_plain(sentence), f"{what}: {sentence}"
    return sentence


def same(found, expected):
    assert list(found) == list(expected)
    for name, value in found.items():
        assert value.dtype == np.float64
        assert value.flags.c_contiguous
        assert not value.flags.writeable
        np.testing.assert_array_equal(value, expected[name], strict=True)


# What is read.


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_every_format_gives_back_the_arrays_that_were_written_in_their_order(kind):
    same(read_arrays(hostile.good(kind), kind), hostile.arrays())


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_the_bytes_may_come_in_any_dress(wrap):
    same(read_arrays(wrap(hostile.good("npz")), "npz"), hostile.arrays())


PLAIN = np.array([[0.0, 1.0, 2.0], [3.0, 100.0, 5.0]])


@pytest.mark.parametrize("dtype",
                         ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "i1", "u1", "<i2", ">i2", "<u4", ">u4", "<i8", ">u8"])
def test_every_type_of_number_reads_as_its_plain_copy(dtype):
    given = PLAIN.astype(dtype)
    frozen = given.copy()
    frozen.flags.writeable = False
    made = read_arrays(savez(plain=given, fortran=np.asfortranarray(given), frozen=frozen, strided=np.repeat(given, 2, 0)[::2],
                             backwards=given[::-1], row=given[1], one=given[1, 1]), "npz")
    same(made, {"plain": PLAIN, "fortran": PLAIN, "frozen": PLAIN, "strided": PLAIN, "backwards": PLAIN[::-1], "row": PLAIN[1],
                "one": PLAIN[1, 1]})


def test_an_npz_file_may_be_deflated_or_written_to_a_pipe():
    class Pipe(RawIOBase):
        """A place to write to that cannot go back: sizes then stand after the members."""

        def __init__(self):
            self.parts = []

        def writable(self):
            return True

        def write(self, data):
            self.parts.append(bytes(data))
            return len(data)

    pipe, packed = Pipe(), BytesIO()
    np.savez(pipe, **hostile.arrays())
    np.savez_compressed(packed, **hostile.arrays())
    same(read_arrays(b"".join(pipe.parts), "npz"), hostile.arrays())
    same(read_arrays(packed.getvalue(), "npz"), hostile.arrays())


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_header_is_read(version):
    file = BytesIO()
    np.lib.format.write_array(file, PLAIN, version)
    same(read_arrays(hostile.zipped([hostile.member("W.npy", file.getvalue())]), "npz"), {"W": PLAIN})


@pytest.mark.parametrize(("dtype", "width"), [pair for pair in formats.SAFETENSORS_NUMBERS.items() if pair[0] != "BF16"])
def test_every_type_of_a_tensor_reads_as_its_plain_copy(dtype, width):
    body = PLAIN.astype(width).tobytes()
    file = hostile.tensors({"W": hostile.entry(dtype, (2, 3), (0, len(body)))}, body)
    same(read_arrays(file, "safetensors"), {"W": PLAIN})


def test_every_bfloat16_is_read_exactly():
    bits = np.arange(2**16, dtype="<u2")
    bits = bits[(bits & 0x7F80) != 0x7F80]  # all that are finite
    sign, exponent, fraction = bits >> 15, (bits >> 7).astype(int) & 0xFF, bits & 0x7F
    expected = np.where(sign, -1.0, 1.0) * np.ldexp(np.where(exponent, 128.0, 0.0) + fraction, np.maximum(exponent, 1) - 134)
    file = hostile.tensors({"W": hostile.entry("BF16", (len(bits),), (0, 2 * len(bits)))}, bits.tobytes())
    same(read_arrays(file, "safetensors"), {"W": expected})


def test_tensors_come_in_the_order_of_the_header_wherever_their_bytes_stand():
    header = {"b": hostile.entry("F64", (2,), (8, 24)), "a": hostile.entry("F64", (1,), (0, 8)),
              "c": hostile.entry("F64", (), (24, 32))}
    same(read_arrays(hostile.tensors(header, hostile.FOUR), "safetensors"), {"b": [1.0, 2.0], "a": [0.0], "c": np.array(3.0)})


@pytest.mark.parametrize("text", [
    '{"W": [[1, 2], [3.5, -4e-1]], "b": [0]}',
    ' \n{"W" : [ [1.0,2E0],\t[35e-1,-0.4]] , "b":[-0]}\r\n',
    '\ufeff{"state_dict": {"W": [[1, 2], [3.5, -0.4]], "b": [0]}}',
    '{"\\u0057": [[1, 2], [3.50000000000000000000000000000000000, -0.4]], "b": [0]}',
    '{"epoch": 3, "state_dict": {"W": [[1, 2], [3.5, -0.4]], "b": [0]}, "lr": 1e-3, "name": "x", "best": true, "of": null}',
])
def test_a_json_text_may_be_written_in_many_ways(text):
    made = read_arrays(text.encode(), "json")
    assert {name: value.tolist() for name, value in made.items()} == {"W": [[1, 2], [3.5, -0.4]], "b": [0]}


def test_a_text_that_is_parsed_already_holds_the_same_arrays():
    data = b'{"W": [[1, 2.5], [-3, 4e1]], "b": [0, 7], "step": 3}'
    for whole in (None, formats.whole):
        made = formats.parsed(data, "the file", whole=whole)
        same(arrays_of(made), read_arrays(data, "json"))
        same(arrays_of({"state_dict": made, "epoch": 3}), read_arrays(data, "json"))


@pytest.mark.parametrize(("made", "sentence"), [
    ({}, "the file holds no arrays; it must hold at least one"),
    ({"W": [1, True]}, '"W" at entry 2 is true or false; it must be a number'),
    ({"W": [[1, 2], [3, False]]}, '"W" at row 2, column 2 is true or false; it must be a number'),
    ({"W": True}, '"W" is true or false; it must be a list of numbers, or a list of rows of numbers'),
    ({"W": [[1, 2], 3]}, 'row 2 of "W" is a number; it must be a list of numbers'),
    ({"W": [10**400]}, '"W" holds a whole number beyond 1.8e308; every number must be finite'),
    ({"W": [0.5] * (MOST_NUMBERS + 1)}, 'the file holds 1,000,001 numbers up to "W"; it may hold 1,000,000 in all'),
    ({f"W{k}": 1 for k in range(257)}, "the file holds more than 256 arrays; it may hold 256"),
    ({"state_dict": {"W": [1]}, "b": [1]},
     '"state_dict" is an object; it must be a list of numbers, or a list of rows of numbers'),
])
def test_a_parsed_text_is_held_to_the_same_bounds(made, sentence):
    with pytest.raises(ValueError) as caught:
        arrays_of(made)
    assert str(caught.value) == sentence
    assert not hostile.not_plain(sentence)


def test_a_number_in_a_text_is_the_nearest_float_to_the_last_bit():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**64, 5000, dtype=np.uint64).view(np.float64)
    W = bits[np.isfinite(bits)]
    same(read_arrays(json.dumps({"W": W.tolist()}).encode(), "json"), {"W": W})


def test_as_many_arrays_and_numbers_as_are_allowed_are_read():
    rows = {f"W{k}": np.full(3, float(k)) for k in range(formats.MOST_ARRAYS)}
    for kind in hostile.KINDS:
        same(read_arrays(hostile.good(kind, rows), kind), rows)
    whole = {"W": np.zeros((1000, MOST_NUMBERS // 1000))}
    for kind in hostile.KINDS:
        assert read_arrays(hostile.good(kind, whole), kind)["W"].size == MOST_NUMBERS


# What is refused, and how it is said.


@pytest.mark.parametrize(("kind", "data", "sentence"), [
    ("npz", savez(W_T1=np.array([[0.0, 1.0, 2.0], [0.0, 1.0, np.nan]])),
     '"W_T1" is nan at row 2, column 3; every number must be finite'),
    ("npz", savez(b=np.array([0.0, -np.inf], "f4")), '"b" is -inf at entry 2; every number must be finite'),
    ("npz", savez(step=np.array(np.inf)), '"step" is inf; every number must be finite'),
    ("npz", savez(W=np.array([1 + 2j])),
     '"W" holds complex numbers; it must hold floats of 16, 32 or 64 bits or whole numbers'),
    ("npz", savez(W=np.array(["a"])), '"W" holds text; it must hold floats of 16, 32 or 64 bits or whole numbers'),
    ("npz", savez(W=np.array([True])), '"W" holds true and false; it must hold floats of 16, 32 or 64 bits or whole numbers'),
    ("npz", savez(W=np.array([None])), '"W" holds Python objects; it must hold floats of 16, 32 or 64 bits or whole numbers'),
    ("npz", savez(W=np.zeros(2, "f8,f8")),
     '"W" holds rows of several fields; it must hold floats of 16, 32 or 64 bits or whole '
     'numbers'),
    ("npz", savez(W=np.zeros((2, 3, 4))), '"W" has 3 axes; it may have up to 2 (rows and columns)'),
    ("npz", savez(W=np.zeros((0, 3))), '"W" is empty (0 × 3); every side must be at least 1'),
    ("json", b'{"W": [[1, 2], [3]]}', 'row 2 of "W" has 1 numbers; row 1 has 2'),
    ("json", b'{"W": [[1, 2], [3, null]]}', '"W" at row 2, column 2 is null; it must be a number'),
    ("json", b'{"W": [1, true]}', '"W" at entry 2 is true or false; it must be a number'),
    ("json", b'{"W": [[1, 2], [3, 1e999]]}', '"W" is inf at row 2, column 2; every number must be finite'),
    ("json", b'{"W": [[1, NaN]]}', '"W" is nan at row 1, column 2; every number must be finite'),
    ("json", b'{"W": [1,\n  }', "the file is no valid JSON at line 2, column 3"),
    ("json", b'{"W\\u202e": [1], "W\\u202e": [1]}', '"W?" is given twice; every name may stand once'),
    ("safetensors", hostile.tensors({"W": hostile.entry("F8_E4M3")}, hostile.FOUR),
     'dtype of "W" is "F8_E4M3"; it must be one of '
     'F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8'),
    ("npz", bytes(MOST_BYTES + 1), "the file has 16,777,217 bytes; it may have 16,777,216 (16 MB)"),
    ("csv", b"1,2", '"csv" is no kind of file that is read here; it must be one of npz, safetensors, json'),
])
def test_a_refusal_names_the_thing_what_it_was_and_what_it_may_be(kind, data, sentence):
    assert refusal(data, kind) == sentence


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_every_hostile_file_is_refused_at_once_in_a_plain_sentence(kind):
    files = hostile.hostile_files(kind)
    assert len(files) >= 150
    assert len({data for _, data in files}) == len(files)
    for what, data in files:
        start = process_time()
        refusal(data, kind, what)
        assert process_time() - start < LONGEST_READ, what


def second_opinion(data, kind):
    """{name: array} of a file by the shortest reader there is, which trusts it."""
    if kind == "npz":
        with np.load(BytesIO(data), allow_pickle=False) as file:
            return {name: file[name].astype(np.float64) for name in file.files}
    if kind == "json":
        made = json.loads(data)
        beside = [value for name, value in made.items() if name != "state_dict"]
        made = made["state_dict"] if "state_dict" in made and not any(isinstance(v, list | dict) for v in beside) else made
        return {name: np.array(value, np.float64) for name, value in made.items()}
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return {name: np.frombuffer(data[start:][slice(*of["data_offsets"])], formats.SAFETENSORS_NUMBERS[of["dtype"]])
            .reshape(of["shape"]).astype(np.float64) for name, of in header.items() if name != "__metadata__"}


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_a_file_changed_at_random_is_read_as_a_second_reader_reads_it_or_refused(kind):
    whole, read, refused = hostile.good(kind), 0, 0
    for seed in range(3000):
        data = hostile.mutated(kind, seed)
        made, sentence = outcome(data, kind)
        if made is None:
            assert not hostile.not_plain(sentence), f"seed {seed}: {sentence}"
            refused += 1
        else:
            same(made, second_opinion(data, kind))
            read += data != whole
    assert read > 10  # or the changes would test nothing but the first check
    assert refused > 2000


WORST = """
import json, sys, time
import hostile
from rnnviz.formats import read_arrays

def most():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))

said = []
for what, data, wrong in hostile.worst_files(sys.argv[1]):
    start = time.process_time()
    try:
        read_arrays(data, sys.argv[1])
        sentence = None
    except ValueError as refused:
        sentence = str(refused)
    said.append((what, wrong, sentence, time.process_time() - start, most()))
print(json.dumps(said))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from Linux")
@pytest.mark.parametrize("kind", hostile.KINDS)
def test_the_worst_files_take_neither_long_nor_much_memory(kind):
    done = subprocess.run([sys.executable, "-W", "error", "-c", WORST, kind], cwd=ROOT, capture_output=True, text=True,
                          check=False, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    for what, wrong, sentence, seconds, memory in json.loads(done.stdout):
        assert wrong == (sentence is not None), f"{what}: {sentence}"
        assert sentence is None or not hostile.not_plain(sentence), f"{what}: {sentence}"
        assert seconds < LONGEST_READ, f"{what} took {seconds:.1f} s"
        assert memory < MOST_MEMORY, f"{what} took {memory} MB"


class Payload:
    """What a pickle may hide: a call that leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_program_in_a_file_is_ever_run(tmp_path, protocol):
    trap = tmp_path / "trap"
    harm = pickle.dumps({"W_T1": Payload(trap)}, protocol)
    pickle.loads(harm)["W_T1"].close()
    assert trap.exists()  # the trap works
    trap.unlink()
    objects = np.empty(1, object)
    objects[0] = Payload(trap)
    whole = hostile.member("W_T1.npy", hostile.npy())
    for data in (harm, savez(W_T1=objects), hostile.one(harm, "'|O'", shape="(1,)"), hostile.one(harm, "'<f8'"),
                 hostile.zipped([hostile.member("archive/data.pkl", harm), hostile.member("archive/version", b"3")]),
                 hostile.zipped([whole, hostile.member("data.pkl", harm)]), hostile.zipped([hostile.member("W_T1.npy", harm)]),
                 hostile.tensors({"W_T1": hostile.entry("U8", (len(harm),), (0, len(harm)))}, harm)[:-1]):
        for kind in hostile.KINDS:
            refusal(data, kind)
        for name in ("model.npz", "model.pt", "model.h5", "model"):
            conversion(name, data)
    assert not trap.exists()


# Files of other programs.


@pytest.mark.parametrize(("name", "data", "what"), [
    ("model.pt", b"", "A PyTorch file"),
    ("MODEL.PTH", b"", "A PyTorch file"),
    ("pytorch_model.bin", b"", "A PyTorch file"),
    ("epoch=3.ckpt", b"", "A PyTorch file"),
    ("model.npz", hostile.zipped([hostile.member("archive/data.pkl", b"")]), "A PyTorch file"),
    ("model", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "A PyTorch file"),
    ("model.keras", b"", "A Keras file"),
    ("model.h5", b"", "A Keras file"),
    ("model", b"\x89HDF\r\n\x1a\n", "A Keras file"),
    ("model.zip", hostile.zipped([hostile.member("model.weights.h5", b"")]), "A Keras file"),
    ("model.weights.h5", b"", "A file of Keras weights"),
    ("model.pkl", b"", "A pickle"),
    *((f"model{protocol}", pickle.dumps({"W": [1.0]}, protocol), "A pickle") for protocol in range(2, 6)),
])
def test_a_file_of_another_program_gets_one_sentence_and_three_lines_that_convert_it(name, data, what):
    sentence, *lines = conversion(name, data).split("\n")
    assert sentence.startswith(what)
    assert len(sentence) <= 300
    assert len(lines) == 3
    compile("\n".join(lines), "three lines", "exec")


@pytest.mark.parametrize(("name", "data"), [
    *((f"model.{kind}", hostile.good(kind)) for kind in hostile.KINDS),
    ("model.safetensors", hostile.tensors(json.dumps({"W": hostile.entry()}).ljust(0x280), hostile.FOUR)),
                                            # begins as a pickle does
    ("model.csv", b"1,2"),
    ("", b""),
])
def test_a_file_that_can_be_read_or_is_unknown_needs_no_conversion(name, data):
    assert conversion(name, data) is None


def run_lines(text, folder, monkeypatch, **given):
    monkeypatch.chdir(folder)
    exec(text.split("\n", 1)[1], given)
    return read_arrays((folder / "model.npz").read_bytes(), "npz")


WRAPPED = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model_state_dict": lambda state: {"epoch": 3, "model_state_dict": state, "optimizer_state_dict": {}, "loss": 0.5},
    "model": lambda state: {"model": state, "optimizer": {"state": {}, "param_groups": []}, "args": ["a"]},
    "beside what is no tensor": lambda state: state | {"version": 3, "note": "x"},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize("zipped", [False, True])
def test_the_three_lines_for_pytorch_convert_what_torch_saves(tmp_path, monkeypatch, wrapped, zipped):
    torch = pytest.importorskip("torch")
    model = torch.nn.RNN(2, 3).to(torch.bfloat16)
    state = dict(model.state_dict()) | {"steps": torch.tensor(3)}
    path = tmp_path / "model.pt"
    torch.save(WRAPPED[wrapped](state), path, _use_new_zipfile_serialization=zipped)
    assert conversion("unknown", path.read_bytes()) == conversion("model.pt", b"")
    made = run_lines(conversion("model.pt", b""), tmp_path, monkeypatch)
    same(made, {name: value.double().numpy() for name, value in state.items()})


def test_a_whole_pytorch_model_is_converted_after_the_line_that_the_sentence_gives(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    model, text = torch.nn.RNN(2, 3), conversion("model.pt", b"")
    torch.save(model, tmp_path / "model.pt")
    with pytest.raises(pickle.UnpicklingError):
        run_lines(text, tmp_path, monkeypatch)
    exec(text[text.index("torch.save("):text.index("):\n")], {"torch": torch, "model": model})
    same(run_lines(text, tmp_path, monkeypatch), {name: value.double().numpy() for name, value in model.state_dict().items()})


KERAS = """
import sys
import keras
from rnnviz.conversions import conversion

model = keras.Sequential([keras.Input((None, 2)), keras.layers.SimpleRNN(3), keras.layers.Dense(1)])
for name in ("model.keras", "model.h5", "model.weights.h5"):
    model.save_weights(name) if "weights" in name else model.save(name)
    sentence, lines = conversion(name, b"").split("\\n", 1)
    assert "weights" in name or conversion("unknown", open(name, "rb").read()) == conversion(name, b"")
    exec(lines.replace("model.keras", name))
    print([array.tolist() for array in np.load("model.npz").values()] == [w.numpy().tolist() for w in model.weights])
"""


def test_the_three_lines_for_keras_convert_what_keras_saves(tmp_path):
    pytest.importorskip("torch")
    if find_spec("keras") is None:
        pytest.skip("Keras is not installed")
    done = subprocess.run([sys.executable, "-c", KERAS], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "torch"})
    assert done.stdout == "True\n" * 3, done.stderr[-2000:]


def test_the_three_lines_for_a_pickle_save_what_was_pickled_without_opening_one(tmp_path, monkeypatch):
    text = conversion("model.pkl", b"")
    assert "load" not in text
    same(run_lines(text, tmp_path, monkeypatch, weights=hostile.arrays()), hostile.arrays())


@pytest.mark.parametrize("kind", ["<f8", "<f4", "<f2"])
def test_what_the_safetensors_library_writes_is_read_equal(kind):
    rng = np.random.default_rng(3)
    shapes = {"W_S1": (4, 2), "W_T1": (4, 4), "b1": (4,)}
    arrays = {name: rng.standard_normal(shape).astype(kind) for name, shape in shapes.items()}
    found = read_arrays(safetensors.numpy.save(arrays, {"format": "np"}), "safetensors")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array.astype(float))
