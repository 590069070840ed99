"""Everything that happens by itself, upon events of tasks or the time. It never knows the API.

Rules are looked up for each task and therefore live in settings/.
"""
