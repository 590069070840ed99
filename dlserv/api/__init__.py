"""The REST interface, the page's assets and the event stream, as the wire contract says.

A Daemon is handed to it. It never knows the engine, connections to servers, or the database.
"""
