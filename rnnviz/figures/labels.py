"""Words that stand clear: a label is put where it covers least of what is drawn, and of other labels."""

import numpy as np

LETTER = 6.2  # px that a letter takes, on average
APART = 9  # px between a point of a path and a word
NAMES_APART = 15.0  # px between the names of two curves
OVER_WORDS = 10.0  # how much worse it is to cover a word than a line


def place(b, words, spots, flush=False):
    """Writes words (text, colour) where they cover least of b.taken and b.words: their left end at the first such of the spots
    (x, y), in px. flush: whether they end there where they are reckoned to, so that a right edge is met exactly."""
    text, ink = words
    wide = width_of(text)

    def box(spot):
        x = min(max(spot[0], b.left + 4), b.edge - wide - 2)
        y = min(max(spot[1], b.top + 12), b.bottom - 12)
        return x, y - 10, x + wide, y + 10

    tried = np.array([box(spot) for spot in spots])
    cost = covered(tried, np.reshape(b.taken, (-1, 4))) + OVER_WORDS * covered(tried, np.reshape(b.words, (-1, 4)))
    found = tried[cost.round(3).argmin()].tolist()
    b.words.append(found)
    side = dict(right=found[2]) if flush else dict(left=found[0])
    b.text(text, found[1] + 10, colour=ink, back=True, **side)


def covered(boxes, taken):
    """(N,) square px that each box (N, 4) shares with those that are taken (M, 4), together."""
    across = np.minimum(boxes[:, None, 2], taken[:, 2]) - np.maximum(boxes[:, None, 0], taken[:, 0])
    down = np.minimum(boxes[:, None, 3], taken[:, 3]) - np.maximum(boxes[:, None, 1], taken[:, 1])
    return (np.maximum(across, 0.0) * np.maximum(down, 0.0)).sum(axis=1)


def boxes(points, apart=APART):
    """[[left, top, right, bottom]] in px around points (N, 2)."""
    x, y = np.reshape(points, (-1, 2)).T
    return np.stack([x - apart, y - apart, x + apart, y + apart], axis=-1).tolist()


def between(starts, ends, apart):
    """Points (N, 2) on the straight lines from starts to ends (M, 2), so far apart or nearer."""
    counts = np.maximum(1, np.ceil(np.hypot(*(ends - starts).T) / apart)).astype(int)
    of = np.repeat(np.arange(len(counts)), counts)
    share = (np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[of]
    return starts[of] + share[:, None] * (ends - starts)[of]


def spread(places, gap, most):
    """Ascending places pushed apart, upwards, until there is `gap` between two, and back where they went beyond `most`."""
    made = list(places)
    for i in range(1, len(made)):
        made[i] = max(made[i], made[i - 1] + gap)
    if made and made[-1] > most:
        made = [min(place, most - gap * (len(made) - 1 - i)) for i, place in enumerate(made)]
    return made


def width_of(text):
    """px across of a text that a figure writes on its own ground."""
    return LETTER * len(plain(text)) + 4


def plain(text):
    """A text without its tags."""
    return "".join(part.partition(">")[2] if i else part for i, part in enumerate(text.split("<")))
