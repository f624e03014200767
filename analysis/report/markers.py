"""Markers of the palette, by Plotly's names and as paths of the legend's SVG."""

from __future__ import annotations

import math

PLOTLY = {
    "o": "circle",
    "v": "triangle-down",
    "^": "triangle-up",
    "<": "triangle-left",
    ">": "triangle-right",
    "s": "square",
    "D": "diamond",
    "d": "diamond-tall",
    "p": "pentagon",
    "h": "hexagon",
    "H": "hexagon2",
    "8": "octagon",
    "X": "x",
    "P": "cross",
    "*": "star",
}
RADIUS = 5.5
UP = -90.0  # degrees; SVG's y grows downwards
# Corners, where the first is (degrees), and how far out every second one is, if not as far.
CORNERS = {
    "o": (24, UP, 1.0),
    "v": (3, -UP, 1.0),
    "^": (3, UP, 1.0),
    "<": (3, 180.0, 1.0),
    ">": (3, 0.0, 1.0),
    "s": (4, 45.0, 1.0),
    "D": (4, UP, 1.0),
    "d": (4, UP, 0.5),
    "p": (5, UP, 1.0),
    "h": (6, UP, 1.0),
    "H": (6, 0.0, 1.0),
    "8": (8, 22.5, 1.0),
    "X": (8, UP, 0.4),
    "P": (8, 45.0, 0.4),
    "*": (10, UP, 0.4),
}


def svg_path(marker: str) -> str:
    """The outline of a marker around (0, 0)."""
    count, first, inner = CORNERS[marker]
    corners = []
    for place in range(count):
        angle = math.radians(first + 360 * place / count)
        radius = RADIUS * (inner if place % 2 else 1)
        corners.append(f"{radius * math.cos(angle):.1f},{radius * math.sin(angle):.1f}")
    return f"M{'L'.join(corners)}Z"
