"""The stages of a pipeline: one frozen pydantic model each, in the order data flows."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from rareevent.config.durations import Duration, Fraction, Rows


class Stage(BaseModel):
    """A stage's settings: frozen, and no key that the stage does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class EventLog(Stage):
    """Events in a file of their own: one row per event."""

    source: str
    time: str = "time"
    asset: str | None = None
    type: str | None = None
    time_format: str | None = None


def _moment_as_text(value: Any) -> Any:
    # YAML reads an unquoted 2024-05-01 as a date, and 2024-05-01 06:00:00 as a datetime.
    return value.isoformat() if isinstance(value, date) else value


Moment = Annotated[int | str, BeforeValidator(_moment_as_text)]


class Interval(Stage):
    """A closed stretch of time that is neither trained on nor counted, such as a planned stop."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    asset: str | None = None


class Ingest(Stage):
    """What to read, and what its columns mean."""

    source: str
    time: str
    asset: str | None = None
    label: str | None = None
    events: EventLog | Literal["last_row"] | None = None
    runs: Literal["onset", "each"] = "onset"
    sensors: tuple[str, ...] | None = None
    categorical: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    interval: Duration | None = None
    max_gap: Duration | None = None
    recovery: Duration = 0
    exclude: tuple[Interval, ...] = ()
    time_format: str | None = None
    timezone: str | None = None
    header: bool = True
    columns: tuple[str, ...] | None = None
    separator: str = ","
    missing_values: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
    dirty_text: Literal["refuse", "missing"] = "refuse"
    duplicates: Literal["mean", "refuse"] = "mean"
    infinite: Literal["missing", "refuse"] = "missing"

    @model_validator(mode="before")
    @classmethod
    def _events_as_path(cls, data: Any) -> Any:
        path = data.get("events") if isinstance(data, dict) else None
        if not isinstance(path, str) or path == "last_row":
            return data
        return {**data, "events": {"source": path, "asset": data.get("asset")}}

    @model_validator(mode="after")
    def _one_source_of_events(self) -> Ingest:
        if (self.label is None) == (self.events is None):
            raise ValueError(
                "needs exactly one of 'label' (a 0/1 column) and 'events' (a file, or 'last_row');"
                f" received label={self.label!r}, events={self.events!r}"
            )
        if not self.header and self.columns is None:
            raise ValueError("'columns' must name the columns when 'header' is false")
        taken = {"time": self.time, "asset": self.asset, "label": self.label}
        for role, column in taken.items():
            if column is not None and column in (self.sensors or ()):
                raise ValueError(
                    f"the {role} column {column!r} is listed in 'sensors'; take it out of there"
                )
        return self


class SplitStage(Stage):
    """Which rows teach, which choose, which judge."""

    strategy: Literal["chronological", "by_asset", "random_leaky"] = "chronological"
    validation: Fraction = 0.2
    test: Fraction = 0.2
    folds: Annotated[int, Field(ge=1, le=20)] = 2
    purge: Literal["horizon", "strict"] = "horizon"
    seed: int = 0

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
    lead: Duration = 0
    auxiliary: tuple[Annotated[float, Field(gt=1, le=100)], ...] = (2.5, 5.0)


class SurpriseStage(Stage):
    """How far readings are from their forecast by an LSTM that learned normal operation."""

    units: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2)] = (32, 16)
    lookback: Annotated[int, Field(ge=1, le=10_000)] = 10
    window: Annotated[int, Field(ge=2, le=1_000)] = 5
    steps: Annotated[int, Field(ge=1)] = 250


def _surprise_as_switch(value: Any) -> Any:
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


class ChannelsStage(Stage):
    """What the model sees of each sensor; `auto` chooses by how far levels drift."""

    use: Literal["auto"] | tuple[Literal["value", "change", "volatility", "missing"], ...] = "auto"
    change_lags: tuple[Rows, ...] = (1,)
    volatility_windows: tuple[Annotated[int, Field(ge=2)], ...] = (5, 20)
    scaling: Literal["quantile", "standard"] = "quantile"
    clip: Annotated[float, Field(gt=0)] = 5.0
    # Never part of `auto`: see docs/forecast.md for what was measured.
    surprise: Annotated[SurpriseStage | None, BeforeValidator(_surprise_as_switch)] = None

    @model_validator(mode="after")
    def _some_channel(self) -> ChannelsStage:
        if self.use != "auto" and not set(self.use) & {"value", "change", "volatility"}:
            raise ValueError("'use' needs at least one of value, change, volatility")
        return self


class WindowStage(Stage):
    """How many rows the LSTM reads at once, and what happens near a segment's start."""

    lookback: Annotated[int, Field(ge=1, le=10_000)] = 10
    pad: Literal["first", "none"] = "first"
    min_history: Rows = 1


def _gates_are_sigmoid(value: Any) -> Any:
    if value != "sigmoid":
        raise ValueError(
            f"must be 'sigmoid'; received {value!r}. The gates scale what enters, stays and leaves,"
            " so they have to lie in (0, 1), where 0 forgets and 1 keeps. Only this form also runs"
            " on cuDNN's kernel and in the scorer."
        )
    return value


# Keras' names; each is exact in NumPy too, where `lstm.activations` has its equation.
Activation = Literal[
    "tanh",
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "hard_tanh",
    "sigmoid",
    "linear",
]
Initializer = Literal[
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
]


class BlendWeights(Stage):
    """How much each member's log-odds count; only the proportions matter."""

    lstm: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    logistic: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    boosting: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @model_validator(mode="after")
    def _some_weight(self) -> BlendWeights:
        if not self.lstm + self.logistic + self.boosting > 0:
            raise ValueError("needs a weight above 0 for one of lstm, logistic and boosting")
        return self


def _off_as_word(value: Any) -> Any:
    # YAML reads an unquoted off as false.
    return "off" if value is False else value


def _types_by_name(value: Any) -> Any:
    # YAML reads an unquoted off as false.
    if value is False:
        return "off"
    if isinstance(value, list | tuple) and (len(value) < 2 or len(set(value)) < len(value)):
        raise ValueError(
            f"must name at least two event types, each once, or be 'auto' or 'off'; received"
            f" {list(value)}"
        )
    return value


class ModelStage(Stage):
    """The stacked LSTM, and what its logit is blended with."""

    units: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2)] = (16, 8)
    activation: Activation = "tanh"
    recurrent_activation: Annotated[str, BeforeValidator(_gates_are_sigmoid)] = "sigmoid"
    # Each layer reads the window in both directions, with weights of its own for each.
    bidirectional: bool = False
    projection: Annotated[int, Field(ge=1)] | None = 8
    # What the logits read: the last layer's last output, or its outputs at all steps.
    head: Literal["last", "flatten"] = "last"
    skip: bool = True
    # "logistic": a strongly shrunk logistic regression, kept; the recurrence learns what is left.
    # "zero": starts at zero and is learned with the rest, under skip_dropout and skip_l2.
    skip_start: Literal["logistic", "zero"] = "logistic"
    # The recurrence reads the channels whose own course over the window tells at least this share
    # of what the best one's does; None reads all. See `windowing.screen`.
    screen: Annotated[float, Field(ge=0, le=1)] | None = 0.5
    # ... and at most one channel for so many events.
    events_per_channel: Annotated[int, Field(ge=1)] = 10
    dropout: Fraction = 0.0
    # Of whole channels of a window, and of what a layer tells itself at the next step.
    input_dropout: Fraction = 0.0
    recurrent_dropout: Fraction = 0.0
    skip_dropout: Fraction = 0.5
    skip_l2: Annotated[float, Field(ge=0)] = 1e-3
    # Penalties on every kernel but the skip's, recurrent ones included; biases are free.
    l1: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    l2: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    kernel_initializer: Initializer = "glorot_uniform"
    recurrent_initializer: Initializer | Literal["identity"] = "orthogonal"
    forget_bias: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    members: Annotated[int, Field(ge=1, le=50)] = 3
    # Which types of events are told apart, where the event log has types; "other" pools the rest.
    types: Annotated[Literal["auto", "off"] | tuple[str, ...], BeforeValidator(_types_by_name)] = (
        "auto"
    )
    # What the pipeline registers: the LSTM alone, or its log-odds weighed and added with those of
    # the two simple models. See docs/blend.md for what was measured.
    blend: Annotated[
        Literal["off", "equal", "auto"] | BlendWeights, BeforeValidator(_off_as_word)
    ] = "auto"

    @property
    def type_names(self) -> tuple[str, ...]:
        """Types of events that the model tells apart; none while `types` is auto or off."""
        return () if isinstance(self.types, str) else self.types


HealthRule = Literal[
    "not_finite",
    "weights_exploding",
    "gradient_exploding",
    "first_layer_starved",
    "no_gradient_beyond_step",
]
Sampler = Literal[
    "none",
    "random_under",
    "random_over",
    "near_miss_1",
    "near_miss_2",
    "near_miss_3",
    "tomek_links",
    "edited_nearest_neighbours",
    "one_sided_selection",
    "instance_hardness",
]
_MAKE_ROWS_UP = ("smote", "adasyn", "cluster_centroids")


def _samplers_choose(value: Any) -> Any:
    if any(name in str(value).lower() for name in _MAKE_ROWS_UP):
        raise ValueError(
            f"must choose among windows that were measured; received {value!r}, which makes rows"
            " up between them. A window is consecutive rows of one asset: a mixture of two has no"
            " time before it that the recurrence could read. Take random_over instead"
        )
    return value


class TrainStage(Stage):
    """How the model learns."""

    class_weight: (
        Literal["balanced", "none"]
        | dict[Annotated[int, Field(ge=0, le=1)], Annotated[float, Field(gt=0)]]
    ) = "balanced"
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: Annotated[float, Field(ge=0)] = 2.0
    sampler: Annotated[Sampler, BeforeValidator(_samplers_choose)] = "none"
    # "balanced": every batch holds `positive_share` positives, drawn again where they are few.
    batches: Literal["shuffled", "balanced"] = "shuffled"
    positive_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    negatives_per_positive: Annotated[float, Field(gt=0)] | None = 50.0
    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    batch_size: Annotated[int, Field(ge=1)] = 256
    learning_rate: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    clipnorm: Annotated[float, Field(gt=0)] | None = 1.0
    clipvalue: Annotated[float, Field(gt=0)] | None = None
    terminate_on: tuple[HealthRule, ...] = ("not_finite",)
    seed: int = 7
    refit: bool = True


class AlarmStage(Stage):
    """When to wake someone. The objective is met on data before the test part."""

    objective: Literal["budget", "cost", "fbeta", "precision", "recall"] = "budget"
    false_alarms_per_event: Annotated[float, Field(ge=0)] | None = None
    false_alarms_per_day: Annotated[float, Field(ge=0)] | None = None
    false_alarms_per_asset_day: Annotated[float, Field(ge=0)] | None = None
    cost_missed: Annotated[float, Field(gt=0)] = 10.0
    cost_false: Annotated[float, Field(gt=0)] = 1.0
    beta: Annotated[float, Field(gt=0)] = 2.0
    floor: Annotated[float, Field(gt=0, le=1)] = 0.5
    k: Rows = 1
    n: Rows = 1
    silence: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_budget(cls, data: Any) -> Any:
        names = ("false_alarms_per_event", "false_alarms_per_day", "false_alarms_per_asset_day")
        if not isinstance(data, dict):
            return data
        given = [n for n in names if data.get(n) is not None]
        if len(given) > 1:
            raise ValueError(f"takes one budget; received {' and '.join(given)}")
        return data if given else {**data, names[0]: 3.0}

    @model_validator(mode="after")
    def _k_of_n(self) -> AlarmStage:
        if self.k > self.n:
            raise ValueError(f"'k' must not exceed 'n'; received k={self.k}, n={self.n}")
        return self


class EvaluateStage(Stage):
    """How the model is judged."""

    baselines: tuple[Literal["logistic", "boosting"], ...] = ("logistic", "boosting")
    bootstrap: Annotated[int, Field(ge=0)] = 1000
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    seed: int = 0


class ScoreStage(Stage):
    """What a scoring job will know."""

    event_delay: Duration = 0
    with_events: bool = True


class RegisterStage(Stage):
    """Under which name the bundle is registered; None registers nothing."""

    # A name with a slash or a colon could not be addressed as models:/NAME/VERSION.
    model: Annotated[str, Field(pattern=r"^[^/:@]*[^/:@\s][^/:@]*$")] | None = None
    champion: Literal["first", "never"] = "first"
    require_skill: bool = True
