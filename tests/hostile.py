"""Files that want to do harm, and files that are merely broken: every one of them must be refused.

hostile_files(kind): small ones, by what is wrong with them. worst_files(kind): large or lying ones, made one at a time,
with what a reader may do with them. mutated(kind, seed): a good file, changed at random; it may still be good.
All are written here byte by byte, because the writers that there are refuse to.
"""

import json
import random
import re
import struct
import zlib
from functools import cache

import numpy as np

from rnnviz.formats import MOST_BYTES as MOST

KINDS = ("npz", "safetensors", "json")


def arrays():
    """A small network under PyTorch's names, in float64: what the good files hold."""
    rng = np.random.default_rng(7)
    shapes = {"rnn.weight_ih_l0": (4, 2), "rnn.weight_hh_l0": (4, 4), "rnn.bias_ih_l0": (4,), "rnn.bias_hh_l0": (4,),
              "fc.weight": (1, 4), "fc.bias": (1,)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def good(kind, given=None):
    """A well-formed file of these arrays (those of `arrays` unless given)."""
    return WRITERS[kind](arrays() if given is None else given)


# .npz


def npy(body=None, descr="'<f8'", fortran="False", shape="(2, 2)", *, header=None, version=b"\1\0", length=None,
        magic=b"\x93NUMPY"):
    """One .npy member, every field of which may be a lie."""
    if header is None:
        header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    text = header.encode("latin-1") if isinstance(header, str) else header
    width = 2 if version == b"\1\0" else 4
    size = (len(text) if length is None else length).to_bytes(width, "little")
    return magic + version + size + text + (np.arange(4.0).tobytes() if body is None else body)


def npy_of(array):
    return npy(array.tobytes(), repr(array.dtype.str), "False", repr(array.shape))


def member(name, raw, method=0, **lies):
    """What `zipped` writes of one member: its true fields, and lies about them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(raw) + packer.flush() if method == 8 else raw
    return {"name": name, "packed": packed, "method": method, "flags": 0, "crc": zlib.crc32(raw), "size": len(raw),
            "packed_size": len(lies.get("packed", packed)), "disk": 0, "extra": b"", **lies}


def zipped(members, *, front=b"", tail=b"", count=None, here=None, shift=0, comment=b"", comment_size=None, disk=0,
           directory_size=None, between=b""):
    """A zip file of members as `member` makes them."""
    body, entries = front, b""
    for m in members:
        name = m["name"] if isinstance(m["name"], bytes) else m["name"].encode()
        inside = m.get("local_name", name)
        at = m.get("at", len(body))
        fields = (m["flags"], m.get("local_method", m["method"]), 0, 33, m["crc"], m["packed_size"] % 2**32, m["size"] % 2**32)
        if "at" not in m:
            body += struct.pack("<4s5H3L2H", m.get("local_magic", b"PK\3\4"), 20, *fields, len(inside), len(m["extra"]))
            body += inside + m["extra"] + m["packed"]
        fields = (m["flags"], m["method"], 0, 33, m["crc"], m["packed_size"] % 2**32, m["size"] % 2**32)
        entries += struct.pack("<4s6H3L5H2L", m.get("magic", b"PK\1\2"), 20, 20, *fields, m.get("name_size", len(name)), 0, 0,
                               m["disk"], 0, 0, at % 2**32) + name
    body += between
    count = len(members) if count is None else count
    size = len(entries) if directory_size is None else directory_size
    end = struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, count if here is None else here, count, size, len(body) + shift,
                      len(comment) if comment_size is None else comment_size)
    return body + entries + end + comment + tail


def npz(given):
    return zipped([member(name + ".npy", npy_of(array), 8 * (i % 2)) for i, (name, array) in enumerate(given.items())])


def one(*args, **kwargs):
    """An .npz file of one member, "W_T1", with whatever is wrong with its .npy."""
    return zipped([member("W_T1.npy", npy(*args, **kwargs))])


def lying(**lies):
    """An .npz file of one deflated member whose zip fields lie."""
    return zipped([member("W_T1.npy", npy(), lies.pop("method", 8), **lies)])


def unreadable():
    """Files of other kinds, and nothing: (what, bytes)."""
    yield "nothing", b""
    for size in (1, 7, 8, 9, 21, 22, 100):
        yield f"{size} zeros", bytes(size)
        yield f"{size} bytes of 255", b"\xff" * size
    yield "a pickle", b"\x80\x04\x95\x0b\0\0\0\0\0\0\0}\x94\x8c\x01W\x94K\x01s."
    yield "an old PyTorch file", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
    yield "an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(80)
    yield "a PNG picture", b"\x89PNG\r\n\x1a\n" + bytes(80)
    yield "gzip", b"\x1f\x8b\x08\0" + bytes(80)
    yield "a page", b"<!DOCTYPE html><html></html>"
    yield "a single .npy", npy()
    yield "an end of a zip file alone", zipped([])
    yield "a PyTorch zip file", zipped([member("archive/data.pkl", b"\x80\x02}q\0."), member("archive/version", b"3\n")])
    yield "noise", random.Random(0).randbytes(500)


def cuts(kind, count=25):
    """A good file cut short at so many places."""
    whole = good(kind)
    for k in range(count):
        yield f"cut after {k}/{count}", whole[:len(whole) * k // count]
    for k in (1, 2, 3):
        yield f"without its last {k}", whole[:-k]


NOT_FINITE = (np.nan, np.inf, -np.inf)


def hostile_npz():
    yield from unreadable()
    yield from cuts("npz")
    whole = good("npz")
    for other in KINDS[1:]:
        yield f"a good {other} file", good(other)
    for tail in (b"\0", b"PK", b"\n", bytes(22), b"PK\5\6" + bytes(17), whole[-22:], whole):
        yield f"{len(tail)} bytes after the end ({tail[:4]!r})", whole + tail
    for front in (b"\0", b"#!/bin/sh\n", whole):
        yield f"{len(front)} bytes before the beginning", front + whole
    for descr in ("O", "|O", "<O8", "S5", "|S8", "<U3", ">U2", "a4", "?", "|b1", "<c8", "<c16", ">c8", "<M8[s]", "<m8[ns]",
                  "V8", "|V3", "<f12", "<f16", "<f3", "<f1", "<i3", "<i16", "<u0", "", "f", "8", "<", "<<f8", "<f8<f8", "=f8",
                  "|f8", "f8", "(2,)<f8", "2<f8", "<f8 ", " <f8", "float64", "<f8,<f8", "x" * 500, "<f\0", "\xe9",
                  "{'a': 'f8'}"):
        yield f"dtype {descr[:30]!r}", one(descr=f"'{descr}'")
    for descr in ("[('a', '<f8')]", "[('a', '|O')]", "['<f8']", "[]", "None", "8", "('<f8', (2,))", "b'<f8'",
                  "{'names': ['a']}"):
        yield f"dtype written {descr}", one(descr=descr)
    for shape in ("(-2, -2)", "(4,), (2,)", "[2, 2]", "(2, 2", "2, 2", "4", "(4)", "(2.0, 2)", "('2', 2)", "(True, 4)",
                  "(None, 4)", "(2, , 2)", "(,4)", "(2e0, 2)", "(0x2, 2)", "(2L, 2)", "(1000000000,)", "(3, 2)", "(2,)", "()",
                  "(2, 2, 1)", "(1, 1, 4)", "(1, 1, 1, 4)", "(" + "1, " * 40 + "4)", "(0,)", "(0, 4)", "(4, 0)",
                  "(9" + "9" * 15 + ", 9)",
                  "(" + "9" * 300 + ",)", "(18446744073709551617, 4)", "(4611686018427387904, 2)", "(2 , 2)", "(2, 2) + ()",
                  "(" * 400 + ")" * 400, "((2, 2))", "(２, 2)".encode().decode("latin-1"), "(²,)"):
        yield f"shape {shape[:30]}", one(shape=shape)
    for fortran in ("true", "0", "1", "None", "'False'", "not 1", "Maybe"):
        yield f"fortran_order {fortran}", one(fortran=fortran)
    for header in ("", "{}", "()", "None", "{'descr': '<f8'}", "{'descr': '<f8', 'shape': (2, 2)}", "{" * 500, "[" * 900,
                   "-" * 900,
                   "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), 'more': 1}", "__import__('os').getcwd()",
                   "{'descr': '<f8', 'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }",
                   "{'descr': __import__('os').getcwd(), 'fortran_order': False, 'shape': (2, 2), }",
                   "{'fortran_order': False, 'shape': (2, 2), 'descr': '<f8', }; 1", "'a' * 10**9", "9**9**9", "\0" * 64,
                   b"\xff\xfe" * 30, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }\n\n", "lambda: 0", "1" * 900):
        yield f"header {header[:30]!r}", one(header=header)
    for length in (0, 1, 20, 60, 62, 1025, 65535):
        yield f"a header that says it has {length} bytes", one(length=length)
    for length in (2**31, 2**32 - 1):
        yield f"a header of version 2 that says it has {length} bytes", one(length=length, version=b"\2\0")
    yield "a header of 60 000 blanks", one(header="{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }" + " " * 60_000)
    for version in (b"\0\0", b"\1\1", b"\4\0", b"\xff\xff"):
        yield f"version {version!r}", one(version=version)
    for magic in (b"\x93NUMPX", b"\x93numpy", b"NUMPY\x93", b""):
        yield f"an array that begins with {magic!r}", one(magic=magic)
    for size in (0, 1, 31, 33, 64, 1000):
        yield f"{size} bytes of numbers where 32 are promised", one(bytes(size))
    for width in (2, 4, 8):
        for value in NOT_FINITE:
            for at in (0, 3):
                numbers = np.arange(4.0).astype(f"<f{width}")
                numbers[at] = value
                yield f"{value} as the {at + 1}. number of {width} bytes", one(numbers.tobytes(), f"'<f{width}'")
    for flags in (0x1, 0x9, 0x41, 0x40, 0x2001, 0x2000):
        yield f"encrypted (flags {flags:#x})", lying(flags=flags)
    for method in (1, 2, 5, 6, 7, 9, 10, 12, 14, 19, 93, 95, 98, 99, 65535):
        yield f"packed by method {method}", lying(method=method)
    true = len(npy())
    for size in (0, 1, true - 1, true + 1, 2 * true, 10**6, 2 * 10**9, 2**32 - 1):
        yield f"promises {size} bytes for {true}, deflated", lying(size=size)
        yield f"promises {size} bytes for {true}, stored", lying(size=size, method=0)
    for size in (0, 1, 5, 10**6, 2**32 - 1):
        yield f"says it is packed in {size} bytes", lying(packed_size=size)
    for crc in (0, 1, 2**32 - 1):
        yield f"sum of checks {crc}", lying(crc=crc)
    packed = member("", npy(), 8)["packed"]
    for what, bad in (("empty", b""), ("cut", packed[:-3]), ("followed by more", packed + b"more"), ("noise", b"\xff" * 40),
                      ("twice", packed + packed), ("of a zlib stream", zlib.compress(npy())),
                      ("half", packed[:len(packed) // 2])):
        yield f"a packed member that is {what}", lying(packed=bad)
    for name in ("W_T1", "W_T1.NPY", "W_T1.npy/", "folder/", "data.pkl", "W_T1.npz", "W_T1.npy.txt", "", "W_T1.npy\0.txt"):
        yield f"a member named {name!r}", zipped([member(name, npy())])
    for name in (".npy", "a" * 201 + ".npy", "/" * 60_000 + ".npy"):
        yield f"a name of {len(name) - 4} characters", zipped([member(name, npy())])
    yield "a name that is no text", zipped([member(b"\xff\xfe.npy", npy(), flags=0x800)])
    yield "a name longer than the file", zipped([member("W_T1.npy", npy(), name_size=60_000)])
    yield "a name given twice", zipped([member("W_T1.npy", npy()), member("b1.npy", npy()), member("W_T1.npy", npy())])
    yield "a zip in the zip", zipped([member("W_T1.npy", whole)])
    yield "a zip beside an array", zipped([member("W_T1.npy", npy()), member("more.zip", whole)])
    yield "a pickle beside an array", zipped([member("W_T1.npy", npy()), member("data.pkl", b"\x80\x02}q\0.")])
    for what, lies in (("another name inside", {"local_name": b"W_T2.npy"}), ("a shorter name inside", {"local_name": b"W"}),
                       ("another method inside", {"local_method": 0}), ("no header inside", {"local_magic": b"PK\0\0"}),
                       ("no entry", {"magic": b"PK\0\0"}), ("on another disk", {"disk": 1}), ("past the end", {"at": 10**6}),
                       ("at the last place there is", {"at": 2**32 - 1}), ("at the directory", {"at": 0})):
        yield f"a member with {what}", lying(**lies)
    two = [member("W_S1.npy", npy()), member("W_T1.npy", npy())]
    yield "two members at one place", zipped([two[0], {**two[1], "at": 0}])
    yield "one member within another", zipped([{**two[0], "packed_size": 2 * true}, two[1]])
    for what, lies in (("one more member than there are", {"count": 3}), ("one member less", {"count": 1}),
                       ("no members", {"count": 0}),
                       ("65 535 members", {"count": 65535}), ("257 members", {"count": 257}), ("two counts", {"here": 1}),
                       ("a directory further on", {"shift": 1}), ("a directory further back", {"shift": -1}),
                       ("a directory at 4 GB", {"shift": 2**31}), ("a longer directory", {"directory_size": 10**6}),
                       ("a shorter directory", {"directory_size": 46}), ("a comment that is not there", {"comment_size": 5}),
                       ("a comment", {"comment": b"hello"}), ("another disk", {"disk": 1})):
        yield f"an end that speaks of {what}", zipped(two, **lies)
    yield "257 members", zipped([member(f"{k}.npy", npy()) for k in range(257)])
    yield "10 000 members", zipped([member(f"{k}.npy", b"") for k in range(10_000)])
    yield "a million and one numbers of a byte", zipped([member("W.npy", npy(bytes(1_000_001), "'|i1'", shape="(1000001,)"),
                                                                8)])
    yield "no members, but the beginning of one", zipped([], front=b"PK\3\4" + bytes(26))
    bomb = member("W_T1.npy", npy(bytes(8 * 10**6), shape="(1000, 1000)"), 8)
    yield "a bomb of 8 MB that promises 160 bytes", zipped([{**bomb, "size": 160}])
    yield "two members of a million numbers each", zipped([bomb, {**bomb, "name": "W_T2.npy"}])


# .safetensors


def tensors(header, body=b"", *, length=None, pad=b""):
    """A .safetensors file with this header: an object, or the very text or bytes."""
    text = header if isinstance(header, bytes) else (header if isinstance(header, str) else json.dumps(header)).encode()
    return ((len(text) + len(pad) if length is None else length) % 2**64).to_bytes(8, "little") + text + pad + body


def entry(dtype="F64", shape=(2, 2), span=(0, 32), **more):
    return {"dtype": dtype, "shape": list(shape) if isinstance(shape, tuple) else shape,
            "data_offsets": list(span) if isinstance(span, tuple) else span, **more}


def safetensors(given):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, array in given.items():
        header[name] = entry("F64", array.shape, (len(body), len(body) + array.nbytes))
        body += array.astype("<f8").tobytes()
    return tensors(header, body)


FOUR = np.arange(4.0).tobytes()


def hostile_safetensors():
    yield from unreadable()
    yield from cuts("safetensors")
    whole = good("safetensors")
    for other in ("npz", "json"):
        yield f"a good {other} file", good(other)
    for length in (0, 1, 2, 10, 100, 10**4, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**63 + 8, 2**64 - 1, 2**64 - 8):
        yield f"a header that says it has {length} bytes", tensors({"W_T1": entry()}, FOUR, length=length)
    yield "a header of 300 000 blanks", tensors({"W_T1": entry()}, FOUR, pad=b" " * 300_000)
    for tail in (b"\0", b"\n", FOUR, whole):
        yield f"{len(tail)} bytes after the end", whole + tail
        yield f"{len(tail)} bytes before the beginning", tail + whole
    for text in ("[]", "0", '"W"', "null", "", " {}", "{", "}", "{}}", '{"W_T1"}', '{"W_T1":}', "{'W_T1': 1}", '{"W_T1": 1,}',
                 "{,}",
                 "[" * 5000, "{" * 5000, '{"a":' * 3000 + "1" + "}" * 3000, '{"W_T1": NaN}', '{"W_T1": Infinity}', "{}", "{ }",
                 '{"W_T1": 1e999}', '{"W_T1": ' + "1" * 6000 + "}", '{"a" 1}', '{"a": tru}', '{"a": "\\x"}', '{"a": "\\u12"}',
                 '{"a\nb": 1}', '{"a": "' + "x" * 5000, "{}{}", '{"a": 1} x', "{} //", '{"__metadata__": {}}'):
        yield f"header {text[:30]!r} ({len(text)})", tensors(text, FOUR)
    text = json.dumps({"W_T1": entry()})
    for what, raw in (("in UTF-16", text.encode("utf-16")), ("with a mark before it", text.encode("utf-8-sig")),
                      ("in UTF-32", text.encode("utf-32")), ("with a zero byte", text.encode() + b"\0"),
                      ("with a byte that is no text", text.encode().replace(b"W", b"\xff")),
                      ("with half a character", text.encode().replace(b"W", b"\xed\xa0\x80"))):
        yield f"a header {what}", tensors(raw, FOUR)
    for bad in (1, None, [], "F64", True, {}, {"dtype": "F64"}, {"dtype": "F64", "shape": [2, 2]}, entry(more=1),
                {"shape": [2, 2], "data_offsets": [0, 32]}, {"dtype": "F64", "data_offsets": [0, 32]},
                {"Dtype": "F64", "shape": [2, 2], "data_offsets": [0, 32]}):
        yield f"an entry that is {json.dumps(bad)}", tensors({"W_T1": bad}, FOUR)
    for dtype in ("BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "C64", "C128", "F4", "F128", "f64", "float64", "F64 ", " F64", "",
                  "O",
                  "F", "<f8", "|O", "I128", "U128", "I4", "x" * 5000, "F64\0", 8, None, [], {}, True, ["F64"], 1.5):
        yield f"dtype {str(dtype)[:20]!r}", tensors({"W_T1": entry(dtype)}, FOUR)
    for shape in ((-2, -2), (2, -2), (2.0, 2), ("2", 2), (None, 4), (True, 4), ((2,), 2), (0, 4), (0,), (4, 0), (3,), (5,),
                  (2,), (),
                  (2, 2, 1), (1, 1, 1, 4), (1,) * 500 + (4,), (2**62, 2), (2**40, 2**40), (10**15, 4), (10**300,), "4", 4,
                  None, {},
                  {"0": 4}, "(2, 2)", (2, [2]), (float("nan"),), (1e999,)):
        yield f"shape {str(shape)[:30]}", tensors({"W_T1": entry(shape=shape)}, FOUR)
    for span in ((0, 31), (0, 33), (1, 32), (1, 33), (32, 0), (0, 0), (32, 32), (-32, 0), (-1, 31), (0, -1), (0.0, 32),
                 (0, 32.0),
                 ("0", 32), (None, 32), (False, 32), (0, 2**63), (2**64, 2**64 + 32), (0, 10**15), (0, 10**300), (), (0,),
                 (0, 16, 32), ([0], 32), "0,32", 32, None, {}, {"begin": 0, "end": 32}, (float("inf"), 32)):
        yield f"data_offsets {str(span)[:30]}", tensors({"W_T1": entry(span=span)}, FOUR)
    for first, second in (((0, 32), (0, 32)), ((0, 32), (16, 48)), ((0, 32), (40, 72)), ((0, 32), (33, 65)),
                          ((32, 64), (32, 64)),
                          ((0, 64), (32, 64)), ((0, 32), (31, 63)), ((0, 32), (32, 96)), ((4, 36), (36, 68))):
        yield f"arrays at {first} and {second}", tensors({"W_T1": entry(span=first), "W_T2": entry(span=second)}, FOUR + FOUR)
    twice = json.dumps(entry())
    yield "a name given twice", tensors(f'{{"W_T1": {twice}, "W_T1": {twice}}}', FOUR)
    yield "a name given twice, written differently", tensors(f'{{"W_T1": {twice}, "\\u0057_T1": {twice}}}', FOUR)
    yield "a field given twice", tensors('{"W_T1": ' + twice[:-1] + ', "dtype": "F32"}}', FOUR)
    yield "metadata given twice", tensors(f'{{"__metadata__": {{}}, "W_T1": {twice}, "__metadata__": {{}}}}', FOUR)
    for meta in (1, None, [], "text", {"a": 1}, {"a": None}, {"a": {}}, {"a": ["b"]}, entry()):
        yield f"metadata that is {json.dumps(meta)[:30]}", tensors({"__metadata__": meta, "W_T1": entry()}, FOUR)
    for name in ("", "a" * 201, "a" * 5000):
        yield f"a name of {len(name)} characters", tensors({name: entry()}, FOUR)
    for half in ("\\ud800", "\\udfff", "W\\ud83d"):
        yield f"a name with {half}", tensors(f'{{"{half}": {twice}}}', FOUR)
    patterns = {"BF16": ("<u2", (0x7F80, 0xFF80, 0x7FC0, 0x7F81)), "F16": ("<u2", (0x7C00, 0xFC00, 0x7E00, 0x7C01)),
                "F32": ("<u4", (0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001)),
                "F64": ("<u8", (0x7FF << 52, 0xFFF << 52, (0x7FF << 52) + 1, 0x7FF8 << 48))}
    for dtype, (width, values) in patterns.items():
        for value in values:
            body = np.array([0, 0, 0, value], width).tobytes()
            yield f"{dtype} with the bits {value:#x}", tensors({"W_T1": entry(dtype, span=(0, len(body)))}, body)
    many = {f"W{k}": entry("U8", (1,), (k, k + 1)) for k in range(257)}
    yield "257 arrays", tensors(many, bytes(257))
    yield "a million and one numbers of a byte", tensors({"W": entry("I8", (1_000_001,), (0, 1_000_001))}, bytes(1_000_001))
    yield "half an array", tensors({"W_T1": entry(span=(0, 16))}, FOUR[:16])


# .json


def json_text(given):
    return json.dumps({name: array.tolist() for name, array in given.items()}).encode()


def hostile_json():
    yield from unreadable()
    yield from cuts("json")
    whole = good("json")
    for other in KINDS[:2]:
        yield f"a good {other} file", good(other)
    for tail in (b"x", b"{}", b"\0", b",", b"]", whole, b"// comment"):
        yield f"{len(tail)} bytes after the end ({tail[:2]!r})", whole + tail
    for text in ("[]", "0", "null", "true", '"W"', "[[1]]", "NaN", "{", "}", "{}", " ", "\n", "{'W': [1]}", '{"W": [1,]}',
                 '{"W": [,1]}',
                 '{W: [1]}', '{"W": [1 2]}', '{"W" [1]}', '{"W": [1]]', '{"W": [[1}', '{"W": [1],}', '{"W": (1)}',
                 '{"W": [1];}', "W=1",
                 '{"W": [1] "b": [2]}', '["W", [1]]', '{"W": [1]} # x', "// x\n{}", '{"a": "\\x"}', '{"a": "\\u12"}',
                 '{"a\nb": [1]}',
                 '{"state_dict": {}}', '{"state_dict": []}', '{"state_dict": [[]]}', '{"state_dict": null}',
                 '{"state_dict": {"state_dict": {"W": [1]}}}', '{"state_dict": {"W": [1]}, "epoch": {}}',
                 '{"state_dict": {"W": [1]}, "b": [1]}', '{"state_dict": {}, "epoch": 3}', '{"state_dict": 3, "epoch": "3"}',
                 '{"state_dict": {"W": [1], "epoch": "3"}}', '{"epoch": "3"}'):
        yield f"text {text[:40]!r}", text.encode()
    for bad in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 400, "1" * 401, "0." + "1" * 400, "1" * 5000,
                "-" + "9" * 5000,
                "1e" + "9" * 300, "1e" + "9" * 5000, "+1", "01", ".5", "5.", "0x10", "1_000", "1,5.0.0", "1e", "--1", "1f",
                "nan", "inf",
                "-", "1e+", "１", "٣", "0b1", "1L", "true", "false", "null", '"1"', '""', '"NaN"', "{}", '{"a": 1}', "[]",
                "[[1]]",
                "[[[1]]]", "undefined", "None", "True", "1/2", "'1'"):
        yield f"{bad[:30]} alone ({len(bad)})", f'{{"W": [{bad}]}}'.encode()
        yield f"{bad[:30]} in a row ({len(bad)})", f'{{"W": [[1, 2], [3, {bad}]]}}'.encode()
    for value in ('[[1, 2], [3]]', '[[1], [2, 3]]', '[[1], []]', '[[], [1]]', '[[], []]', '[[]]', '[]', '[[1], 2]', '[1, [2]]',
                  '[[[1]]]',
                  '[[[[1]]]]', '[[1, [2]]]', '[[1], [[2]]]', '[[1], null]', '[[1], {}]', '[null]', '{}', 'null', 'true',
                  '"1 2 3"',
                  '{"0": [1]}', '[[1, 2], [3, 4], [5, 6, 7]]', '[[1, 2], "34"]', '[[true]]', '[[1, true]]', '[{}]', '[[{}]]',
                  '""'):
        yield f"W is {value}", f'{{"W": {value}}}'.encode()
    for deep in (10, 100, 1000, 10_000, 100_000):
        yield f"{deep} brackets within each other", b'{"W": ' + b"[" * deep + b"1" + b"]" * deep + b"}"
        yield f"{deep} open brackets", b'{"W": ' + b"[" * deep
        yield f"{deep} braces within each other", b'{"a":' * deep + b"1" + b"}" * deep
        shut = b"]" * deep
        yield f"{deep} brackets, and a name that would close them", b'{"' + shut + b'": ' + b"[" * deep + b"1" + shut + b"}"
    yield "a name given twice", b'{"W": [1], "W": [1]}'
    yield "a name given twice, written differently", b'{"W": [1], "\\u0057": [1]}'
    yield "a name given twice further in", b'{"state_dict": {"W": [1], "b": [0], "W": [2]}}'
    yield "state_dict given twice", b'{"state_dict": {"W": [1]}, "state_dict": {"W": [1]}}'
    for half in ("\\ud800", "\\udfff", "W\\ud83d", "\\udc00\\ud800"):
        yield f"a name with {half}", f'{{"{half}": [1]}}'.encode()
    for encoding in ("utf-16", "utf-16-le", "utf-32", "cp500"):
        yield f"written in {encoding}", '{"Wä": [1]}'.encode(encoding)
    yield "written in Latin-1", '{"Wä": [1]}'.encode("latin-1")
    yield "two marks before it", b"\xef\xbb\xbf\xef\xbb\xbf" + whole
    yield "half a character", b'{"W\xed\xa0\x80": [1]}'
    yield "bytes that are too long for their character", b'{"W\xc0\xaf": [1]}'
    yield "a zero byte in a name", b'{"W\0": [1]}'
    for name in ("", "a" * 201, "a" * 50_000):
        yield f"a name of {len(name)} characters", json.dumps({name: [1]}).encode()
    yield "257 arrays", json.dumps({f"W{k}": [1] for k in range(257)}).encode()
    yield "2 000 texts", json.dumps({"W": ["1"] * 2000}).encode()


WRITERS = {"npz": npz, "safetensors": safetensors, "json": json_text}
HOSTILE = {"npz": hostile_npz, "safetensors": hostile_safetensors, "json": hostile_json}


@cache
def hostile_files(kind):
    """[(what is wrong, bytes)] of files of this kind, at least 150, no two alike; every one must be refused."""
    files = {}
    for what, data in HOSTILE[kind]():
        files.setdefault(data, what)
    return [(what, data) for data, what in files.items()]


# The worst: what a reader must see through before it unpacks or parses anything.


def filled(start, piece, end=b""):
    """16 MB of one piece between a start and an end."""
    return start + piece * ((MOST - len(start) - len(end)) // len(piece)) + end


def worst_files(kind):
    """(what, bytes, whether it must be refused) of large or lying files, one at a time: together they would fill the memory."""
    if kind == "npz":
        zeros = zlib.compressobj(9, zlib.DEFLATED, -15)
        stream = b"".join(zeros.compress(bytes(2**20)) for _ in range(256)) + zeros.flush()
        for size in (160, 8 * 10**6, 2**28, 2 * 10**9):
            yield (f"a stream of 256 MB that promises {size:,} bytes",
                   zipped([member("W.npy", b"", 8, packed=stream, packed_size=len(stream), size=size)]), True)
        small = npy(bytes(2_400_000), shape="(250000000,)")
        yield "2.6 kB that promise 2 GB", zipped([member("W.npy", small, 8, size=2 * 10**9)]), True
        yield "2.6 kB whose header promises 2 GB", zipped([member("W.npy", small, 8)]), True
        yield "a header that promises 2 GB", one(bytes(2500), shape="(500000, 500)"), True
        deflated = member("W0.npy", npy(bytes(8 * 10**6), shape="(1000, 1000)"), 8)
        yield "256 names for one member of 8 MB", zipped([deflated] + [{**deflated, "name": f"W{k}.npy", "at": 0}
                                                                       for k in range(1, 256)]), True
        entries = zipped([member("W.npy", npy())])
        directory = entries[-22 - 51:-22] * (MOST // 51 - 10)
        yield ("a directory of 300 000 members", entries[:-73] + directory
               + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(directory), len(entries) - 73, 0), True)
        many = npy(bytes(MOST - 400), "'|u1'", shape=f"({MOST - 400},)")
        yield "16 MB of numbers of a byte", zipped([member("W.npy", many)]), True
        yield "one byte too many", bytes(MOST + 1), True
        yield "a million numbers", zipped([member("W.npy", npy(bytes(8 * 10**6), shape="(1000, 1000)"), 8)]), False
    if kind == "safetensors":
        for length in (2**63, 2**64 - 1, 2**63 - 1, MOST - 8):
            yield f"a header that says it has {length:,} bytes", tensors("{}", bytes(MOST - 10), length=length), True
        for piece in (b"[],", b"[", b'{"a":', b'"",', b"9", b"[" * 4 + b"]" * 4 + b","):
            text = b'{"W":[' + piece * (199_000 // len(piece))
            yield f"a header full of {piece[:8]!r}", tensors(text, bytes(MOST - 8 - len(text))), True
        yield "shapes beyond all numbers", tensors({"W": entry("U8", (10**15,) * 2, (0, MOST - 200))}, bytes(MOST - 200)), True
        yield "16 MB of numbers of a byte", tensors({"W": entry("U8", (MOST - 200,), (0, MOST - 200))}, bytes(MOST - 200)), True
        yield "one byte too many", bytes(MOST + 1), True
        yield "a million numbers", tensors({"W": entry("F64", (1000, 1000), (0, 8 * 10**6))}, bytes(8 * 10**6)), False
    if kind == "json":
        for piece in (b"[],", b"[[],[]],", b"[", b"{},", b'{"a":', b'"",', b'"a",', b'"\\u0000",', b"1,", b"1e5,", b"null,",
                      b"true,",
                      b"[1],", b"[[1]],", b"]", b"9", b"0.", b" ", b"\\", b'\\"', b'"', b"-", b",", b"\xff",
                      b"\xf0\x9f\x98\x80"):
            yield f"a list full of {piece[:10]!r}", filled(b'{"W":[', piece), True
        for piece in (b"]", b"[", b"a", b"\\\\", b"\\u0041", b"\xf0\x9f\x98\x80", b"\xc3\xa9"):
            yield f"a name full of {piece[:10]!r}", filled(b'{"', piece, b'":[1]}'), True
        yield "200 000 rows of nothing", b'{"W":[' + b"[]," * 199_999 + b"[]]}", True
        yield "200 000 rows of five numbers", b'{"W":[' + b"[0.1234567,1,2,3.5,4]," * 199_999 + b"[1,2,3,4,5]]}", False
        yield "a million rows of one number", b'{"W":[' + b"[0.123456]," * 999_999 + b"[1]]}", True
        yield "a million numbers", b'{"W":[' + b"0.1234567890123," * 999_999 + b"1]}", False
        yield "one byte too many", b" " * (MOST + 1), True


# Mutations.


def mutated(kind, seed):
    """A good file of this kind, changed at random: the same for the same seed. It may still be good.

    Half of the .npz files are changed within a member and sealed anew, or no change would get past the sum of checks.
    """
    rng = random.Random(f"{kind} {seed}")
    given = arrays()
    if kind != "npz" or rng.random() < 0.5:
        return changed(rng, good(kind, given))
    members = [[name + ".npy", npy_of(array)] for name, array in given.items()]
    spoilt = rng.choice(members)
    head, body = spoilt[1][:90], spoilt[1][90:]
    spoilt[1] = changed(rng, head) + body if rng.random() < 0.7 else head + changed(rng, body)
    return zipped([member(name, raw, rng.choice((0, 8))) for name, raw in members])


def changed(rng, data):
    """One to four changes: flipped bits, other bytes, cuts, splices, repeated or swapped regions, other lengths and digits."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, other = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
        which = rng.randrange(9)
        if which == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif which == 1 and data:
            data[min(at, len(data) - 1)] = rng.randrange(256)
        elif which == 2:
            del data[at:at + rng.choice((1, 2, 8, other - at))]
        elif which == 3:
            data[at:at] = data[other:other + rng.randrange(64)]
        elif which == 4:
            data[at:at] = data[at:other] * rng.choice((1, 2, 5))
        elif which == 5:
            width = rng.choice((2, 4, 8))
            number = rng.choice((0, 1, 2**(8 * width) - 1, 2**(8 * width - 1), rng.randrange(2**(8 * width)),
                                 rng.randrange(300)))
            data[at:at + width] = number.to_bytes(width, "little")
        elif which == 6:
            data[at:at] = rng.choice((b"NaN", b"1e999", b"[", b"]", b"{", b'"', b",", b"null", b"\\ud800", b"-", b"9" * 30,
                                      b"O"))
        elif which == 7:
            digits = [i for i, c in enumerate(data) if 48 <= c < 58]
            if digits:
                data[rng.choice(digits)] = rng.choice(b"0123456789")
        else:
            data[at:other] = bytes(data[at:other])[::-1]
    return bytes(data)


# What a person may be shown.


def not_plain(sentence):
    """What is wrong with a sentence that refuses a file, or None: it must be one line, short, and without a library's words."""
    if not 10 <= len(sentence) <= 300 or not sentence.isprintable():
        return "its length or its characters"
    unquoted = re.sub('"[^"]*"', "", sentence)  # a name from the file may say what it likes
    found = re.search(r"Traceback|Error|Exception|errno|0x|numpy|np\.|zlib|zipfile|struct|json\.|pickle|object at|<class|"
                      r"line \d+, in|(^|\s)(/\w|[A-Z]:\\|~/)", unquoted)
    return found and found[0]
