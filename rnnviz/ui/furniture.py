"""The parts of a figure that the page draws itself, as HTML and SVG."""

from html import escape

ANCHORS = {"left": "0", "right": "-100%", "middle": "-50%"}  # how far a text moves left of its place


def texts(found):
    """Texts at fixed places, as HTML."""
    parts = []
    for text in found:
        side = next(f"left:{text[anchor]:.1f}px;translate:{shift} -50%" for anchor, shift in ANCHORS.items()
                    if text.get(anchor) is not None)
        if text.get("back"):
            side += f";background:{text['back']};padding:{max(0, text['pad'] - 1)}px {text['pad'] + 1}px"
        if text.get("family"):
            side += f";font-family:{escape(text['family'])}"
        tag, more = ("span", "") if text["opens"] is None else ("button", f' data-opens="{text["opens"]}"')
        parts.append(f'<{tag}{more} style="top:{text["y"]}px;{side};color:{text["colour"]};font-size:{text["size"]}px">'
                     f'{text["text"]}</{tag}>')
    return "".join(parts)


def furniture(meta):
    """The lines, texts at fixed places and colour bar of a figure, as HTML: they draw quicker than Plotly's."""
    parts, bar = [f'<svg>{"".join(meta["rules"] + meta["shapes"])}</svg>', texts(meta["texts"])], meta["bar"]
    if bar is None:
        return "".join(parts)
    stops = ",".join(f"{colour} {100 * place:.2f}%" for place, colour in bar["stops"])
    parts.append(f'<i style="left:{bar["left"]}px;top:{bar["top"]}px;width:{bar["length"]}px;'
                 f'height:{bar["thickness"]}px;background:linear-gradient(90deg,{stops})"></i>')
    for place, words in bar["words"]:
        left, top = bar["left"] + place * bar["length"], bar["top"] + bar["thickness"] + 12
        parts.append(f'<span style="top:{top}px;left:{left:.1f}px;'
                     f'translate:-50% -50%;color:{bar["colour"]};font-size:{bar["size"]}px">{words}</span>')
    return "".join(parts)
