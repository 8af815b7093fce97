"""Arrays of numbers from the bytes of a file: .npz, .safetensors or .json, each right or refused in one sentence.

A file is a list of promises (this name, this shape, these bytes) and then the numbers. The promises are read first and
held to their bounds; only then is anything unpacked or allocated. Nothing in a file is ever run. Files that could only
be read by running them, or with the program that wrote them, get the lines that convert them: see conversions.py.
"""

import json
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from math import prod

import numpy as np

from .own import MOST_NUMBERS
from .values import freeze, quoted, shape_text

MOST_BYTES = 16 * 2**20
MOST_ARRAYS = 256
LONGEST_PATH = 200  # of a name as it stands in the file: prefixes of nested models are long
MOST_DIGITS = 16  # of a whole number in the header of a file
LONGEST_NUMBER = 400  # characters of one number in a text: 1e-308 written out without an exponent has 330
NPY_HEADER = 1024  # bytes; a matrix needs 128
SAFETENSORS_HEADER = 200_000  # bytes; 256 names of 200 characters need half of it
MOST_UNPACKED = 8 * MOST_NUMBERS + MOST_ARRAYS * NPY_HEADER
MOST_ROWS = 200_000  # in a text, where each is an object of its own
MOST_TEXTS = 50_000  # names and other texts in quotes
DEEPEST = 8  # brackets within brackets in a text; {"state_dict": {"W": [[1]]}} has 4


def read_arrays(data, kind):
    """{name: read-only float64 array} in the order of the file; each array has 0, 1 or 2 axes and finite numbers only.

    kind: a name in FORMATS. Numbers of 16 or 32 bits, whole numbers, either byte order and either order of rows and
    columns give what their plain copies give; whole numbers beyond 2^53 are rounded to the nearest float64.
    Raises ValueError with one sentence on anything else: more than 16 MB, 256 arrays or a million numbers, more than two
    axes, an empty side, a name given twice, objects, text, complex or truth values, nan, inf, a damaged file.
    """
    if kind not in FORMATS:
        raise ValueError(f"{quoted(str(kind))} is no kind of file that is read here; it must be one of {', '.join(FORMATS)}")
    if len(data) > MOST_BYTES:
        raise ValueError(f"the file has {len(data):,} bytes; it may have {MOST_BYTES:,} ({MOST_BYTES >> 20} MB)")
    return collected(FORMATS[kind](bytes(data)))


@dataclass(frozen=True, eq=False)
class Promise:
    """One array that a file says it holds: its name and shape, and make(), which reads its numbers."""

    name: str
    shape: tuple
    make: Callable


def collected(promises):
    """{name: array} of the promises, each held to the bounds before its numbers are made."""
    arrays, numbers = {}, 0
    for promise in promises:
        name, shape, called = promise.name, promise.shape, quoted(promise.name)
        if not 1 <= len(name) <= LONGEST_PATH:
            raise ValueError(f"a name, {called}, has {len(name):,} characters; it may have 1 to {LONGEST_PATH}")
        if name in arrays:
            raise ValueError(f"{called} is given twice; every name may stand once")
        if len(arrays) == MOST_ARRAYS:
            raise ValueError(f"the file holds more than {MOST_ARRAYS} arrays; it may hold {MOST_ARRAYS}")
        if len(shape) > 2:
            raise ValueError(f"{called} has {len(shape):,} axes; it may have up to 2 (rows and columns)")
        if 0 in shape:
            raise ValueError(f"{called} is empty ({shape_text(shape)}); every side must be at least 1")
        numbers += prod(shape)
        if numbers > MOST_NUMBERS:
            raise ValueError(f"the file holds {numbers:,} numbers up to {called}; it may hold {MOST_NUMBERS:,} in all")
        arrays[name] = finite(called, promise.make())
    if not arrays:
        raise ValueError("the file holds no arrays; it must hold at least one")
    return arrays


def finite(called, given):
    """The same numbers as a read-only float64 array. Raises ValueError on nan and inf, naming row and column from 1."""
    try:
        with np.errstate(all="ignore"):  # a nan that signals does so when it is widened
            made = np.array(given, dtype=np.float64, order="C")
    except OverflowError:  # of a whole number that was parsed as one
        raise ValueError(f"{called} holds a whole number beyond 1.8e308; every number must be finite") from None
    good = np.isfinite(made)
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        where = ("", " at entry {}", " at row {}, column {}")[made.ndim].format(*(i + 1 for i in index))
        raise ValueError(f"{called} is {made[index]}{where}; every number must be finite")
    return freeze(made)


def numbers(called, body, dtype, shape, order="C"):
    """The array of this dtype and shape that these bytes are. Raises ValueError if they are more or fewer."""
    kind = np.dtype("<u2" if dtype == "bfloat16" else dtype)
    if len(body) != prod(shape) * kind.itemsize:
        raise ValueError(f"{called} has {len(body):,} bytes of numbers; {shape_text(shape)} of {kind.itemsize} bytes each "
                         f"must have {prod(shape) * kind.itemsize:,}")
    read = np.frombuffer(body, kind)
    if dtype == "bfloat16":  # the upper half of a float32
        read = (read.astype("<u4") << 16).view("<f4")
    return read.reshape(shape, order=order)


# .npz: a zip file of .npy members. Its directory stands at its end and is read here field by field, because a reader
# that is made for every zip file there is also opens those that overlap, lie about their sizes or never end.


@dataclass(frozen=True)
class Member:
    """What the directory of a zip file says of one member: how it is packed, sizes in bytes, where its header stands."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    at: int


STORED, DEFLATED = 0, 8
END = struct.Struct("<4s4H2LH")
ENTRY = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
ENCRYPTED = 0x1 | 0x40 | 0x2000
UTF_8 = 0x800
DAMAGED = "the file is no whole .npz file ({}); it must be written once more"


def npz(data):
    """A Promise for every member of an .npz file, made one after the other, so that one at a time is unpacked."""
    members, start = directory(data)
    promised = sum(member.size for member in members)
    if promised > MOST_UNPACKED:
        raise ValueError(f"the file unpacks to {promised:,} bytes; {MOST_NUMBERS:,} numbers need {MOST_UNPACKED:,} at most")
    wrong = next((member.name for member in members if not member.name.endswith(".npy")), None)
    if wrong is not None:
        raise ValueError(f"{quoted(wrong)} in the file is no array; an .npz file must hold arrays (.npy) only")
    bodies = list(zip(members, places(data, members, start), strict=True))
    return (npy(member.name.removesuffix(".npy"), unpacked(data[place], member)) for member, place in bodies)


def directory(data):
    """The Members of a zip file and where its directory starts. Raises ValueError unless that is exactly the file's end."""
    end = len(data) - END.size
    if end < 0 or not data.startswith(b"PK\3\4") or data[end:end + 4] != b"PK\5\6":
        raise ValueError(DAMAGED.format("its beginning or its end is missing"))
    _, disk, first_disk, here, count, size, start, comment = END.unpack_from(data, end)
    if count > MOST_ARRAYS:
        raise ValueError(f"the file holds {count:,} arrays; it may hold {MOST_ARRAYS}")
    if disk or first_disk or here != count or comment or start + size != end:
        raise ValueError(DAMAGED.format("its directory is not where it should be"))
    members, at = [], start
    for _ in range(count):
        if at + ENTRY.size > end or data[at:at + 4] != b"PK\1\2":
            raise ValueError(DAMAGED.format("its directory is cut short"))
        _, _, _, flags, method, _, _, crc, packed, size, *lengths, disk, _, _, header = ENTRY.unpack_from(data, at)
        at += ENTRY.size
        name = member_name(data[at:min(at + lengths[0], end)], flags)
        at += sum(lengths)
        if flags & ENCRYPTED:
            raise ValueError(f"{quoted(name)} is encrypted; it must be stored or deflated, without a password")
        if method not in (STORED, DEFLATED):
            raise ValueError(f"{quoted(name)} is packed by method {method}; it must be stored or deflated (0 or 8)")
        if disk or (method == STORED and packed != size):
            raise ValueError(DAMAGED.format(f"{quoted(name)} has two sizes"))
        members.append(Member(name, method, crc, packed, size, header))
    if at != end:
        raise ValueError(DAMAGED.format("its directory is longer than it says"))
    return members, start


def member_name(raw, flags):
    try:
        return raw.decode("utf-8" if flags & UTF_8 else "cp437")
    except UnicodeDecodeError:
        raise ValueError(DAMAGED.format("a name in it is no text")) from None


def places(data, members, start):
    """Where the packed bytes of each member stand, a slice each. Raises ValueError if two overlap or a header differs."""
    made, taken = {}, 0
    for member in sorted(members, key=lambda member: member.at):
        called, at = quoted(member.name), member.at
        if at < taken:
            raise ValueError(DAMAGED.format(f"{called} overlaps another member"))
        if at + LOCAL.size > len(data) or data[at:at + 4] != b"PK\3\4":
            raise ValueError(DAMAGED.format(f"{called} is not where its directory says"))
        _, _, flags, method, _, _, _, _, _, name, extra = LOCAL.unpack_from(data, at)
        at += LOCAL.size
        if flags & ENCRYPTED or method != member.method or member_name(data[at:at + name], flags) != member.name:
            raise ValueError(DAMAGED.format(f"{called} is another member than its directory says"))
        at += name + extra
        taken = at + member.packed
        if taken > start:
            raise ValueError(DAMAGED.format(f"{called} runs into the directory"))
        made[member] = slice(at, taken)
    return [made[member] for member in members]


def unpacked(raw, member):
    """The bytes of one member: exactly as many as promised, and never unpacked beyond."""
    if member.method == DEFLATED:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            raw = stream.decompress(raw, member.size + 1)
        except zlib.error:
            raise ValueError(DAMAGED.format(f"{quoted(member.name)} cannot be unpacked")) from None
        if not stream.eof or stream.unused_data:
            raise ValueError(DAMAGED.format(f"{quoted(member.name)} is not as long as promised"))
    if len(raw) != member.size or zlib.crc32(raw) != member.crc:
        raise ValueError(DAMAGED.format(f"{quoted(member.name)} is not what was written"))
    return raw


NPY = re.compile(r"\{ ?'descr': (?:'([^']*)'|\[.*\]), 'fortran_order': (True|False), "
                 r"'shape': \((|[0-9]{1,16},|[0-9]{1,16}(?:, ?[0-9]{1,16})+,?)\),? ?\} *\n?", re.DOTALL)
NPY_NUMBERS = re.compile(r"[<>](f[248]|[iu][248])|[<>|]?[iu]1")
NPY_OTHERS = {"O": "Python objects", "S": "text", "a": "text", "U": "text", "b": "true and false", "?": "true and false",
              "c": "complex numbers", "M": "dates", "m": "spans of time", "V": "raw bytes", "f": "floats of another size"}
ALLOWED = "it must hold floats of 16, 32 or 64 bits or whole numbers"


def npy(name, raw):
    """The Promise of one .npy member (versions 1 to 3 of its header)."""
    called = quoted(name)
    start = {b"\1\0": 10, b"\2\0": 12, b"\3\0": 12}.get(raw[6:8])
    if raw[:6] != b"\x93NUMPY" or start is None:
        raise ValueError(f"{called} does not begin as an array does; it must be written as .npy")
    stop = start + int.from_bytes(raw[8:start], "little")
    found = NPY.fullmatch(raw[start:stop].decode("latin-1")) if stop <= min(len(raw), NPY_HEADER) else None
    if not found:
        raise ValueError(f"{called} has no plain header; it must say descr, fortran_order and shape, in this order")
    dtype, fortran, sides = found.groups()
    if dtype is None:
        raise ValueError(f"{called} holds rows of several fields; {ALLOWED}")
    if not NPY_NUMBERS.fullmatch(dtype):
        raise ValueError(f"{called} holds {NPY_OTHERS.get(dtype.strip('<>=|')[:1], 'something else')}; {ALLOWED}")
    shape = tuple(int(side) for side in sides.split(",") if side)
    return Promise(name, shape,
                   lambda: numbers(called, memoryview(raw)[stop:], dtype, shape, "F" if fortran == "True" else "C"))


# .safetensors: the length of a header in 8 bytes, the header, {name: {dtype, shape, data_offsets}} as JSON, the numbers.


SAFETENSORS_NUMBERS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bfloat16", "I64": "<i8", "I32": "<i4", "I16": "<i2",
                       "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"}


def safetensors(data):
    """A Promise for every tensor of a .safetensors file; their bytes must follow each other without holes."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 10 or length > len(data) - 8:
        raise ValueError(f"the file has {len(data):,} bytes, but its header alone would need more; it is cut short, "
                         "or no .safetensors file")
    if length > SAFETENSORS_HEADER:
        raise ValueError(f"the header has {length:,} bytes; it may have {SAFETENSORS_HEADER:,}")
    if data[8:9] != b"{":
        raise ValueError("the header does not begin with {; the file is damaged, or no .safetensors file")
    header = parsed(data[8:8 + length], "the header", whole=whole)
    meta = header.pop("__metadata__", {})
    if not isinstance(meta, dict) or not all(isinstance(text, str) for text in meta.values()):
        raise ValueError("__metadata__ in the header must hold texts by name, and nothing else")
    spans = {name: span(quoted(name), entry) for name, entry in header.items()}
    body, due = memoryview(data)[8 + length:], 0
    for name, (first, last) in sorted(spans.items(), key=lambda item: item[1]):
        if first != due or not first <= last <= len(body):
            raise ValueError(f"{quoted(name)} stands at bytes {first:,} to {last:,} of {len(body):,}, where byte {due:,} was "
                             "due; arrays must follow each other without holes or overlaps")
        due = last
    if due != len(body):
        raise ValueError(f"the file has {len(body):,} bytes of numbers; its header speaks of {due:,}")
    return (tensor(name, header[name], body[slice(*spans[name])]) for name in header)


def span(called, entry):
    """(first byte, last byte + 1) of one entry of the header. Raises ValueError unless it has its three fields."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{called} in the header must have dtype, shape and data_offsets, and nothing else")
    for field, count in (("shape", None), ("data_offsets", 2)):
        value = entry[field]
        if not isinstance(value, list) or not all(type(n) is int and n >= 0 for n in value) or count not in (None, len(value)):
            raise ValueError(f"{field} of {called} must be {count or 'a list of'} whole numbers that are not negative")
    return tuple(entry["data_offsets"])


def tensor(name, entry, body):
    """The Promise of one entry of the header and its bytes."""
    called, dtype, shape = quoted(name), entry["dtype"], tuple(entry["shape"])
    if not isinstance(dtype, str) or dtype not in SAFETENSORS_NUMBERS:
        kind = quoted(dtype[:20]) if isinstance(dtype, str) else "no text"
        raise ValueError(f"dtype of {called} is {kind}; it must be one of {', '.join(SAFETENSORS_NUMBERS)}")
    return Promise(name, shape, lambda: numbers(called, body, SAFETENSORS_NUMBERS[dtype], shape))


# .json: names and nested lists of numbers.


NUMBERS = {float, int}  # not bool, which is an int to isinstance
STANDS_FOR = {bool: "true or false", type(None): "null", str: "a text", dict: "an object", list: "a list"}


def json_lists(data):
    """A Promise for every name of a .json file: {"W": [[1, 2], [3, 4]], "b": [0, 1]}, or that within {"state_dict": ..}."""
    return promised(parsed(data, "the file", most=MOST_NUMBERS))


def arrays_of(made):
    """{name: array} of the object that a text in JSON is, once it is parsed; held to the same bounds as read_arrays."""
    return collected(promised(made))


def promised(made):
    """A Promise for every name of a parsed object, or of its "state_dict" where only numbers and texts stand beside it."""
    state = made.get("state_dict")
    if isinstance(state, dict) and not any(isinstance(value, list | dict) for value in made.values() if value is not state):
        made = state
    return (Promise(name, rectangle(quoted(name), value), lambda value=value: value) for name, value in made.items())


def rectangle(called, value):
    """The shape of nested lists: (), (n,) or (rows, columns). Raises ValueError naming what is no number, or a ragged row."""
    if type(value) in NUMBERS:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"{called} is {STANDS_FOR[type(value)]}; it must be a list of numbers, or a list of rows of numbers")
    if not value or not isinstance(value[0], list):
        only_numbers(f"{called} at entry", value)
        return (len(value),)
    if set(map(type, value)) == {list} and len(set(map(len, value))) == 1:
        if set(map(type, chain.from_iterable(value))) <= NUMBERS:
            return (len(value), len(value[0]))  # the quick way for a million rows; what follows finds what is wrong
    for r, row in enumerate(value, 1):
        if not isinstance(row, list):
            raise ValueError(f"row {r:,} of {called} is {STANDS_FOR.get(type(row), 'a number')}; it must be a list of numbers")
        if len(row) != len(value[0]):
            raise ValueError(f"row {r:,} of {called} has {len(row):,} numbers; row 1 has {len(value[0]):,}")
        only_numbers(f"{called} at row {r:,}, column", row)


def only_numbers(where, row):
    wrong = next((c for c, value in enumerate(row) if type(value) not in NUMBERS), None)
    if wrong is not None:
        raise ValueError(f"{where} {wrong + 1:,} is {STANDS_FOR[type(row[wrong])]}; it must be a number")


# Text in JSON, which more than one format is made of.


def parsed(data, called, *, whole=None, most=None):
    """The object that a text in JSON is, its numbers as floats, or as whole(text) where they are whole.

    What a text may need is counted before it is read, as a list takes 30 times the place of its two brackets; most is the
    number of numbers that it may hold, if that matters. Raises ValueError also on names that are repeated or broken, on
    numbers of more than 400 characters and on more than 8 brackets within each other.
    """
    if data.count(b'"') > 2 * MOST_TEXTS:
        raise ValueError(f"{called} holds more than {MOST_TEXTS:,} names and texts; it may hold {MOST_TEXTS:,}")
    outside = b"".join(data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])  # what is not in quotes
    if most is not None:
        for mark, what, limit in ((b"{", "objects in braces", DEEPEST), (b"[", "rows", MOST_ROWS), (b"]", "rows", MOST_ROWS),
                                  (b",", "numbers", most)):
            if outside.count(mark) > limit + MOST_ARRAYS:
                raise ValueError(f"{called} holds more than {limit:,} {what}; it may hold {limit:,}")
    steps = outside.translate(STEPS, NO_BRACKETS)
    deep = int(np.cumsum(np.frombuffer(steps, np.int8), dtype=np.int32).max(initial=0))
    if deep > DEEPEST:
        raise ValueError(f"{called} has {deep:,} brackets within each other; it may have {DEEPEST}")
    del outside, steps
    try:
        made = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unrepeated, parse_float=number,
                          parse_int=whole or number, parse_constant=float)  # NaN and Infinity are refused by their place
    except UnicodeDecodeError as problem:
        raise ValueError(f"{called} is no text in UTF-8 (at byte {problem.start + 1:,})") from None
    except json.JSONDecodeError as problem:
        raise ValueError(f"{called} is no valid JSON at line {problem.lineno:,}, column {problem.colno:,}") from None
    if not isinstance(made, dict):
        raise ValueError(f'{called} must be an object in braces, such as {{"W_T1": [[0.9, 0], [0, 0.9]]}}')
    return made


NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # 1 and -1 as signed bytes


SURROGATE = re.compile("[\ud800-\udfff]")


def unrepeated(pairs):
    made = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(f"{quoted(name)} is given twice; every name may stand once")
        if SURROGATE.search(name):
            raise ValueError(f"the name {quoted(name)} holds half a character (a lone surrogate); it must be whole")
        made[name] = value
    return made


def number(text):
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number has {len(text):,} characters; it may have {LONGEST_NUMBER}")
    return float(text)


def whole(text):
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a whole number has {len(text):,} digits; it may have {MOST_DIGITS}")
    return int(text)


FORMATS = {"npz": npz, "safetensors": safetensors, "json": json_lists}
