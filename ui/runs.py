"""Training jobs beside each other: what they differ in, and what came of them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from ui.cells import said
from ui.hyper import same

OPEN = frozenset({"queued", "running"})
Job = Mapping[str, Any]

_FIRST = ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "average_precision", "log_loss", "ece")
_PER_CLASS, _NOT_A_CLASS = "f1_", "f1_macro"
_FEWEST_RUNS = 2


def named(job: Job) -> str:
    """The run as a chart names it: the version that came of it tells it from the others of its model."""
    version = f" v{job['model_version']}" if job["model_version"] else ""
    return f"{job['model']}{version}, {job['model_class']}"


def differences(jobs: Sequence[Job], defaults: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """For each job the hyper-parameters in which the shown ones of its class differ, with the default where
    nothing was said; all that was said, where it is the only one. `defaults`: of each class by name."""
    return [
        _differing(job, [one for one in jobs if one["model_class"] == job["model_class"]], defaults)
        for job in jobs
    ]


def _differing(job: Job, others: Sequence[Job], defaults: Mapping[str, Mapping[str, Any]]) -> str:
    own = defaults.get(job["model_class"], {})
    if len(others) < _FEWEST_RUNS:
        return _listed(job["hyperparameters"])
    names = [*dict.fromkeys(name for one in others for name in one["hyperparameters"])]
    values = {name: job["hyperparameters"].get(name, own.get(name)) for name in names}
    return _listed(
        {
            name: value
            for name, value in values.items()
            if any(not same(one["hyperparameters"].get(name, own.get(name)), value) for one in others)
        }
    )


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={said(value)}" for name, value in values.items())


def metrics_of(jobs: Sequence[Job]) -> list[str]:
    """The metrics of at least one, those that are compared most first; without those of single classes."""
    there = dict.fromkeys(name for job in jobs for name in job["metrics"] if not _is_per_class(name))
    return [*(name for name in _FIRST if name in there), *(name for name in there if name not in _FIRST)]


def values_of(jobs: Sequence[Job], metric: str) -> list[tuple[str, float]]:
    """That metric of each run that has it."""
    return [(name, job["metrics"][metric]) for name, job in _told_apart(jobs) if metric in job["metrics"]]


def per_class(jobs: Sequence[Job]) -> list[tuple[str, str, float]]:
    """(run, class, its F1) of each run."""
    return [
        (name, metric.removeprefix(_PER_CLASS), value)
        for name, job in _told_apart(jobs)
        for metric, value in job["metrics"].items()
        if _is_per_class(metric)
    ]


def versions_to_train_on(data_set: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """A data set's versions that can be trained on, newest first, and those that DVC has still to take."""
    ready = [one["version"] for one in data_set["versions"] if one["dvc"]["state"] != "accepted"]
    return ready, [one["version"] for one in data_set["versions"] if one["version"] not in ready]


def _told_apart(jobs: Sequence[Job]) -> list[tuple[str, Job]]:
    """Runs whose names are the same (of a model that was deleted and begun anew) are numbered."""
    seen: dict[str, int] = {}
    told = []
    for job in jobs:
        name = named(job)
        seen[name] = seen.get(name, 0) + 1
        told.append((name if seen[name] == 1 else f"{name} ({seen[name]})", job))
    return told


def _is_per_class(metric: str) -> bool:
    return metric.startswith(_PER_CLASS) and metric != _NOT_A_CLASS
