"""The delta grid: its cells, what is special about them, its loss and the outlined cell. Each function draws on a Canvas."""

from html import escape

import numpy as np

from ..flow import CUT, NAN, OK, OVERFLOW, PENDING, UNDERFLOW, ZERO
from ..numbers import percent, significant
from . import colour
from .canvas import HEAD, TICKS, f4, runs
from .theme import LEFT, SERIF, SIZE


def draw_grid(b):
    z = np.where(b.special == OK, np.clip(b.values, -b.W, b.W), np.nan)
    b.traces.append(dict(
        type="heatmap", name="grid", x=b.columns.edges, y=np.arange(1, b.rows + 1, dtype=np.float32), z=f4(z),
        coloraxis="coloraxis", hoverongaps=False, **b.gaps(HEAD, b.grid, b.special == OK),
        customdata=hover_numbers(b), hovertemplate=hover_template(b), xaxis="x", yaxis="y",
    ))
    if b.opened is None:
        b.heading("Gradient at every cell", "", 14)
        if b.reading.scalar and b.columns.width >= 38 and b.columns.each == 1:
            print_values(b)
    else:
        b.heading(f"Layer {b.opened.layer + 1}, neuron by neuron", "a dash marks a negative δ", 14)
        if b.page:
            b.text("← all layers", 38, left=0, colour=b.theme.second, opens=0)
        if b.columns.each == 1 and b.columns.width >= 7 and b.row >= 5:
            b.dashes(b.opened.negative[:, b.columns.first], "y", b.theme.ink)
    label = "time step <i>t</i> ⟶ the network runs forward"
    if b.columns.each > 1:
        label += f"  ·  each column is the median of {b.columns.each} steps; drag to zoom in"
    y = b.grid_bottom + TICKS + 12
    if b.narrow and key(b):
        label = "time step <i>t</i> ⟶"
    b.text(label, y, left=LEFT + 2, colour=b.theme.second)
    draw_key(b, y)


def print_values(b):
    """The signed delta of every cell, where each layer is one unit wide."""
    ls, cs = np.nonzero(b.special == OK)
    colours = [colour.text_on(colour.at(b.theme, b.W, b.values[l, c])) for l, c in zip(ls, cs, strict=True)]
    texts = []
    for l, c in zip(ls, cs, strict=True):
        (value, exponent), = b.reading.numbers(b.reading.quantity, l, b.columns.first[c])
        texts.append(("+" if value > 0 else "") + significant(value, 2, exponent))
    b.traces.append(dict(
        type="scatter", mode="text", x=f4(b.columns.middle[cs]), y=f4(ls + 1), text=texts, hoverinfo="skip",
        textfont=dict(size=14, color=colours), xaxis="x", yaxis="y", name="values"))


def hover_numbers(b):
    """(rows, columns, 9): step, back, mantissa and exponent of size and of ratio, shares in %, mean slope."""
    r, t = b.reading, ((b.columns.first + b.columns.last) // 2)
    after = np.flatnonzero(r.scored & r.seen) if (r.scored & r.seen).any() else np.flatnonzero(r.scored)
    nearest = after[np.minimum(np.searchsorted(after, t), len(after) - 1)]
    back = np.maximum(0, nearest - t)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if b.opened is None:
            size, ratio, slope = r.log_size[:, t], r.log_ratio[:, t], r.openness[:, t]
            above = 100 / (1.0 + 10.0 ** (r.log_time[:, t] - r.log_space[:, t]))
            future = 100 / (1.0 + 10.0 ** (r.log_space[:, t] - r.log_time[:, t]))
        else:
            size, ratio, slope = b.opened.log_size[:, t], b.opened.log_ratio[:, t], b.opened.slope[:, t]
            above = future = np.zeros_like(size)
        numbers = [np.broadcast_to(t + 1, size.shape), np.broadcast_to(back, size.shape)]
        for log in (size, ratio):
            exponent = np.floor(log)
            numbers += [10.0 ** (log - exponent), exponent]
    numbers += [above, future, slope]
    return f4(np.nan_to_num(np.stack(numbers, axis=-1), nan=0.0, posinf=0.0, neginf=0.0))


def hover_template(b):
    row = "layer" if b.opened is None else f"layer {b.opened.layer + 1}, neuron"
    name = "‖δ‖" if b.opened is None else "|δ|"
    shares = "<br>from above %{customdata[6]:.0f}%, from the future %{customdata[7]:.0f}%" if b.opened is None else ""
    slope = "mean φ′" if b.opened is None else "φ′"
    return (f"<b>{row} %{{y:.0f}}, step %{{customdata[0]}}</b>  (steps before the loss: %{{customdata[1]}})<br>"
            f"{name} = %{{customdata[2]:.1f}} × 10<sup>%{{customdata[3]}}</sup>  ·  "
            "%{customdata[4]:.1f} × 10<sup>%{customdata[5]}</sup> of what the loss sends in"
            f"{shares}  ·  {slope} %{{customdata[8]:.2f}}<extra></extra>")


def draw_special_cells(b):
    row = "layer" if b.opened is None else "neuron"
    theme = b.theme
    cut, special = b.special == CUT, b.special
    if cut.any():
        b.boxes(cut, merge_rows=True, line=0, pattern=dict(
            shape="/", size=7, solidity=0.18, fgcolor=theme.hatch, bgcolor=theme.page))
        label_cut(b, cut)
    zero, low, high = special == ZERO, special == UNDERFLOW, (special == OVERFLOW) | (special == NAN)
    if (special == PENDING).any():
        b.boxes(special == PENDING, fill=theme.page, line=1, dash="dot")
    if zero.any() or low.any():
        b.boxes(zero | low, fill=theme.page, line=1)
    if high.any():
        b.boxes(high, fill=theme.ink, line=0, single=True)
    marks = ((zero, "0" if spacious(b) else "·", theme.third, "exactly 0"),
             (low, "▽" if spacious(b) else "·", theme.fades, f"too small for {b.reading.precision}"),
             (special == OVERFLOW, "∞" if spacious(b) else "", theme.page, f"too large for {b.reading.precision}"),
             (special == NAN, "nan" if b.columns.width >= 26 and b.row >= 11 else "", theme.page, "not a number"))
    for mask, mark, ink, words in marks:
        if mask.any():
            rows, cs = np.nonzero(mask)
            b.traces.append(dict(
                type="scatter", mode="text", x=f4(b.columns.middle[cs]), y=f4(rows + 1), text=mark,
                textfont=dict(color=ink, size=SIZE), xaxis="x", yaxis="y", name=words,
                hovertemplate=f"{row} %{{y:.0f}}, step %{{x:.0f}}: {words}<extra></extra>"))


def spacious(b):
    """Whether a mark other than a dot can be read in a cell."""
    return b.columns.width >= 18 and b.row >= 11


def label_cut(b, cut):
    start, stop = max(runs(cut[0]), key=lambda run: run[1] - run[0]) if cut[0].any() else (0, 0)
    tau = b.reading.tau_max  # None under a schedule of someone's own
    text = "cut off" if tau is None else f"cut off: <i>τ</i><sub>max</sub> = {min(tau, b.reading.T)}"
    if (stop - start) * b.columns.width >= 130:
        b.notes.append(dict(
            text=f"<b>{text}</b>", x=float(b.columns.edges[start] + b.columns.edges[stop]) / 2, y=(b.rows + 1) / 2,
            xref="x", yref="y", showarrow=False, bgcolor=b.theme.page, borderpad=4,
            font=dict(size=14, color=b.theme.ink)))


def draw_key(b, px_y):
    """One line naming only the states that occur."""
    if parts := key(b):
        b.text("   ".join(parts), px_y, right=b.right, colour=b.theme.second)


def key(b):
    """What the states that occur mean, one by one."""
    theme, found = b.theme, set(b.special.ravel().tolist())
    names = {CUT: (theme.third, "▨", "cut off"), ZERO: (theme.third, "0" if spacious(b) else "·", "exactly zero"),
             UNDERFLOW: (theme.fades, "▽" if spacious(b) else "·", f"too small for {b.reading.precision}"),
             OVERFLOW: (theme.ink, "<b>∞</b>", f"too large for {b.reading.precision}"),
             NAN: (theme.ink, "<b>nan</b>", "not a number"), PENDING: (theme.third, "⬚", "not computed")}
    return [f"<span style='color:{c}'>{mark}</span> {words}" for state, (c, mark, words) in names.items() if state in found]


def draw_loss(b):
    r, theme = b.reading, b.theme
    marked = np.flatnonzero(r.scored)
    y = HEAD - 20
    if len(marked) == 1:
        column = b.columns.holding(int(marked[0]))
        if column is None:
            return
        x = float(b.columns.middle[column])
        late = marked[0] >= 0.55 * r.T
        b.notes.append(dict(
            text="<b><i>C</i></b>", x=x, xref="x", yref="paper", y=b.paper(y), showarrow=False, yanchor="middle",
            bgcolor=theme.ink, borderpad=4, font=dict(size=15, color=theme.page, family=SERIF)))
        words = sent_in(b, "the loss sends in") + (", which flows back" if r.sends else "")
        middle = LEFT + (column + 0.5) * b.columns.width
        if late:
            b.text(f"⟵  {words}", y, right=middle - 20, colour=theme.second)
        else:
            b.text(f"{words}  ⟵", y, left=middle + 20, colour=theme.second)
        return
    seen = [(marked[r.seen[marked]], theme.ink), (marked[~r.seen[marked]], theme.hatch)]
    for steps, ink in seen:
        held = sorted({c for t in steps if (c := b.columns.holding(int(t))) is not None})
        if held:
            b.traces.append(dict(
                type="scatter", mode="markers", x=f4(b.columns.middle[held]), y=f4(np.full(len(held), 0.25)),
                marker=dict(symbol="triangle-down", size=min(9, max(3, b.columns.width * 0.6)), color=ink),
                hoverinfo="skip", xaxis="x", yaxis="y4", name="losses"))
    unseen = int((~r.seen[marked]).sum())
    words = f"▾ {len(marked)} losses; {sent_in(b, 'the largest sends in')}"
    words += f"; {unseen} in grey are seen by no pass" if unseen else ""
    b.text(words, y - 4, right=b.right, colour=theme.second)


def sent_in(b, words):
    """What enters, in words that begin with these: 1 on the scale of ratios, or the number itself for single units."""
    r = b.reading
    if r.sends:
        return f"{words} {significant(r.entering) if r.scalar else '1'}"
    return f"{words} nothing" if r.overflow is None else "no number reaches it"


def draw_cell(b):
    l, t = b.cell
    column = b.columns.holding(t)
    if column is None:
        return
    x, y, theme = float(b.columns.middle[column]), l + 1, b.theme
    half = (float(b.columns.edges[column + 1]) - float(b.columns.edges[column])) / 2
    for line, ink in ((6, theme.page), (3, theme.ink)):
        b.shapes.append(dict(type="rect", xref="x", yref="y", x0=x - half, x1=x + half, y0=y - 0.5, y1=y + 0.5,
                                line=dict(width=line, color=ink), layer="above"))
    above, future = b.reading.share(l, t)
    if above is None or b.reading.state[l, t] == CUT:
        return
    big = b.columns.width >= 70
    row, col = b.row, b.columns.width
    top = l + 1 == b.reading.L
    if above > 0:
        tip = row / 2 - 8 if big else max(2.0, row / 2 - 14)
        tail = max(row / 2 + 22, tip + 26)
        ink = theme.ink if top else theme.space
        arrow(b, x, y, ink, above, tip, tail, up=True)
        name = "from the loss" if top else "from above"
        left = (column + 0.5) * col > 0.2 * b.plot
        cell_label(b, x, y, f"{name} {escape(percent(above))}", ink, xanchor="right" if left else "left",
                        xshift=(-1 if left else 1) * (col / 2 + 8 if top else 14),
                        yshift=row * 0.3 if top else row / 2 if big else max(row * 0.8, tip + 14))
    if future > 0:
        tip = col / 2 - 6 if big else min(4.0, col / 4)
        arrow(b, x, y, theme.time, future, tip, tip + 40, up=False)
        text = f"from the future {escape(percent(future))}"
        past = (column + 0.5) * col > 0.6 * b.plot
        if past:
            cell_label(b, x, y, text, theme.time, xanchor="right", xshift=-(col / 2 + 8), yshift=0)
        elif big:
            cell_label(b, x, y, text, theme.time, xanchor="left", xshift=col / 2 + 4, yshift=-min(row / 2 - 6, 24))
        else:
            cell_label(b, x, y, text, theme.time, xanchor="left", xshift=tip + 46, yshift=0)


def arrow(b, x, y, ink, share, tip, tail, *, up):
    """A solid arrow towards the cell's middle, its shaft as thick as its share; lengths in px from the middle."""
    w, head = (1.6 + 9.0 * share) / 2, 15.0
    wing = max(8.0, w + 5.0)
    along = [tail, tip + head, tip + head, tip, tip + head, tip + head, tail]
    across = [w, w, wing, 0.0, -wing, -w, -w]
    points = [(c, a) if up else (a, c) for a, c in zip(along, across, strict=True)]
    path = "M" + "L".join(f"{px:.1f},{py:.1f}" for px, py in points) + "Z"  # px, y upwards from the anchor
    b.shapes.append(dict(type="path", path=path, xref="x", yref="y", xsizemode="pixel", ysizemode="pixel", xanchor=x,
                            yanchor=y, fillcolor=ink, line=dict(width=2, color=b.theme.page), layer="above"))


def cell_label(b, x, y, text, ink, **place):
    b.notes.append(dict(text=f"<b>{text}</b>", x=x, y=y, xref="x", yref="y", showarrow=False, yanchor="middle",
                           bgcolor=b.theme.page, borderpad=2, font=dict(size=SIZE, color=ink), **place))


def draw_opened_column(b):
    l, t = b.cell
    column = b.columns.holding(t)
    if column is None or l != b.opened.layer:
        return
    b.shapes.append(dict(type="rect", xref="x", yref="y", x0=float(b.columns.edges[column]),
                            x1=float(b.columns.edges[column + 1]), y0=0.5, y1=b.rows + 0.5,
                            line=dict(width=3, color=b.theme.ink), layer="above"))
