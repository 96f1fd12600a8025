"""The stages from rows to windows: `split`, `label`, `channels` and `window`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from rareevent.config.durations import Duration, Fraction, Rows, Seed
from rareevent.config.stage import Stage


class SplitStage(Stage):
    """Which rows teach, which choose, which judge."""

    strategy: Literal["chronological", "by_asset", "random_leaky"] = "chronological"
    """By the clock; `by_asset` where time is an age that starts anew; `random_leaky` for
    published numbers only.
    """
    validation: Fraction = 0.2
    """Share of the rows (of the assets, by asset) that choose."""
    test: Fraction = 0.2
    """Share of the rows (of the assets, by asset) that judge: the newest."""
    folds: Annotated[int, Field(ge=1, le=20)] = 2
    """Validation folds; each is scored by models of what came before."""
    purge: Literal["horizon", "strict"] = "horizon"
    """Keeps labels from reaching into the next part; `strict` keeps input rows apart too."""
    seed: Seed = 0
    """Of a split by asset."""

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> SplitStage:
        if self.validation <= 0 or self.validation + self.test >= 1:
            raise ValueError(
                "'validation' must be above 0 and 'validation' + 'test' below 1; received"
                f" {self.validation} and {self.test}"
            )
        return self


class LabelStage(Stage):
    """What counts as 'event ahead'."""

    horizon: Duration = 10
    """How far ahead an alarm should look."""
    lead: Duration = 0
    """Less warning than this is too late."""
    auxiliary: tuple[Annotated[float, Field(gt=1, le=100)], ...] = (2.5, 5.0)
    """Further heads at multiples of the horizon, which help training; one whose purge would
    take more than a quarter of a validation fold is left out.
    """


class SurpriseStage(Stage):
    """How far readings are from their forecast by an LSTM that learned normal operation."""

    units: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2)] = (32, 16)
    """The forecaster's layers."""
    lookback: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Rows that it reads."""
    window: Annotated[int, Field(ge=2, le=1_000)] = 5
    """Rows over which surprise is averaged."""
    steps: Annotated[int, Field(ge=1)] = 250
    """Its gradient steps."""


def _surprise_as_switch(value: Any) -> Any:
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


class ChannelsStage(Stage):
    """What the model sees of each sensor; `auto` chooses by how far levels drift."""

    use: Literal["auto"] | tuple[Literal["value", "change", "volatility", "missing"], ...] = "auto"
    """What is computed of a sensor. `auto` measures how far sensor levels drift over the first
    training rows (Kolmogorov–Smirnov): above .25 they would mislead, and volatility alone is
    used. Categories are levels too and go with `value`.
    """
    change_lags: Annotated[tuple[Rows, ...], Field(min_length=1)] = (1,)
    """Rows back for `change`."""
    volatility_windows: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)] = (
        5,
        20,
    )
    """Rows for the trailing deviation."""
    scaling: Literal["quantile", "standard"] = "quantile"
    """Rank to normal score, or `standard`: mean and deviation; both of training rows."""
    clip: Annotated[float, Field(gt=0)] = 5.0
    """Largest absolute value of a scaled channel."""
    surprise: Annotated[SurpriseStage | None, BeforeValidator(_surprise_as_switch)] = None
    """`true`, or settings of its own: how far every reading is from its forecast by an LSTM
    that learned on normal rows, as further channels. `auto` never turns it on; docs/forecast.md
    says what it was measured to do.
    """

    @model_validator(mode="after")
    def _some_channel(self) -> ChannelsStage:
        if self.use != "auto" and not set(self.use) & {"value", "change", "volatility"}:
            raise ValueError("'use' needs at least one of value, change, volatility")
        return self


class WindowStage(Stage):
    """How many rows the LSTM reads at once, and what happens near a segment's start."""

    lookback: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Rows that the LSTM reads."""
    pad: Literal["first", "none"] = "first"
    """Repeat a segment's first row where history is short, or `none`: drop the window."""
    min_history: Rows = 1
    """Rows of its segment that a window must have."""
