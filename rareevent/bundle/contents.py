"""What a bundle holds, and its form as plain data and plain arrays."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from rareevent import __version__
from rareevent.alarms.calibration import Calibration
from rareevent.alarms.policy import AlarmPolicy
from rareevent.blend.blend import Blend
from rareevent.bundle.past import PastWindows, description_width
from rareevent.config import PipelineConfig, validate_pipeline
from rareevent.errors import ModelError, RareEventError
from rareevent.forecast.encoder import Encoder, encoder_from_parts
from rareevent.ingestion.frame import Clock
from rareevent.lstm.cell import Network
from rareevent.windowing.encode import history_rows

_PACKAGES = ("numpy", "tensorflow", "keras")


@dataclass(frozen=True)
class Bundle:
    """A trained model with all it takes to score raw rows.

    Attributes
    ----------
    config : the resolved pipeline
    clock : how time is counted
    needs : columns that the input must have beside time (and asset, where the config names one)
    encoder : from readings to the row matrix
    networks : members of the ensemble; the mean of their logits is calibrated, or goes into the
        blend
    calibration : from logit to probability
    policy : from probabilities to alarms
    profile : what the training rows looked like, see `training_profile`
    provenance : where it comes from, see `new_provenance`
    digest : sha256 of what it was loaded from; empty before it was saved
    blend : what the LSTM's logit is weighed and added with; None where it stands alone
    past : training windows and what came of them; None in bundles written before they were kept
    """

    config: PipelineConfig
    clock: Clock
    needs: tuple[str, ...]
    encoder: Encoder
    networks: tuple[Network, ...]
    calibration: Calibration
    policy: AlarmPolicy
    profile: Mapping[str, Any]
    provenance: Mapping[str, Any]
    digest: str = ""
    blend: Blend | None = None
    past: PastWindows | None = None

    @property
    def horizon(self) -> int:
        """How far ahead an alarm looks, in ticks."""
        return self.clock.ticks(self.config.label.horizon)

    @property
    def event_delay(self) -> int:
        """Ticks from an event until a scoring job knows of it."""
        return self.clock.ticks(self.config.score.event_delay)

    @property
    def history_rows(self) -> int:
        """Rows before a row that its probability can depend on, all of its segment.

        Where a sensor has no reading in the oldest of them, its last one before counts as well.
        """
        return history_rows(self.config.window, self.encoder.memory)

    @property
    def request_rows(self) -> int:
        """Rows of an asset, in a request, of which the last is scored as by all rows before it.

        So many give its probability, and tell whether `k` of the last `n` reach the threshold;
        an alarm in whose silence the row lies may be further back.
        """
        return self.history_rows + self.policy.n


def new_provenance(
    *, data_sha256: str, git_commit: str | None = None, run_id: str | None = None
) -> dict[str, Any]:
    """Where a bundle comes from: time, package versions, and what the caller knows.

    Parameters
    ----------
    data_sha256 : digest of the input bytes it was trained on
    git_commit : of the working directory
    run_id : MLflow run
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "data_sha256": data_sha256,
        "git_commit": git_commit,
        "run_id": run_id,
        "python": platform.python_version(),
        "versions": {
            "rareevent": __version__,
            **{name: _installed(name) for name in _PACKAGES},
        },
    }


def to_parts(bundle: Bundle) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The bundle as plain data (for bundle.json) and plain arrays (for weights.npz)."""
    encoder, encoder_arrays = bundle.encoder.to_parts()
    calibration, calibration_arrays = bundle.calibration.to_parts()
    arrays = _under("encoder", encoder_arrays) | _under("calibration", calibration_arrays)
    for number, network in enumerate(bundle.networks):
        arrays |= _under(f"network_{number}", network.to_arrays())
    if bundle.blend is not None:
        arrays |= _under("blend", bundle.blend.to_arrays())
    past, past_arrays = (None, {}) if bundle.past is None else bundle.past.to_parts()
    arrays |= _under("past", past_arrays)
    label = bundle.config.label
    plain = {
        "config": bundle.config.dump(),
        "clock": asdict(bundle.clock),
        "needs": list(bundle.needs),
        "encoder": encoder,
        "channels": list(bundle.encoder.channels),
        "window": bundle.config.window.model_dump(mode="json"),
        "label": {
            "horizon": bundle.horizon,
            "lead": bundle.clock.ticks(label.lead),
            "auxiliary": list(label.auxiliary),
        },
        "networks": [{"activation": bundle.config.model.activation} for _ in bundle.networks],
        # For a reader's eyes; what is computed with lies in the arrays.
        "blend": dict(bundle.blend.weights) if bundle.blend is not None else None,
        "calibration": calibration,
        "alarm": bundle.policy.to_json(),
        "profile": dict(bundle.profile),
        "past": past,
        "provenance": dict(bundle.provenance),
    }
    return plain, arrays


def from_parts(plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Bundle:
    """The bundle that `to_parts` took apart.

    Raises
    ------
    ModelError
        When a part is missing or does not fit.
    """
    try:
        encoder = encoder_from_parts(plain["encoder"], _below("encoder", arrays))
        networks = tuple(
            Network.from_arrays(_below(f"network_{i}", arrays), settings["activation"])
            for i, settings in enumerate(plain["networks"])
        )
        if not networks:
            raise ModelError("it holds no network")
        config = validate_pipeline(plain["config"], where="its pipeline")
        if any(network.heads <= len(config.model.type_names) for network in networks):
            raise ModelError("a network has fewer heads than its pipeline names types of events")
        return Bundle(
            config=config,
            clock=Clock(plain["clock"]["kind"], int(plain["clock"]["interval"])),
            needs=tuple(plain["needs"]),
            encoder=encoder,
            networks=networks,
            calibration=Calibration.from_parts(plain["calibration"], _below("calibration", arrays)),
            policy=AlarmPolicy.from_json(plain["alarm"]),
            profile=_mapping("profile", plain),
            provenance=_mapping("provenance", plain),
            blend=_blend_from(plain, arrays, len(encoder.channels), config.window.lookback),
            past=_past_from(
                plain, arrays, description_width(len(encoder.channels), config.window.lookback)
            ),
        )
    except RareEventError as error:
        raise ModelError(" ".join(str(error).split())) from None
    except KeyError as error:
        raise ModelError(f"the part {error} is missing") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"a part is not what it should be: {error}") from None


def _mapping(name: str, plain: Mapping[str, Any]) -> Mapping[str, Any]:
    found = plain[name]
    if not isinstance(found, Mapping):
        raise ModelError(f"its {name} must be an object; received {found!r:.40}")
    return found


def _blend_from(
    plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray], channels: int, lookback: int
) -> Blend | None:
    """The blend, or None: format 1 had none, and a model may be the LSTM alone."""
    mine = _below("blend", arrays)
    if plain.get("blend") and not mine:
        # Its calibration and threshold would be taken for those of the LSTM alone.
        raise ModelError("it is a blend, and its members are missing")
    return Blend.from_arrays(mine, channels, lookback) if mine else None


def _past_from(
    plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray], width: int
) -> PastWindows | None:
    """The past windows, or None: a bundle may be older than they are, and scores all the same."""
    if plain.get("past") is None:
        return None
    return PastWindows.from_parts(plain["past"], _below("past", arrays), width)


def _under(folder: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{folder}/{name}": array for name, array in arrays.items()}


def _below(folder: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    prefix = f"{folder}/"
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
