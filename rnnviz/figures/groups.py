"""The grouping of Routes: the terms of a recurrent weight by the state that they hold, as the space/time text does it."""

import re

from ..misprints import find
from ..numbers import UP, counted, grouped
from .bars import signed
from .theme import SIZE

GROUP, NOTE = 18, 17  # px of a row of the groups, of a line of a note


COLUMNS = (("state", 0.0), ("routes", 0.27), ("<i>δ</i><sub><i>N</i>−<i>k</i>+1</sub>", 0.44), ("<i>h</i>", 0.6),
           ("<i>δ</i> · <i>h</i>", 0.79), ("sum so far", 0.98))


def draw_groups(b):
    told, theme, l = b.groups, b.theme, b.routes.layer + 1
    y = b.groups_top
    name = f"<i>h</i>{str(l).translate(UP)}<sub><i>N</i>−<i>k</i></sub>"
    if told is None:
        b.heading(f"Layer {l} is not recurrent", "it has no <i>w</i><sub>T</sub>, so there is nothing to group", y)
        return
    b.heading(f"Grouped by {name}", f"as the space/time text does; <i>N</i> = {grouped(len(told.step))}", y)
    ks = group_rows(b)
    place = [8 + share * (b.split - 40) for _, share in COLUMNS]
    y += 26
    for (words, _), x in zip(COLUMNS, place, strict=True):
        b.text(words, y, **({"left": x} if x == place[0] else {"right": x}), colour=theme.second)
    b.line([(0, y + 10), (place[-1] + 4, y + 10)], theme.hairline, 1)
    wrong = None
    for row, k in enumerate(ks):
        here = y + GROUP * (row + 1) + 3
        cells = group_words(b, k, skipped=row and k > ks[row - 1] + 1)
        if k == 3 and told.printed is not None:
            cells[4] += "†"
            wrong = k
        strong = int(told.step[k - 1]) == b.routes.step
        for words, x in zip(cells, place, strict=True):
            b.text(f"<b>{words}</b>" if strong else words, here, **({"left": x} if x == place[0] else {"right": x}))
    here = y + GROUP * (len(ks) + 1) + 7
    b.line([(0, here - 11), (place[-1] + 4, here - 11)], theme.hairline, 1)
    if len(told.step) > ks[-1]:
        more = len(told.step) - ks[-1]
        b.text(f"{grouped(more)} more group{'s' * (more > 1)}", here, left=place[0], colour=theme.second)
    b.text(f"∂<i>C</i>/∂<i>w</i><sub>T</sub>{str(l).translate(UP)}  =  <b>{signed(told.total)}</b>", here, right=place[-1])
    if wrong:
        draw_misprint(b, here + 22)


def group_rows(b):
    """The k of the groups that are listed: the first three, and the chosen cell's or the fourth."""
    n, own = len(b.groups.step), len(b.groups.step) - b.routes.step
    return [*range(1, min(3, n) + 1), *([own if own > 3 else 4] if n > 3 else [])]


def group_words(b, k, skipped):
    told = b.groups
    state = f"{'⋯ ' if skipped else ''}<i>h</i>{str(told.layer + 1).translate(UP)}<sub><i>N</i>−{grouped(k)}</sub>"
    own = int(told.step[k - 1]) == b.routes.step
    ways = b.routes.number if own else told.first[k - 1].number
    numbers = (told.delta, told.h, told.product, told.running)
    return [state, counted(ways), *(signed(float(values[k - 1])) for values in numbers)]


def draw_misprint(b, y):
    """The dagger's note: what the text prints in this group, and what that would give."""
    told = b.groups
    if not b.beside or b.split > 480:
        words = f"† {find('h¹_{N−3} group').sentence} As printed, the group would be {signed(told.printed)}."
        first, _, rest = words.partition("; it is ")
        for i, line in enumerate((f"{first};", f"it is {rest}")):
            b.text(scripts(line), y + i * NOTE, left=0 if i == 0 else 9, colour=b.theme.second, size=SIZE - 1)
        return
    b.text("† As the text prints it, without σ′(<i>z</i>²<sub><i>N</i>−1</sub>) <i>w</i><sub>T</sub>² in its third path:", y,
           left=0, colour=b.theme.second, size=SIZE - 1)
    b.text(f"the group would be {signed(told.printed)}.", y + NOTE, left=9, colour=b.theme.second, size=SIZE - 1)


def scripts(text):
    """A text's indices after underscores and carets as subscripts and superscripts."""
    text = re.sub(r"\^\{([^}]*)\}", r"<sup>\1</sup>", text)
    text = re.sub(r"\^([^\W_])", r"<sup>\1</sup>", text)
    text = re.sub(r"_\{([^}]*)\}", r"<sub>\1</sub>", text)
    return re.sub(r"_(\w)", r"<sub>\1</sub>", text)
