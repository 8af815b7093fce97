"""Colours, type and sizes of every figure, light and dark: one table each, used by figures and page alike."""

from dataclasses import dataclass

FONT = '"Source Sans", "Source Sans Pro", sans-serif'
EVERYWHERE = "Arial, Helvetica, sans-serif"  # in an image, which brings no font
SERIF = '"Source Serif", "Source Serif Pro", serif'
SIZE, HEADING = 13, 16  # px
LEFT, RIGHT = 84, 38  # px: every track shares these margins, so a column is the same step in each


@dataclass(frozen=True)
class Theme:
    """Roles, each a colour "#rrggbb". fades, holds, grows: the words; low .. high: the stops of the scale."""

    page: str
    panel: str
    ink: str
    second: str
    third: str
    hairline: str
    grid: str
    hatch: str
    space: str
    time: str
    fades: str
    holds: str
    grows: str
    control: str
    shut: str
    open: str
    low: tuple
    middle: str
    high: tuple


def _hex(text):
    return tuple("#" + stop for stop in text.split())


LIGHT = Theme(
    page="#FFFFFF", panel="#F7F8FA", ink="#12161C", second="#434C59", third="#66707E", hairline="#D8DEE5",
    grid="#ECEFF3", hatch="#B4BDC8", space="#00758A", time="#A85B00", fades="#1F5CA8", holds="#7A4FB0",
    grows="#A62421", control="#2B3440", shut="#2A313B", open="#F3F5F8",
    low=_hex("F8FBFC DEF0FB BCDFFA 9ACCF7 7BB4EF 629DE3 4F85D1"), middle="#976EB2",
    high=_hex("C85355 C64142 B72D2C 9C1923 7B1221 580E21 370C1A"),
)
DARK = Theme(
    page="#0F1319", panel="#131820", ink="#EEF1F5", second="#BAC3CF", third="#929DAB", hairline="#2C3440",
    grid="#1D242E", hatch="#4A5563", space="#45D0D8", time="#FFB84D", fades="#7FB2EE", holds="#C3A5EE",
    grows="#FF9A6B", control="#C9D1DB", shut="#0B0E12", open="#C9D1DB",
    low=_hex("101317 142036 1A3059 214279 295697 346BB1 4782C9"), middle="#9E73BB",
    high=_hex("E05C67 F06E56 F88C48 FAAD51 F6CC7B F4E5B0 FBF8E1"),
)
THEMES = {"light": LIGHT, "dark": DARK}
