"""The layers of a pipeline's model, their parameters, and whether the data can carry so many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rareevent.config import PipelineConfig
from rareevent.ingestion.frame import Bool
from rareevent.jobs.parts import Part, window_part
from rareevent.jobs.prepare import fill_auto, prepare, require_events
from rareevent.lstm.network import layer_parameters
from rareevent.training.start import find_start
from rareevent.windowing.encode import channel_memory, history_rows

if TYPE_CHECKING:
    import keras

# More learned parameters than this per positive training window, and learning them by heart is
# easy. A rule of thumb from regression (ten observations per coefficient), turned round: the
# recurrence shares its weights over steps, and the schedule stops early.
PARAMETERS_PER_POSITIVE = 10


@dataclass(frozen=True)
class LayerRow:
    """One layer.

    Attributes
    ----------
    name, kind : as Keras has them
    shape : of its output, without the batch
    parameters : int, as Keras counts them
    learned : int, of those; the rest is frozen, or weighs channels that are not read
    formula : 4m(m + p + 1) with the layer's figures, for an LSTM layer
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    learned: int
    formula: str = ""


@dataclass(frozen=True)
class ModelSummary:
    """What `rareevent model` prints.

    Attributes
    ----------
    layers : in the order of the flow
    lookback, channels, heads, members : of the model; `parameters` are those of one member
    channels_read : channels that the recurrence reads, after screening; None without data
    request_rows : rows of an asset of which the last is scored as by all rows before it
    positives, events : training windows that are positive, and events they belong to; None
        without data
    """

    layers: tuple[LayerRow, ...]
    lookback: int
    channels: int
    heads: int
    members: int
    request_rows: int
    channels_read: int | None = None
    positives: int | None = None
    events: int | None = None

    @property
    def parameters(self) -> int:
        """All parameters of a member."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def learned(self) -> int:
        """Those that gradient steps learn."""
        return sum(layer.learned for layer in self.layers)

    @property
    def per_positive(self) -> float | None:
        """Learned parameters per positive training window."""
        return self.learned / self.positives if self.positives else None

    @property
    def warning(self) -> str | None:
        """What to know where the parameters outnumber the positive windows by too much."""
        ratio = self.per_positive
        if ratio is None or ratio <= PARAMETERS_PER_POSITIVE:
            return None
        return (
            f"{self.learned:,} learned parameters against {self.positives:,} positive training"
            f" windows of {self.events:,} events: {ratio:.0f} to 1, above"
            f" {PARAMETERS_PER_POSITIVE} to 1, so the model could learn them by heart; smaller"
            " model.units or model.projection, or a higher model.screen, leave it less room, and"
            " train.epochs auto stops early"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **asdict(self),
            "layers": [asdict(layer) for layer in self.layers],
            "parameters": self.parameters,
            "learned": self.learned,
            "parameters_per_positive": self.per_positive,
            "warning": self.warning,
        }


def model(config: PipelineConfig, channels: int | None = None) -> ModelSummary:
    """Describe a pipeline's model.

    Parameters
    ----------
    config : the pipeline
    channels : assume so many and read no data; then nothing is known of positive windows

    Raises
    ------
    DataError, ConfigError
        When the data or a setting is wrong.
    """
    if channels is not None:
        return _described(_build(config, channels), config, channel_memory(config.channels))
    prepared = prepare(config)
    require_events(prepared)
    prepared = fill_auto(prepared)
    test = prepared.split.test
    part = window_part(prepared, test, test if config.train.refit else 1)
    start = find_start(part.teach, part.target, prepared.config.model)
    built = _build(prepared.config, len(start.reads))
    return summarise(built, prepared.config, part, start.reads, start.events)


def summarise(
    built: keras.Model, config: PipelineConfig, part: Part, reads: Bool, events: int
) -> ModelSummary:
    """Describe a built model beside the windows that teach it.

    Parameters
    ----------
    reads : bool [c], channels that the recurrence reads
    events : that the windows teach
    """
    positives = int((part.target[:, 0] == 1).sum())
    read = int(reads.sum())
    memory = part.encoder.memory
    return _described(built, config, memory, reads=read, positives=positives, events=events)


def _build(config: PipelineConfig, channels: int) -> keras.Model:
    from rareevent.lstm.build import build_stacked_lstm

    heads = 1 + len(config.label.auxiliary) + len(config.model.type_names)
    return build_stacked_lstm(config.window.lookback, channels, config.model, heads, seed=0)


def _described(
    built: keras.Model,
    config: PipelineConfig,
    memory: int,
    *,
    reads: int | None = None,
    positives: int | None = None,
    events: int | None = None,
) -> ModelSummary:
    from rareevent.lstm.build import entry_kernels

    lookback, channels = (int(size) for size in built.input.shape[1:])
    unread = 0 if reads is None else channels - reads
    rows = [_row(layer, entry_kernels(built), unread) for layer in built.layers]
    return ModelSummary(
        layers=tuple(row for row in rows if row.parameters),
        lookback=lookback,
        channels=channels,
        heads=int(built.output.shape[-1]),
        members=config.model.members,
        request_rows=history_rows(config.window, memory) + config.alarm.n,
        channels_read=reads,
        positives=positives,
        events=events,
    )


def _row(layer: keras.Layer, entries: Sequence[keras.Variable], unread: int) -> LayerRow:
    """A layer; of an entry kernel, each unread channel's weights stay zero."""
    learned = sum(int(v.value.shape.num_elements()) for v in layer.trainable_variables)
    for entry in entries:
        if any(entry is v for v in layer.trainable_variables):
            learned -= unread * entry.shape[1]
    return LayerRow(
        name=layer.name,
        kind=type(layer).__name__,
        shape=tuple(int(size) for size in layer.output.shape[1:]),
        parameters=int(layer.count_params()),
        learned=learned,
        formula=_formula(layer),
    )


def _formula(layer: keras.Layer) -> str:
    if type(layer).__name__ != "LSTM":
        return ""
    m, p = int(layer.units), int(layer.input.shape[-1])
    return f"4·{m}·({m} + {p} + 1) = {layer_parameters(m, p):,}"
