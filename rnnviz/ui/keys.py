"""The keys of every mode: the one table that the page shows under "?". A third word names the only view that has the key."""

KEYS = {
    "page": (
        ("← →", "the outlined cell, a step to the left or right"),
        ("↑ ↓", "the outlined cell, a layer up or down, once the grid is clicked"),
        ("S", "step through the backward pass", "flow"),
        ("H", "hold the curve in grey; again: let it go", "flow"),
        ("L", "lecture mode"),
        ("Page Up, Page Down", "previous and next picture of a talk"),
        ("?", "these keys"),
    ),
    "step": (
        ("← →", "back and next"),
        ("Space", "play or pause"),
        ("Home", "from the loss"),
        ("End", "to the last cell"),
        ("S, Esc", "leave Step"),
        ("?", "these keys"),
    ),
    "lecture": (
        ("← → ↑ ↓", "the outlined cell"),
        ("1 to 9", "the examples"),
        ("S", "step through the backward pass", "flow"),
        ("H", "hold the curve in grey; again: let it go", "flow"),
        ("Page Up, Page Down", "previous and next picture of a talk"),
        ("D", "dark, for a darkened room; again: light"),
        ("F", "full screen"),
        ("L, Esc", "back to the page"),
        ("?", "these keys"),
    ),
}
