"""Tasks as plain data, as the API, hooks and webhooks show them."""

from .. import urls
from ..settings import options
from ..units import clean, percent
from .states import FINISHED


def excerpt(task):
    """Return the short form of a task, for lists."""
    done, total = task.downloaded, task.total
    return {
        "tid": task.tid, "state": task.state, "title": task.title,
        "percent": "100.0%" if task.state == FINISHED else percent(done, total),
        "total_bytes": total, "speed": task.speed, "eta": task.eta,
    }


def row(task):
    """Return the excerpt and what the page's list adds, for the event stream."""
    detail = excerpt(task)
    detail.update({
        "filename": task.filename, "name": task.name, "downloaded_bytes": task.downloaded,
        "connections": task.connections, "error": task.error, "reason": task.reason,
        "create_time": task.create_time, "finish_time": task.finish_time,
        "verified_time": task.verified_time, "priority": task.options.priority, "place": task.position,
    })
    return detail


def state_counter(daemon):
    """Return {state: number of tasks in it}, with "all"."""
    counts = daemon.counts()
    return dict(counts, all=sum(counts.values()))


def status(task):
    """Return the full status."""
    detail, done = excerpt(task), task.downloaded
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
    """Return the facts about a task's file, and its options."""
    resource = task.resource
    return {
        "tid": task.tid, "url": urls.shown(task.url),
        "final_url": urls.shown(resource.url) if resource else "",
        "title": task.title, "filename": task.filename, "ext": task.extension.lstrip("."),
        "format": clean(resource.media_type or "") if resource else "",
        "total_bytes": task.total, "etag": resource.etag if resource else None,
        "last_modified": resource.last_modified if resource else None,
        "resumable": bool(resource and resource.resumable),
        "checksum": task.file.checksum if task.file else None,
        "verified_time": task.verified_time,
        "create_time": task.create_time, "finish_time": task.finish_time,
        "options": options.TABLE.masked(task.posted),
    }


def detail(task):
    """Return info and status, as hooks and webhooks tell them."""
    return dict(info(task), **status(task))
