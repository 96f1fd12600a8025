"""Small SVG elements. Colours are CSS classes, so one drawing serves every theme."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup, escape

Point = tuple[float, float]


def el(
    tag: str,
    attributes: Mapping[str, str | float | None],
    children: Iterable[str] = (),
) -> Markup:
    """One element; attributes that are None are left out, every text is escaped.

    Parameters
    ----------
    children : texts (escaped) and elements (`Markup`, taken as they are)

    Examples
    --------
    >>> print(el("text", {"x": 1.23456, "class": "a"}, ["<b>"]))
    <text x="1.23" class="a">&lt;b&gt;</text>
    """
    pairs = "".join(
        f' {name}="{escape(_plain(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{tag}{pairs}>{inside}</{tag}>")


def _plain(value: str | float) -> str:
    """Coordinates to a hundredth of a pixel: small files, the same bytes on every machine."""
    if isinstance(value, str):
        return value
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")  # + 0.0 turns -0.0 into 0.0


def text(x: float, y: float, words: str, style: str = "tick", anchor: str = "start") -> Markup:
    """A line of text; `style` is its CSS class, `anchor` is start, middle or end."""
    return el("text", {"x": x, "y": y, "class": style, "text-anchor": anchor}, [words])


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    """A straight line."""
    return el("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": style})


def rect(x: float, y: float, width: float, height: float, style: str, tip: str = "") -> Markup:
    """A rectangle, its tooltip in `tip`."""
    sides = {"x": x, "y": y, "width": max(width, 0.0), "height": max(height, 0.0)}
    shape: dict[str, str | float | None] = {**sides, "class": style}
    return el("rect", shape, tooltip(tip))


def path(points: Sequence[Point | None], style: str, closed_at: float | None = None) -> Markup:
    """A line through pixel points; None lifts the pen.

    Parameters
    ----------
    closed_at : draw each stretch as an area down to this y
    """
    strokes = [_stroke(part, closed_at) for part in _stretches(points)]
    return el("path", {"d": "".join(strokes), "class": style})


def _stroke(part: Sequence[Point], closed_at: float | None) -> str:
    moves = [f"{_plain(x)} {_plain(y)}" for x, y in part]
    if closed_at is None:
        return "M" + "L".join(moves)
    floor = _plain(closed_at)
    return f"M{_plain(part[0][0])} {floor}L" + "L".join(moves) + f"L{_plain(part[-1][0])} {floor}Z"


def _stretches(points: Sequence[Point | None]) -> list[list[Point]]:
    parts: list[list[Point]] = [[]]
    for point in points:
        if point is not None:
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def tooltip(words: str) -> list[Markup]:
    """A title element, or nothing for an empty text."""
    return [el("title", {}, [words])] if words else []


def mark(kind: str, x: float, y: float, size: float, style: str, tip: str = "") -> Markup:
    """A symbol centred on (x, y): circle, diamond, down (a triangle), square."""
    if kind == "circle":
        return el("circle", {"cx": x, "cy": y, "r": size, "class": style}, tooltip(tip))
    corners = {
        "diamond": [(0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)],
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "down": [(-1.05, -0.9), (1.05, -0.9), (0, 1)],
    }[kind]
    places = " ".join(f"{_plain(x + size * dx)},{_plain(y + size * dy)}" for dx, dy in corners)
    return el("polygon", {"points": places, "class": style}, tooltip(tip))


def drawing(width: float, height: float, label: str, children: Iterable[str], style: str) -> Markup:
    """The svg element, as wide as its box; read out as one image with `label`, or not at all."""
    frame = {
        "viewBox": f"0 0 {_plain(width)} {_plain(height)}",
        "class": f"chart {style}".strip(),
        "role": "img" if label else None,
        "aria-label": label or None,
        "aria-hidden": None if label else "true",
    }
    return el("svg", frame, children)
