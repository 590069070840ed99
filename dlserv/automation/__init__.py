"""Everything that happens by itself, upon events of tasks or the time. It never knows the API."""
