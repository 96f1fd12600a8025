"""The inside of a trained LSTM: parameters, gradient health, and what its gates do.

All of it is looked at on rows before the test part. Gates are those of the last validation fold's
first member, on that fold's own rows: windows that taught it nothing. The registered model has
learned from these rows too, so what its units do on them would flatter.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from rareevent.evaluation.gate_reading import GateReading, read_gates
from rareevent.evaluation.unit_moves import match_windows
from rareevent.jobs.choose import choosing_rows
from rareevent.jobs.learn import Learned, PartFit
from rareevent.jobs.model import ModelSummary, summarise
from rareevent.jobs.prepare import Prepared
from rareevent.training.fit import FittedLSTM
from rareevent.training.health import Finding, layer_metrics
from rareevent.windowing.screen import events_among


def inside_content(prepared: Prepared, learned: Learned) -> dict[str, Any]:
    """The report's section on the inside of the LSTM, as plain data."""
    fold, final = learned.folds[-1], learned.final
    findings = health_findings(learned)
    return {
        "parameters": model_summary(prepared, learned).to_json(),
        "health": {
            "findings": [asdict(finding) for finding in findings],
            "fits": len(learned.folds) * len(fold.members) + len(final.members),
            "members": [[h.to_json() for h in member.health] for member in final.members],
        },
        "gates": None if (read := _fold_gates(prepared, fold)) is None else read.to_json(),
    }


def model_summary(prepared: Prepared, learned: Learned) -> ModelSummary:
    """Parameters of the final model beside the windows that taught it."""
    part, member = learned.final.part, learned.final.members[0]
    events = events_among(part.teach, part.target[:, 0])
    return summarise(member.keras_model, prepared.config, part, member.reads, events)


def health_findings(learned: Learned) -> tuple[Finding, ...]:
    """What is wrong with any fit of the final model or of a fold, each rule once."""
    first: dict[str, Finding] = {}
    for fit in _fits(learned):
        for finding in fit.findings:
            first.setdefault(finding.rule, finding)
    return tuple(first.values())


def health_tags(learned: Learned) -> dict[str, str]:
    """The findings as a tag of the run."""
    rules = [finding.rule for finding in health_findings(learned)]
    return {"gradient_health": ", ".join(rules) or "no finding"}


def health_notes(learned: Learned) -> tuple[str, ...]:
    """The findings in words."""
    return tuple(f"Gradient health: {f.sentence}." for f in health_findings(learned))


def inside_metrics(prepared: Prepared, learned: Learned) -> dict[str, float | None]:
    """Final figures by their MLflow names."""
    summary = model_summary(prepared, learned)
    reach = [member.health[-1].reach for member in learned.final.members]
    return {
        "inside/parameters": summary.parameters,
        "inside/learned_parameters": summary.learned,
        "inside/parameters_per_positive": summary.per_positive,
        "inside/gradient_reach": float(np.mean([r for r in reach if r is not None])),
        "inside/findings": len(health_findings(learned)),
    }


def epoch_health(learned: Learned, epoch: int) -> dict[str, float]:
    """Figures of one epoch (from 0) of the final fits, means over members, by MLflow names."""
    now = [m.health[epoch] for m in learned.final.members if len(m.health) > epoch]
    figures = [layer_metrics(health) for health in now]
    names = {name: None for one in figures for name in one}
    return {
        f"epoch/{name}": float(np.mean([one[name] for one in figures if name in one]))
        for name in names
    }


def _fits(learned: Learned) -> list[FittedLSTM]:
    fits = (learned.final, *learned.folds)
    return [member for fit in fits for member in fit.members]


def _fold_gates(prepared: Prepared, fold: PartFit) -> GateReading | None:
    # Purged: whether a row is near an event must not be told by the test part's events.
    windows = fold.part.windows
    windows = windows.take((fold.part.judged_on & choosing_rows(prepared))[windows.ends])
    if not len(windows):
        return None
    target = prepared.labels.target[windows.ends]
    matches = match_windows(prepared.frame, prepared.labels, windows, target)
    return read_gates(fold.members[0].network, windows, matches)
