"""Check records of tasks that do not come from our own database, value by value."""

from ..errors import MissingModule
from .fields import SHAPE
from .task import Task


def check(record, settings):
    """Return the Task of a record from elsewhere. Raise ValueError, with the reason, if it is none."""
    try:
        SHAPE.check(record)
        task = Task.from_record(record, settings)
    except (KeyError, TypeError, MissingModule) as error:
        raise ValueError(f"it is not a task: {error}") from None
    if task.deleting:
        raise ValueError("it was being deleted")
    return task
