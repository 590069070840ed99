"""Everything that happens by itself: hooks, webhooks, windows of the schedule, watched folders.

It is told of events and adds tasks; it never knows the API. (Rules are looked
up for each task and therefore live in settings/.)
"""
