"""Names in the download directory that another task has a claim to."""

from ..errors import NameTaken


def check_part(tasks, task, part):
    """Raise NameTaken if another of the tasks is to go on with that part file, whether it exists or not."""
    if any(each.progress is not None and each.progress.part == part and each is not task
           and each.options.dir == task.options.dir for each in tasks):
        raise NameTaken(f"{part} is another task's")


def check_previous(tasks, task, target):
    """Raise NameTaken if another task's file has taken the name of the one that this task replaces."""
    previous = task.previous
    if previous is not None and previous.name == target and any(
            each.file is not None and each.file.name == target and each.options.dir == task.options.dir
            and each.finish_time > task.finish_time and each is not task for each in tasks):
        raise NameTaken(f"{target} is another task's")
