"""What can be done to a task by name: one list for the API, OpenAPI and the commands."""

ACTS = ("pause", "resume", "restart", "verify")     # on one task, or on many with /task/batch/<act>
MOVE = "move"                               # on one waiting task, to one of the PLACES or an index
PLACES = ("top", "bottom", "up", "down")    # of the queue, within a priority
