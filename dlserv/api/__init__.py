"""The REST interface, the page and the event stream, as the wire contract says.

It is handed a Daemon and never knows the engine, connections to servers, or the database.
"""
