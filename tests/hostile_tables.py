"""Tables that must be refused, tables that are good in every dialect, and good ones with something done to their bytes."""

import random

NO_NUMBERS = (
    "", " ", "x", "nan", "NaN", "inf", "-inf", "Infinity", "1e999", "-1e999", "1e99999", "true", "False", "None", "NA", "N/A",
    "#N/A", "-", "+", ".", "e5", "1e", "1e+", "--1", "+-1", "1.2.3", "1..2", "12%", "$5", "5 €", "1 000", "1\u00a0000",
    "1\u2009000", "1'000", "1_000", "0x1F", "1d5", "1/2", "1:30", "2020-01-01", "01.02.2020", "1+2j", "=1+1", "@SUM(1)",
    "１２", "٣", "½", "²", "∞", "\u202e5", "5\u200b", "# 5", "<b>5</b>", "' 5'", '""', '"x"', '"1"2', '5" pipe, 6" pipe', "\\5",
    "1e1.5", "Ⅷ", "5,5,5.5", "NULL", "–5", "💥", "é",
)
LAYOUTS = {  # where a cell that is no number stands
    "commas": "a,b\n1.5,2\n3,{}\n4,5\n",
    "semicolons": "a;b\n1,5;2\n{};2,5\n",
    "tabs, no header": "1.5\t2\n3\t{}\n",
    "one column": "spots\n1.5\n{}\n2.5\n",
}
MALFORMED = {
    "nothing": "", "blanks": " \t ", "line ends": "\r\n\r\n", "only a header": "a,b\n", "only a name": "spots",
    "a hole first": ",1\n2,3",
    "an empty row within": "1\n\n2", "a row of blanks within": "1,2\n  \n3,4", "an empty row first": "\n1\n2",
    "too short": "a,b,c\n1,2,3\n4,5\n", "too long": "a,b\n1,2\n3,4,5\n", "a title": "My data\na,b\n1,2\n",
    "a longer header": "a,b,c\n1,2\n3,4",
    "a shorter header": "a,b\n1,2,3\n4,5,6", "a separator ends some rows": "1,2,\n3,4\n",
    "a separator ends all but the header": "a,b\n1,2,\n3,4,\n",
    "ends with half a row": "a,b\n1,2\n3", "mixed separators": "a,b\n1;2\n3,4", "mixed decimal signs": "1,5;2.5\n3,5;4.5",
    "two columns or one": "1,5\n2,7", "two columns or one, one row": "1,5", "bits or decimals": "0,1\n1,0",
    "grouped by blanks": "1 000\n2 000", "grouped by blanks, decimals": "12 345.5\n2 000.25",
    "grouped by blanks, a header": "sun spots\n1 000\n2 500",
    "grouped by blanks twice": "1 000 2 000\n3 500 4 500", "grouped at the end": "5 1 000\n6 2 000",
    "grouped by commas": "1,234,567\n2,345,678",
    "grouped with decimals": "1,234.5\n2,345.5", "grouped, then blanks": "1,234, 2,345\n3,456, 4,567",
    "decimal commas, then blanks": "1,5, 2,5\n3,5, 4,5",
    "grouped with decimals, two columns": "1,234.50,2,345.60\n3,456.70,4,567.80", "grouped by points": "1.000,5\n2.000,7",
    "grouped by points, one row": "1.234,56", "grouped by points, three digits": "1.000,500\n2.000,700",
    "grouped by commas, two columns": "1,500,2,500\n3,500,4,500", "grouped, then plain": "1 234 5\n2 345 6",
    "decimal commas, then a comma": "1,5,\n2,5,", "grouped by commas, then a comma": "1,234,\n5,678,",
    "decimal commas, then plain": "1,5, 2\n3,5, 4",
    "a comma between names, one column": "x,y;\n1,2;\n3,4;\n", "a comma between names": "x,y;z\n1,2;3\n4,5;6",
    "a zero in front": "5,007\n6,008", "a comment within": "a,b\n1,2\n# half\n3,4",
    "a comment first": "# made by hand\na,b\n1,2", "a comment last": "1,2\n3,4\n#end",
    "a quote not closed": 'a,b\n"1,2\n3,4', "three quotes": '"a"",b\n1,2', "a quote inside": 'a,b\n1,2"3"\n',
    "a quote inside the header": 'a" x,b" y,c\n1,2\n',
    "a quote after a letter": 'a,b\nx"1,2",3\n', "text after a quote": '"1"2,3\n4,5', "a quoted hole": '"",1\n2,3',
    "a quoted line end": 'a\n"1\n2"\n',
    "quoted decimals between commas": '"1,5","2,5"\n"3,5","4,5"', "pipes": "1|2\n3|4", "colons": "1:2\n3:4",
    "slashes": "1/2\n3/4", "a JSON array": "[[1, 2], [3, 4]]",
    "a JSON object": '{"a": [1, 2]}', "HTML": "<table><tr><td>1</td></tr></table>", "a script": "<script>\nalert(1)\n</script>",
    "Python": "import os\nos.getcwd()",
    "LaTeX": "1 & 2 \\\\\n3 & 4", "Markdown": "| a | b |\n| --- | --- |\n| 1 | 2 |", "a formula": "=1+1\n2",
    "dates": "day,x\n2020-01-01,5\n2020-01-02,6",
    "dates, no header": "2020-01-01;5\n2020-01-02;6", "months by name": "Jan,1\nFeb,2", "a name last": "1\n2\nthree",
    "only text": "a,b\nc,d",
    "513 columns": ",".join(["1"] * 513), "513 names": ",".join(["a"] * 513) + "\n" + ",".join(["1"] * 513),
    "513 blanks": " ".join(["1"] * 513),
    "10 001 rows": "1\n" * 10_001, "10 001 rows and a header": "a\n" + "1\n" * 10_001, "a million rows": "1,2\n" * 1_000_000,
    "too many numbers": (",".join(["1"] * 101) + "\n") * 10_000, "one long row": "1" * 300_000,
    "one long name": "a" * 300_000 + "\n1",
    "a million commas": "," * 1_000_000, "a million quotes": '"' * 1_000_000, "a million blanks and one": " " * 1_000_000 + "x",
    "nested quotes": '"' * 999 + "1" + '"' * 999,
    "a NUL": "a,b\n1,\0002", "a bell": "a\n\a1", "a vertical tab": "1\v2", "a form feed": "1\f2", "a file separator": "1\x1c2",
    "a next line": "1\x852",
    "a mark within": "1\n\ufeff2", "no character": "1\n\uffff", "a line separator": "1\u20282\n3", "an escape": "\x1b[31m1",
}
BYTES = {
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01", "a zip": b"PK\x03\x04\x14\0\0\0\x08\0",
    "a gzip": b"\x1f\x8b\x08\0\0\0\0\0", "a pickle": b"\x80\x04K\x01.",
    "an .npy": b"\x93NUMPY\x01\0v\0{'descr': '<f8'}", "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    "UTF-16 without its mark": "a\n1\n".encode("utf-16-le"),
    "UTF-16, odd": b"\xff\xfe1\0\n", "UTF-16, half a pair": b"\xff\xfe\x3d\xd8", "UTF-32": "a\n1\n".encode("utf-32"),
    "a mark, then no UTF-8": b"\xef\xbb\xbf\xff\n1",
    "only a mark": b"\xef\xbb\xbf", "only the mark of UTF-16": b"\xfe\xff", "no Windows-1252": b"a\x81\n1",
    "UTF-8 of a surrogate": b"\xed\xa0\x80\n1\x81", "two marks": b"\xef\xbb\xbf" * 2 + b"1",
    "EBCDIC": b"\xf1\x6b\xf2\x15\xf3\x6b\xf4", "noise": random.Random(1).randbytes(4000),
    "noise of ones and zeros": random.Random(2).randbytes(200_000),
    "Shift-JIS": "年,数\n1,２\n".encode("shift-jis"), "too large": b"1\n" * (8 * 2**20 + 1),
}


def hostile_tables():
    """(name, bytes) of tables that must be refused, whatever is left to be recognised."""
    for layout, text in LAYOUTS.items():
        for cell in NO_NUMBERS:
            yield f"{layout}: {cell!r}", text.format(cell).encode("utf-8", "surrogatepass")
    for name, text in MALFORMED.items():
        yield name, text.encode("utf-8", "surrogatepass")
    yield from BYTES.items()


GOOD = (
    b"a,b,c\n1.5,2,-3e-5\n4,5.25,6\n.5,7.,+8\n", b"a;b\n1,5;2\n-3,25;4e3\n", b"x\ty\r\n1.5\t2\r\n3\t4\r\n",
    b"1 2.5 3\n4 5.5 6\n7 8.5 9\n", b"  1   2\n 10  20\n",
    b"1,2\n3,4\n5,6\n", b"spots\n58.0\n62.6\n70\n", b"58,0\n62,6\n7\n", b'"a, b","c\nd"\n"1.5","2"\n3,"4"\n',
    b'"a";"b"\n"1,5";"2"\n', b"a,b,\n1,2,\n3,4,\n\n\n",
    "größe;τ\n1,5;−2\n3;4\n".encode(), "größe;n\n1,5;2\n".encode("cp1252"), "a\tb\n1\t2\n3\t4\n".encode("utf-16"),
    b"\xef\xbb\xbfa,b\n1,2\n", b"a\r1\r2\r",
    b"1,234;5,678\n2,000;3,125\n", b"n,x1,x2,x3\n1,0.1,0.2,0.3\n2,0.4,0.5,0.6\n3,0.7,0.8,0.9\n",
)
INSERTED = (b"\n", b"\r", b",", b";", b"\t", b" ", b'"', b'""', b".", b"-", b"e", b"0", b"000", b"\n\n", b"nan", b"1e999",
b"\0", b"\xff", b"\xc3", b"\xe2\x88\x92",
            b"\xef\xbb\xbf", b"#", b"=", b"x", b", ", b"1,5", b'"1,5"')


def mutated_table(seed):
    """The bytes of a good table after one to four accidents: flipped bytes, cuts, splices, separators swapped."""
    rng = random.Random(seed)
    data = rng.choice(GOOD)
    for _ in range(rng.randint(1, 4)):
        i, j = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        kind = rng.randrange(8)
        if kind == 0 and data:
            i = min(i, len(data) - 1)
            data = data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) + data[i + 1:]
        elif kind == 1:
            data = data[:i] + data[j:]
        elif kind == 2:
            data = data[:j]
        elif kind == 3:
            other = rng.choice(GOOD)
            data = data[:i] + other[rng.randrange(len(other)):]
        elif kind == 4:
            data = data[:j] + data[i:]
        elif kind == 5:
            old, new = rng.sample((b",", b";", b"\t", b" ", b".", b"\n", b"\r\n", b'"', b""), 2)
            data = data.replace(old or b"\r", new, rng.choice((1, -1)))
        else:
            data = data[:i] + rng.choice(INSERTED) + data[i:]
    return data
