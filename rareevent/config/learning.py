"""The stages that learn: `model` and `train`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from rareevent.config.durations import Fraction, Seed
from rareevent.config.stage import Stage


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

    lstm: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Weight of the LSTM ensemble."""
    logistic: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Weight of logistic regression."""
    boosting: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Weight of boosted trees."""

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
    """Of the LSTM layers, at least two."""
    activation: Activation = "tanh"
    """Of candidate and output; any but `tanh` leaves cuDNN's kernel on a GPU."""
    recurrent_activation: Annotated[str, BeforeValidator(_gates_are_sigmoid)] = "sigmoid"
    """Of the gates, and nothing but `sigmoid`: they are scales in (0, 1), and only this form
    runs on cuDNN; docs/cell.md.
    """
    bidirectional: bool = False
    """Every layer reads the window in both directions, with weights of its own for each; only
    rows of the window are read, so it looks no further ahead.
    """
    projection: Annotated[int, Field(ge=1)] | None = 8
    """Size of the linear projection of the inputs; null leaves it out."""
    head: Literal["last", "flatten"] = "last"
    """The logits read the last layer's last output, or `flatten`: its outputs at every step."""
    skip: bool = True
    """A linear way from the last row to the logit."""
    skip_start: Literal["logistic", "zero"] = "logistic"
    """What the skip starts from: a strongly shrunk logistic regression, which stays as it is
    while the recurrence learns what is left, or `zero`, learned with the rest.
    """
    screen: Annotated[float, Field(ge=0, le=1)] | None = 0.5
    """The recurrence reads the channels whose own course over the window tells at least this
    share of what the best one's does; null reads all.
    """
    events_per_channel: Annotated[int, Field(ge=1)] = 10
    """The recurrence reads at most one channel for so many events."""
    dropout: Fraction = 0.0
    """Share of what the head reads that is dropped in a training step."""
    input_dropout: Fraction = 0.0
    """Share of the channels that a training window loses, each as a whole; the skip still sees
    them.
    """
    recurrent_dropout: Fraction = 0.0
    """Share of a layer's previous output that is dropped, the same at every step; leaves
    cuDNN's kernel on a GPU.
    """
    skip_dropout: Fraction = 0.5
    """Dropout on a skip that starts from `zero`."""
    skip_l2: Annotated[float, Field(ge=0)] = 1e-3
    """Penalty of a skip that starts from `zero`."""
    l1: Annotated[float, Field(ge=0)] = 0.0
    """Penalty on the kernels of projection, layers (recurrent ones too) and head; biases are
    free.
    """
    l2: Annotated[float, Field(ge=0)] = 0.0
    """Penalty on the squares of the same kernels."""
    kernel_initializer: Initializer = "glorot_uniform"
    """Of the layers' kernels on their inputs."""
    recurrent_initializer: Initializer | Literal["identity"] = "orthogonal"
    """Of the layers' kernels on their own outputs; `identity`: each gate starts by reading its
    own cell.
    """
    forget_bias: Annotated[float, Field(ge=-100, le=100)] = 1.0
    """Where the forget gates' bias starts: higher remembers longer."""
    members: Annotated[int, Field(ge=1, le=50)] = 3
    """Members of the ensemble, which differ by their seed."""
    types: Annotated[Literal["auto", "off"] | tuple[str, ...], BeforeValidator(_types_by_name)] = (
        "auto"
    )
    """Event types to tell apart, where the event log has a `type`: a softmax beside the main
    probability says which type the event would have. `auto` names those with 5 events in the
    first training rows, where two or more have them, and pools the rest as `other`; or a list
    of names that the log has; or `off`. An event without a type teaches none.
    """
    blend: Annotated[
        Literal["off", "equal", "auto"] | BlendWeights, BeforeValidator(_off_as_word)
    ] = "auto"
    """What is registered: the LSTM alone (`off`), or the weighted sum of its log-odds with
    logistic regression's and boosting's: `equal` weights, `auto` ones chosen on forward scores
    and drawn toward equal where events are few, or your own; docs/blend.md.
    """

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
    """How much a positive window counts: `balanced`, `none`, or `{0: …, 1: …}`."""
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    """Cross-entropy, or `focal`."""
    focal_gamma: Annotated[float, Field(ge=0)] = 2.0
    """Of the focal loss."""
    sampler: Annotated[Sampler, BeforeValidator(_samplers_choose)] = "none"
    """imbalanced-learn's, after the cap: at random, or by the last row's channels;
    docs/imbalance.md. One that makes rows up (SMOTE) is refused: a mixture of two windows is no
    window.
    """
    batches: Literal["shuffled", "balanced"] = "shuffled"
    """`balanced`: every batch holds `positive_share` positives, few ones again and again."""
    positive_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of positives in a balanced batch."""
    negatives_per_positive: Annotated[float, Field(gt=0)] | None = 50.0
    """Cap on negatives, about 250,000 in all; null keeps every one."""
    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """`auto`: about 125 gradient steps, more with many events, at least 3 epochs."""
    batch_size: Annotated[int, Field(ge=1)] = 256
    """Windows of one gradient step."""
    learning_rate: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """Of Adam; `auto` goes by the number of events."""
    clipnorm: Annotated[float, Field(gt=0)] | None = 1.0
    """Largest norm of each weight array's gradient; null does not clip."""
    clipvalue: Annotated[float, Field(gt=0)] | None = None
    """Largest size of each value of a gradient, which comes first; null does not clip."""
    terminate_on: tuple[HealthRule, ...] = ("not_finite",)
    """Findings about the gradients that stop the run; `not_finite` always does; docs/inside.md."""
    seed: Seed = 7
    """The same seed gives the same numbers on the same machine."""
    refit: bool = True
    """Learn once more from validation rows too, after choosing."""
