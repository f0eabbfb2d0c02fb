"""Plugins: when importance is measured and the penalty applied."""

from avalanche_mas.peak import peak_bytes
from avalanche_mas.plugins.applied import FORMS
from avalanche_mas.plugins.base import ImportancePlugin
from avalanche_mas.plugins.finite import all_finite
from avalanche_mas.plugins.mas import LocalMASPlugin, MASPlugin
from avalanche_mas.plugins.outputs import TaskOutput
from avalanche_mas.plugins.tasks import (
    batches_of,
    ends_task,
    names_left_out,
    starts_task,
    task_data,
    task_labels_in,
    task_labels_of,
)

__all__ = [
    "FORMS",
    "ImportancePlugin",
    "LocalMASPlugin",
    "MASPlugin",
    "TaskOutput",
    "all_finite",
    "batches_of",
    "ends_task",
    "names_left_out",
    "peak_bytes",
    "starts_task",
    "task_data",
    "task_labels_in",
    "task_labels_of",
]


def __dir__() -> list[str]:
    return __all__
