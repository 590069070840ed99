"""The acts on a task by name: one list for the API, OpenAPI and the commands."""

ACTS = ("pause", "resume", "restart", "refresh", "verify")  # for one task, or many with /task/batch/<act>
MOVE = "move"                               # for one waiting task, to one of the PLACES or an index
PLACES = ("top", "bottom", "up", "down")    # of the queue, within a priority
