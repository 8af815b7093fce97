"""Tables of numbers as text (CSV), pasted or uploaded: in, with what was recognised in words, and out.

A row is a line, or several where quotes hold a line break. Cells are divided by tabs, semicolons, commas or runs of blanks,
or there is one a row; blanks and quotes may surround a cell. A cell is a plain finite number, or the table is refused; a
comment is a cell like any other.

What is not given is recognised. Every separator that stands in the table, tab, semicolon, comma, blank, in this order, and
then none, is tried with decimal points and with decimal commas (both commas only where that is asked for). A reading fits
if every row has as many cells as row 1 and every cell below the header is a number; the first that fits is taken.
- Decimal commas have digits on both sides unless semicolons divide the cells: "1, ,2" has a hole.
- Row 1 is a header if a cell of it is a name: not empty, and nothing that may be data ("5", "2020-01", "12%", "nan", "-").
- Two readings that fit with different numbers are refused with what to choose: "1,5" on every row, without a header.
- So are rows that may all be fewer numbers, grouped by threes or with decimal commas: "1 234 5", "1,234.5", "1.000,5".
- So are decimal commas below a header with a comma outside quotes, "x,y;z": it may divide columns there.
- Decimal signs that all stand before three digits, "1,234;5,678", are taken as decimal signs, and that is said.
"""

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass

import numpy as np

from .own import LONGEST_NAME, MAX_ROWS, MAX_SIDE, MOST_NUMBERS, NUMBER, Table

MOST_BYTES = 16 * 2**20
MOST_QUOTES = 4 * MOST_NUMBERS
LONGEST_ROW = 200_000  # characters: 1e-308 written out without an exponent has 330
SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", " ": "blanks", "": "nothing"}
DECIMALS = {".": "point", ",": "comma"}
ENCODINGS = (  # the mark a file begins with, how it is decoded, how it is called
    (BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"), (BOM_UTF16_LE, "utf-16", "UTF-16"),
    (BOM_UTF16_BE, "utf-16", "UTF-16"), (b"", "utf-8", "UTF-8"), (b"", "cp1252", "Windows-1252"),
)
CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
PRINTABLE = "\t\n\r" + "".join(map(chr, range(32, 127)))
HIDDEN = dict(zip("\t;, \n", "\1\2\3\4\5", strict=True))  # what divides, and what stands for it inside quotes
EDGE = "\6"  # stands between cells that are looked at together
BROKEN = "\7"  # stands for a cell with a quote where none may be

# As own.NUMBER, with either decimal sign, a real minus sign and blanks around. Possessive: it looks at no digit twice.
PLAIN = {sign: re.compile(rf"\s*+[-+−]?(?:[0-9]++(?:[{sign}][0-9]*+)?|[{sign}][0-9]++)(?:[eE][-+−]?[0-9]{{1,4}})?\s*+")
         for sign in DECIMALS}
# No name: no letter, or a digit before the first; a word for a number, for a hole or for true and false.
NO_NAME = re.compile(r"[\W_]*(?:\d.*)?|[-+−]?(?:nan|inf|infinity)|#?n/?a|#\S+[!?]|null|none|nil|true|false",
                     re.DOTALL | re.IGNORECASE)
# Rows of numbers that may be fewer. GROUP: a number grouped by threes in it, "1,234.5" or "1 234"; no blank follows its comma.
GROUP = {mark: re.compile(rf"(?:^|{start})[-+−]?[1-9][0-9]{{0,2}}{mark}[0-9]{{3}}(?=[.,\s]|$)")
         for mark, start in {",": r",\s*+", " ": r"[,\s]"}.items()}
COMMAS = "[-+−]?(?:[1-9][0-9]{0,2}(?:[.][0-9]{3})++|[0-9]++)(?:,[0-9]++)?(?:[eE][-+−]?[0-9]{1,4})?"
COMMAS = re.compile(rf"(?=.*[0-9],[0-9]){COMMAS}(?:,\s++{COMMAS})*+")  # "1.000,5", "1,5, 2"
HOLE = re.compile(",(?:(?<![0-9],)|(?![0-9]))")  # beside a comma, as in ",1" and "1, ,2"
ZEROS = {mark: re.compile(f"{mark}(?<=[0-9]{mark})0[0-9]{{2}}(?![0-9])") for mark in GROUP}  # "5 1 000": one such row is enough
WHOLE, SOME = re.compile(r"\s*[-+−]?[0-9]+\s*"), re.compile("[^eE1-9]*[1-9]")
LONG_EXPONENT = re.compile("[eE][-+]?[0-9]{5}")
THREE = re.compile(r"\s*[-+−]?[1-9][0-9]{0,2}[.,][0-9]{3}\s*")


@dataclass(frozen=True, eq=False)
class Read:
    """A table, and what was recognised in its text.

    separator: "," ";" tab " " (runs of blanks) or "" (one cell a row); decimal: "." or ","; header: whether row 1 is names;
    encoding: as a person says it, "" of a text; left_out: names of the columns left out; remarks: sentences on all of it.
    """

    table: Table
    separator: str
    decimal: str
    header: bool
    encoding: str
    left_out: tuple
    remarks: tuple


def read_table(data, *, separator=None, decimal=None, header=None, without=()):
    """The Read of a table in a text or in bytes: UTF-8, UTF-16 with its mark or Windows-1252, at most 16 MB.

    separator, decimal, header: None to recognise it. without: columns to leave out, counted from 1, such as one of dates.
    Raises ValueError with one sentence of at most 300 characters: no text, too large, rows of different lengths, two ways
    to read it, and every cell that is no plain number (a hole, text, nan, 1e999, 12%), by row and column as in the file.
    """
    for name, value, choices, words in (
            ("separator", separator, tuple(SEPARATORS), "a tab, a semicolon, a comma, a blank or nothing"),
            ("decimal", decimal, tuple(DECIMALS), "a point or a comma"), ("header", header, (True, False), "there or not")):
        if value is not None and value not in choices:
            raise ValueError(f'{name} is "{shown(str(value))}"; it must be {words}')
    text, encoding = decoded(data)
    rows, empty = rows_of(text)
    readings = [reading for mark, signs in styles(rows, separator, decimal).items()
                for reading in readings_by(mark, signs, rows, header, frozenset(without))]
    best = min(readings, key=lambda reading: (reading.faults, reading.beyond is not None))  # it fits, or nearly
    if best.beyond is not None:
        raise ValueError(f"column {shown(str(best.beyond))} cannot be left out; the table has {best.cells.shape[1]}")
    if best.faults:
        raise ValueError(best.problem)
    sample = f'"{shown(bare(rows[best.header][:400]))}"'
    for other in readings:
        if not other.faults and other.beyond is None and not np.array_equal(other.numbers, best.numbers):
            raise ValueError(f"{sample} may be {best.style}, or {other.style}; choose the separator")
    if separator is decimal is None and best.decimal == "," and best.header and "," in rows[0] and \
            any("," in row for row in rows[1:]):
        raise ValueError(f"the commas of {sample} may be decimal signs, or divide columns as in the header, which has commas "
                         "outside quotes; choose the separator or the decimal sign")
    if separator is None and may_be_fewer(rows, best, decimal):
        raise ValueError(f"{sample} may be {best.style}, or fewer numbers, grouped by threes or with decimal commas; "
                         "choose the separator")
    names = unique([shown(cell, LONGEST_NAME) for cell in best.cells[0]] if best.header else [""] * best.cells.shape[1])
    return Read(Table([names[c] for c in best.kept], best.numbers), best.separator, best.decimal, best.header, encoding,
                tuple(name for c, name in enumerate(names) if c not in best.kept),
                tuple(remarks(best, encoding, empty, names)))


# From bytes to rows.


def decoded(data):
    """(text, how it was encoded), lines ending in line feeds. Raises ValueError on what is no text, and on too much of it."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"the table has {len(data):,} bytes; it may have {MOST_BYTES:,}")
    text, encoding = (data.removeprefix("\ufeff"), "") if isinstance(data, str) else unmarked(bytes(data))
    control = CONTROL.search(left_of(text, PRINTABLE) if text.isascii() else text)
    if control:
        raise ValueError(f"the table holds the character U+{ord(control[0]):04X}; it must be plain text, "
                         "in UTF-8, in UTF-16 with a byte order mark or in Windows-1252")
    return text.replace("\r\n", "\n").replace("\r", "\n"), encoding


def unmarked(data):
    """(text, how it was encoded) of bytes, without their byte order mark."""
    for mark, codec, name in ENCODINGS:
        if data.startswith(mark):
            try:
                return data.decode(codec), name
            except UnicodeDecodeError:
                if mark:
                    break
    raise ValueError("the table is no text in UTF-8, UTF-16 or Windows-1252")


def rows_of(text):
    """(rows, how many empty ones at the end were passed over). Inside quotes, what divides is hidden."""
    if not text.strip():
        raise ValueError("the table is empty")
    end = text.find("\n", len(text.rstrip(" \t\n")))
    empty = text.count("\n", end) - 1 if end >= 0 else 0
    text = text[:end] if end >= 0 else text
    lines, quotes = text.count("\n") + 1, text.count('"')
    if lines > MAX_ROWS + 1:
        raise ValueError(f"the table has {lines:,} lines; it may have {MAX_ROWS:,} rows and a header")
    if quotes > MOST_QUOTES or quotes % 2:
        raise ValueError(f"the table holds {quotes:,} quotes; it may hold {MOST_QUOTES:,}" if quotes > MOST_QUOTES else
                         "a quote is opened and not closed")
    parts = text.split('"')
    if quotes:
        inside = "\0".join(parts[1::2])
        for plain, hidden in HIDDEN.items():
            inside = inside.replace(plain, hidden)
        parts[1::2] = inside.split("\0")
    rows = '"'.join(parts).split("\n")
    hole = next((r for r, row in enumerate(rows, 1) if not row.strip()), None)
    if hole:
        raise ValueError(f"row {hole} is empty; every row must hold numbers")
    longest = max(map(len, rows))
    if longest > LONGEST_ROW:
        raise ValueError(f"a row has {longest:,} characters; it may have {LONGEST_ROW:,}")
    return rows, empty


# From rows to readings.


@dataclass(frozen=True, eq=False)
class Reading:
    """Rows read in one way. faults: how many rows or cells do not fit, and then problem: why, in a sentence.

    cells (rows, columns), of text, the header's among them; kept: columns that are not left out, counted from 0;
    numbers (rows below the header, kept columns); closed: whether a separator ends every row; beyond: a column that is to be
    left out and does not exist.
    """

    separator: str
    decimal: str
    faults: int
    problem: str
    header: bool = False
    cells: np.ndarray = None
    kept: list = ()
    numbers: np.ndarray = None
    closed: bool = False
    beyond: int = None

    @property
    def style(self):
        columns = self.cells.shape[1]
        return plural(columns, "column") + (f" divided by {SEPARATORS[self.separator]}" if columns > 1 else "") + \
            f", decimal {DECIMALS[self.decimal]}s"


def styles(rows, separator, decimal):
    """{separator: its decimal signs}, all that are to be tried, in order."""
    if separator is None:
        alone = PLAIN[","].fullmatch(rows[0]) or not any(mark in rows[0] for mark in "\t;,")
        marks = [mark for mark in "\t;, " if any(mark in row.strip(" ") for row in rows)] + [""] * bool(alone)
        marks = [mark for mark in marks if not (mark == " " and "\t" in marks or mark == decimal and alone)]
    else:
        marks = [separator]
    if decimal:
        return {mark: [decimal] for mark in marks}
    commas = any("," in row or HIDDEN[","] in row for row in rows)
    hole = separator is None and any(HOLE.search(row) for row in rows)
    signs = ",." if "," in rows[-1] else ".,"  # the likely one first, since no other is tried if it fits
    return {mark: [sign for sign in signs if sign == "." or commas and mark != "," and (mark == ";" or not hole)]
            for mark in marks}


def readings_by(mark, signs, rows, header, without):
    """The readings of rows divided by one separator, by each decimal sign up to one that fits, or why there is none."""
    closed = bool(mark.strip(" ")) and all(row.rstrip(" ").endswith(mark) and row.strip(" ") != mark for row in rows)
    if closed:
        rows = [opened(row) for row in rows]
    widths = [width(row, mark) for row in rows]
    problem = misshapen(widths)
    if problem:
        return [Reading(mark, sign, sum(n != widths[0] for n in widths) or len(rows), problem) for sign in signs[:1]]
    cells = split(rows, mark).reshape(len(rows), widths[0])
    beyond = next((c for c in without if c not in range(1, widths[0] + 1)), None)
    kept = [c for c in range(widths[0]) if c + 1 not in without]
    if not kept:
        faults = 1 if widths[0] > 1 else len(rows)
        return [Reading(mark, signs[0], faults, "all columns are left out; at least one must stay")]
    header = has_header(cells, kept) if header is None else header
    readings = []
    for sign in signs:
        readings.append(judged(mark, sign, header, cells, kept, closed, beyond))
        if not readings[-1].faults:
            break
    return readings


def opened(row):
    """The row without the separator that ends it."""
    return row.rstrip(" ")[:-1]


def width(row, mark):
    """How many cells a row has."""
    return len(blank_split(row)) if mark == " " else row.count(mark) + 1 if mark else 1


def blank_split(text):
    """The cells that runs of blanks and tabs divide; no other blank does."""
    return text.split() if text.isascii() else [cell for cell in text.replace("\t", " ").split(" ") if cell]


def misshapen(widths):
    """Why rows of so many cells are no table, or ""."""
    columns = widths[0]
    odd = next((r for r, n in enumerate(widths, 1) if n != columns), None)
    if columns > MAX_SIDE:
        return f"row 1 has {columns:,} cells; it may have {MAX_SIDE}"
    if odd:
        return f"row {odd:,} has {plural(widths[odd - 1], 'cell')}; row 1 has {columns}"
    if columns * len(widths) > MOST_NUMBERS + columns:
        return f"the table has {columns * len(widths):,} cells; it may have {MOST_NUMBERS:,} numbers"
    return ""


def split(rows, mark):
    """The cells (rows, columns) of rows that have equally many, as text without quotes."""
    import pandas as pd

    cells = pd.read_csv(io.StringIO("\n".join(rows)), sep={" ": r"\s+", "": EDGE}.get(mark, mark), header=None, dtype=str,
                        na_filter=False, skip_blank_lines=False, quoting=csv.QUOTE_NONE).to_numpy(object)
    quotes = any('"' in row for row in rows)
    return np.array([[unquoted(cell) for cell in row] for row in cells], object) if quotes else cells


def bare(text):
    """The text with what its quotes hid."""
    for plain, hidden in HIDDEN.items():
        text = text.replace(hidden, plain)
    return text


def unquoted(cell):
    """The cell without the quotes around all of it, and with what they hid; BROKEN if a quote stands elsewhere."""
    if '"' not in cell:
        return cell
    cell = cell.strip()
    inside = cell[1:-1]
    whole = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inside.replace('""', "")
    return (inside if inside.isprintable() else bare(inside)).replace('""', '"') if whole else BROKEN


def has_header(cells, kept):
    """Whether row 1 holds a name in a column that is kept; or none, in one left out, above a cell with a digit."""
    if any(not NO_NAME.fullmatch(cell.strip()) for cell in cells[0, kept]):
        return True
    return any(not NO_NAME.fullmatch(first.strip()) and not re.search(r"\d", first) and re.search(r"\d", second)
               for first, second in cells[:2].T) if len(cells) > 1 else False


def numbers_of(cells, sign):
    """The number in each of a list of cells, nan where there is none."""
    text = EDGE.join(cells).replace("−", "-")
    strange = left_of(text, f"0123456789eE+- \t\n{sign}").split(EDGE)
    if not any(strange) and not (("e" in text or "E" in text) and LONG_EXPONENT.search(text)):
        try:
            return [float(cell) for cell in text.replace(",", ".").split(EDGE)]  # of these characters it takes plain cells only
        except ValueError:
            pass
    if len(cells) > 200:  # look for the few that are not plain
        return sum((numbers_of(cells[i:i + 200], sign) for i in range(0, len(cells), 200)), [])
    plain = PLAIN[sign].fullmatch
    return [np.nan if odd.isascii() and odd or not plain(cell) else float(cell.replace("−", "-").replace(",", "."))
            for cell, odd in zip(cells, strange, strict=True)]


def left_of(text, known):
    """The text without these characters, all of ASCII; ten times as fast as a search for others."""
    return text.encode().translate(None, known.encode()).decode()


def judged(mark, sign, header, cells, kept, closed, beyond):
    """The reading of cells with one decimal sign."""
    body = cells[int(header):, kept]
    numbers = np.column_stack([numbers_of(column.tolist(), sign) for column in body.T] if len(body) else body.T.astype(float))
    right = np.isfinite(numbers)
    faults, problem = int((~right).sum()), ""
    if header and BROKEN in cells[0]:
        faults, problem = faults + 1, quote_problem(1, list(cells[0]).index(BROKEN) + 1)
    elif not len(body):
        faults, problem = 1, "the table has only a header; it must have rows of numbers"
    elif faults:
        r, k = np.unravel_index(np.argmin(right), right.shape)
        problem = cell_problem(cells, int(r) + header, kept[k], sign, header)
        if len(kept) > 1 and not right[:, k].any() and BROKEN not in cells[:, kept[k]]:
            problem += f"; column {kept[k] + 1} holds no number and can be left out"
    return Reading(mark, sign, faults, problem, header, cells, kept, numbers, closed, beyond)


def cell_problem(cells, r, c, sign, header):
    """What is wrong with a cell, by its row and column counted from 1."""
    cell = cells[r, c]
    if cell == BROKEN:
        return quote_problem(r + 1, c + 1)
    name = f' ("{shown(cells[0, c])}")' if header and shown(cells[0, c]) else ""
    found = f'"{shown(cell)}"' if cell.strip() else "empty"
    other = "," if sign == "." else "."
    hint = f" with a decimal {DECIMALS[sign]}" if other in cell and PLAIN[other].fullmatch(cell) else ""
    return f"row {r + 1:,}, column {c + 1}{name} is {found}; it must be a number{hint}"


def quote_problem(row, column):
    return f"row {row:,}, column {column} has a quote inside; quotes must surround a whole cell"


def may_be_fewer(rows, reading, decimal):
    """Whether rows with a recognised separator could as well be fewer numbers. Commas between names, too, settle it."""
    mark = reading.separator
    if mark not in GROUP or (mark == "," and reading.header and not all(map(PLAIN["."].fullmatch, reading.cells[0]))):
        return False
    rows = [(opened(row) if reading.closed else row).strip() for row in rows[reading.header:]]
    return any(ZEROS[mark].search(row) for row in rows) or all(GROUP[mark].search(row) for row in rows) or \
        (mark == "," and decimal is None and all(COMMAS.fullmatch(row) for row in rows))


# In words.


def shown(text, most=40):
    """The first printable characters of a person's text, on one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:10 * most]).split())[:most].strip()


def plural(n, what):
    return f"{n:,} {what}{'s' * (n != 1)}"


def unique(names):
    """The names, "column 3" for an empty one, numbered where they are repeated."""
    made = []
    for c, name in enumerate(names, 1):
        name = base = name or f"column {c}"
        n = 1
        while name in made:
            n += 1
            name = f"{base[:LONGEST_NAME - 1 - len(str(n))]} {n}"
        made.append(name)
    return made


def remarks(reading, encoding, empty, names):
    """What was recognised, and what was passed over, one sentence each."""
    kept, cells, sign = reading.kept, reading.cells, reading.decimal
    yield ", ".join([reading.style, "a header" if reading.header else "no header", plural(len(reading.numbers), "row"),
                     *[encoding] * bool(encoding)]) + "."
    left = [f'column {c + 1} ("{shown(name)}")' for c, name in enumerate(names) if c not in kept]
    if left:
        yield f"Left out: {', '.join(left[:3])}{f' and {len(left) - 3} more' if len(left) > 3 else ''}."
    if reading.closed:
        yield "The separator at the end of every row was passed over."
    if empty:
        yield f"{plural(empty, 'empty line')} at the end {'was' if empty == 1 else 'were'} passed over."
    if reading.header:
        number = next((cell for cell in cells[0, kept] if PLAIN[sign].fullmatch(cell)), None)
        if number:
            yield f'Row 1 was read as a header, with "{shown(number)}" as a name.'
        if names != [" ".join(cell.split()) for cell in cells[0]]:
            yield "Names that were empty, repeated or longer than 60 characters were changed."
    signed = [cell for cell in cells[int(reading.header):, kept].ravel() if sign in cell]
    if signed and not (sign == "." and reading.separator == ",") and all(map(THREE.fullmatch, signed)):
        value = signed[0].strip()
        yield f'The decimal {DECIMALS[sign]} of "{value}" was read as {value.replace(",", ".")}, ' \
            f"not as {value.replace(sign, '')}."
    yield from inexact(reading)


def inexact(reading):
    """Sentences on the first number that is too small, and on the first whole one that is too long, for a float64."""
    numbers, first = reading.numbers, int(reading.header)
    body = reading.cells[first:, reading.kept]
    for suspect, wrong, words in (
            (numbers == 0, lambda cell, value: SOME.match(cell), "is too small for a float64 and was read as 0"),
            (abs(numbers) >= 2**53, lambda cell, value: WHOLE.fullmatch(cell) and whole(cell) != int(value),
             "was rounded to {:.17g}")):
        for r, k in np.argwhere(suspect).tolist():
            cell, value = body[r, k], numbers[r, k]
            if wrong(cell, value):
                yield f'Row {r + first + 1:,}, column {reading.kept[k] + 1}: "{shown(cell)}" {words.format(value)}.'
                break


def whole(cell):
    """The whole number in a cell, its leading zeros cut: int refuses more than 4300 digits."""
    digits = int(cell.strip().lstrip("-+−0"))
    return -digits if cell.strip()[0] in "-−" else digits


# Out.


def disarmed(text):
    """The text as a cell that no spreadsheet takes for a formula: after an apostrophe if it begins like one."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not NUMBER.fullmatch(text) else text


def write_table(columns):
    """CSV of named columns of equal lengths: a header, commas, line feeds; numbers read back to the last bit.

    Every name, and every cell that is no number, is disarmed. Raises ValueError on columns of different lengths.
    """
    import pandas as pd

    if len({len(values) for values in columns.values()}) != 1:
        raise ValueError("the columns have " + ", ".join(str(len(values)) for values in columns.values())[:40] +
                         " rows; all must have as many")
    frame = pd.DataFrame({c: [cell_text(value) for value in values] for c, values in enumerate(columns.values())}, dtype=object)
    return frame.to_csv(header=[cell_text(str(name)) for name in columns], index=False, lineterminator="\n")


def cell_text(value):
    """A number as short as it reads back to the last bit, else text, disarmed, its lines ending in line feeds."""
    if isinstance(value, (str, type(None))):
        return disarmed(value or "").replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return str(value)
    return repr(float(value))
