"""What training hands on: the bundle, its place in the registry, and who is champion."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.bundle import Bundle, new_provenance, save_bundle, training_profile
from rareevent.bundle.past import past_windows
from rareevent.bundle.reference import alarm_reference, drift_reference
from rareevent.config import PipelineConfig, digest_pipeline
from rareevent.errors import PromotionError
from rareevent.evaluation.verdict import Verdict
from rareevent.ingestion.frame import Bool
from rareevent.ingestion.time_text import write_times
from rareevent.jobs.learn import Learned
from rareevent.jobs.prepare import Prepared
from rareevent.tracking.champions import set_champion
from rareevent.tracking.git import git_commit
from rareevent.tracking.models import CHAMPION, LoggedBundle, aliases, log_bundle
from rareevent.tracking.tracked import TrackedRun

_EXAMPLE_ROWS = 5


def make_bundle(prepared: Prepared, learned: Learned, run_id: str | None) -> Bundle:
    """Everything that scoring needs."""
    final, chosen = learned.final, learned.chosen[learned.model]
    return Bundle(
        config=prepared.config,
        clock=prepared.frame.clock,
        needs=final.part.encoder.needs,
        encoder=final.part.encoder,
        networks=tuple(member.network for member in final.members),
        calibration=replace(chosen.calibration, shift=learned.prior_shift),
        policy=chosen.policy,
        blend=learned.blend,
        profile=_profile(prepared, learned),
        past=past_windows(prepared.frame, prepared.labels, final.part.teach),
        provenance={
            **new_provenance(
                data_sha256=prepared.frame.data_sha256(),
                git_commit=git_commit(),
                run_id=run_id,
            ),
            **_learned_from(prepared, final.part.learned_from | prepared.split.choosing_rows()),
        },
    )


def _profile(prepared: Prepared, learned: Learned) -> dict[str, Any]:
    """What the training rows looked like, and how often alarms are to be expected."""
    frame, part, scored = prepared.frame, learned.final.part, learned.chosen[learned.model].scored
    profile = training_profile(frame, part.learned_from)
    window = prepared.config.monitor.window
    drift = drift_reference(frame, part.learned_from, part.encoder.needs, window)
    if drift is not None:
        drift["alarms"] = alarm_reference(frame.clock, scored.time, scored.alarm, drift["window"])
    return {**profile, "drift": drift}


def _learned_from(prepared: Prepared, rows: Bool) -> dict[str, Any]:
    """What the model learned from, so that a later evaluation judges nothing of it."""
    frame = prepared.frame
    found: dict[str, Any] = {
        "learned_until": int(frame.time[rows].max()),
        "reach": int(prepared.split.reach),
    }
    if prepared.split.strategy == "by_asset":
        found["learned_assets"] = [frame.assets[a] for a in np.unique(frame.asset[rows])]
    return found


def log_model(
    run: TrackedRun,
    prepared: Prepared,
    learned: Learned,
    bundle: Bundle,
    tags: Mapping[str, str] | None = None,
) -> LoggedBundle:
    """Log the bundle with its run, and register it where the pipeline gives a name.

    Parameters
    ----------
    tags : of the registered version, beside those that link its run, its data and its settings
    """
    register = prepared.config.register_.model
    needed = {"history_rows": bundle.history_rows, "request_rows": bundle.request_rows}
    with tempfile.TemporaryDirectory(prefix="rareevent-") as folder:
        path = Path(folder) / "bundle"
        save_bundle(bundle, path, tuple(m.keras_model for m in learned.final.members))
        return log_bundle(
            run,
            path,
            raw_example(prepared),
            prepared.frame.clock,
            register_as=register,
            tags={
                "run_id": run.run_id,
                "data_sha256": prepared.frame.data_sha256(),
                "config_sha256": digest_pipeline(prepared.config),
                "request_rows": str(bundle.request_rows),
                **(tags or {}),
            },
            metadata=needed,
        )


def raw_example(prepared: Prepared) -> Any:
    """A few raw rows as a user may send them, pandas.DataFrame; the model can score them."""
    import pandas as pd

    frame, ingest = prepared.frame, prepared.config.ingest
    rows = slice(0, min(_EXAMPLE_ROWS, len(frame)))
    columns: dict[str, Any] = {}
    if ingest.asset is not None:
        columns[ingest.asset] = [frame.assets[a] for a in frame.asset[rows]]
    columns[ingest.time] = write_times(frame.time[rows], ingest, frame.clock)
    columns |= {name: values[rows] for name, values in frame.sensors.items()}
    for name, text in frame.texts.items():
        columns[name] = [text.levels[c] if c >= 0 else None for c in text.codes[rows]]
    return pd.DataFrame(columns)


def crown(
    run: TrackedRun,
    logged: LoggedBundle,
    config: PipelineConfig,
    verdict: Verdict,
    figures: Mapping[str, Any],
) -> bool:
    """The first version of a model becomes its champion; later ones have to be promoted.

    One that was judged by a leaky split, or that has no skill, does not.

    Parameters
    ----------
    figures : of the test part, kept in the history of champions
    """
    if logged.name is None or logged.version is None or not _worthy(config, verdict):
        return False
    if config.register_.champion == "never" or CHAMPION in aliases(run.client, logged.name):
        return False
    try:
        set_champion(
            run.client,
            logged.name,
            logged.version,
            "first",
            instead_of=None,
            reason=verdict.sentence,
            figures={"verdict": verdict.outcome, **figures},
        )
    except PromotionError:
        # A training that ended at the same moment was first.
        return False
    return True


def _worthy(config: PipelineConfig, verdict: Verdict) -> bool:
    if config.split.strategy == "random_leaky":
        return False
    return verdict.outcome != "no_skill" or not config.register_.require_skill


def why_uncrowned(config: PipelineConfig, verdict: Verdict) -> tuple[str, ...]:
    """What to tell whoever expects a champion, where only the lack of skill stood against one."""
    register = config.register_
    if register.model is None or register.champion == "never" or not register.require_skill:
        return ()
    if verdict.outcome != "no_skill":
        return ()
    return (
        "No version is made champion without skill; `rareevent promote --force --reason TEXT`, or"
        " register.require_skill: false, does so all the same.",
    )
