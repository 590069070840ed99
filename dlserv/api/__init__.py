"""The REST interface, the page's assets and the event stream, as the wire contract says.

Is handed a Daemon; knows nothing of the engine, of sockets to servers, or of the database.
"""
