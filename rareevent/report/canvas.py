"""matplotlib figures in the report's dress: no global state, no display."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, HAIR = "#16191d", "#59626d", "#dfe3e8"
BLUE, VERMILION, AMBER, VIOLET, SCORE = "#0068a8", "#c9480a", "#d9940f", "#7b5ea7", "#b9cfe2"
COLOURS = {
    "model": BLUE,
    "chance": "#6b7480",
    "other-1": "#00805c",
    "other-2": "#a8497c",
    "other-3": "#8a6d1a",
    "other-4": "#5c6670",
}
DOTTED = (0, (3, 3))
_DASHES = {"other-1": "--", "other-2": ":", "other-3": "-.", "other-4": "--"}
_DPI = 110
_SIZE = (6.4, 4.4)  # inches


def new_figure(rows: int = 1, size: tuple[float, float] = _SIZE) -> tuple[Figure, Sequence[Axes]]:
    """A figure with panels above each other that share their x-axis; `size` in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=_DPI, layout="constrained", facecolor="white")
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(SOFT)
        axes.tick_params(colors=SOFT, labelsize=8)
        axes.grid(axis="y", color=HAIR, linewidth=0.8)
        axes.set_axisbelow(True)
    return figure, tuple(panels)


@contextmanager
def as_written() -> Iterator[None]:
    """Draw texts as they are: matplotlib takes what stands between two dollar signs for formulas.

    As a decorator of what draws names that users gave.
    """
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):
        yield


def to_png(figure: Figure) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    out = BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def draw_line(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    name: str,
    style: str,
    drawn: str = "default",
) -> None:
    """A named line in the style of its model; `drawn` is matplotlib's drawstyle."""
    if not points:
        return
    x, y = zip(*points, strict=True)
    axes.plot(
        x,
        y,
        label=name,
        drawstyle=drawn,
        color=COLOURS[style],
        linestyle=_DASHES.get(style, "-"),
        linewidth=2.2 if style == "model" else 1.6,
    )
