"""The acts on a task by name, for the API and OpenAPI.

An act of ACTS needs an event in tasks/states.py, a method of Task, a row in tasks/operations.py, two names in
Daemon, a row /task/batch/<act> in api/routes.ROUTES, and for the command a row in
commands/catalogue.py and in commands/actions.TOLD.
"""

ACTS = ("pause", "resume", "restart", "refresh", "verify")  # for one task, or many with /task/batch/<act>
MOVE = "move"                               # for one waiting task, to one of the PLACES or an index
PLACES = ("top", "bottom", "up", "down")    # of the queue, within a priority
