"""Tasks as plain data, as the API, hooks and webhooks show them: excerpt, status, info."""

from ..settings import options
from .. import urls
from ..engine import filename
from .states import FINISHED
from ..units import percent


def excerpt(task):
    """The short form that lists are made of."""
    done, total = task.downloaded, task.total
    return {
        "tid": task.tid, "state": task.state, "title": task.title,
        "percent": "100.0%" if task.state == FINISHED else percent(done, total),
        "total_bytes": total, "speed": task.speed, "eta": task.eta,
    }


def row(task):
    """What a list that follows the events shows of a task: the excerpt and its surroundings."""
    detail = excerpt(task)
    detail.update({
        "filename": task.filename, "name": task.name, "downloaded_bytes": task.downloaded,
        "connections": task.connections, "error": task.error, "reason": task.reason,
        "create_time": task.create_time, "finish_time": task.finish_time,
        "priority": task.options.priority, "place": task.position,
    })
    return detail


def state_counter(daemon):
    """{state: how many tasks are in it}, and of all."""
    counts = daemon.counts()
    return dict(counts, all=sum(counts.values()))


def status(task):
    """Everything about how it goes."""
    detail = excerpt(task)
    done = task.downloaded
    detail.update({
        "url": urls.shown(task.url), "filename": task.filename, "tmpfilename": task.tmpfilename,
        "downloaded_bytes": done, "total_bytes_estmt": max(detail["total_bytes"], done),
        "elapsed": round(task.seconds, 3), "create_time": task.create_time,
        "start_time": task.start_time, "pause_time": task.pause_time,
        "finish_time": task.finish_time, "connections": task.connections,
        "retries": task.retries, "error": task.error, "reason": task.reason, "log": list(task.log),
    })
    return detail


def info(task):
    """Everything about what it is."""
    resource = task.resource
    name = task.filename
    return {
        "tid": task.tid, "url": urls.shown(task.url),
        "final_url": urls.shown(resource.url) if resource else "",
        "title": task.title, "filename": name, "ext": filename.split(name)[1].lstrip("."),
        "format": resource.media_type if resource else "",
        "total_bytes": task.total, "etag": resource.etag if resource else None,
        "last_modified": resource.last_modified if resource else None,
        "resumable": bool(resource and resource.resumable),
        "checksum": task.file.checksum if task.file else None,
        "create_time": task.create_time, "finish_time": task.finish_time,
        "options": options.TABLE.masked(task.posted),
    }
