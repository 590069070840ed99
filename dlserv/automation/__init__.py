"""Everything that happens by itself: hooks, webhooks, windows of the schedule, watched folders.

It is told what happens to tasks and adds some; it never knows the API. (Rules are looked
up for each task and therefore live in settings/.)
"""
