"""The aria2 door: aria2's JSON-RPC over HTTP and WebSocket, for aria2's clients.

Names, shapes and messages are aria2's to the letter, because its clients compare them.
Nothing here knows a database, the engine or the network; nothing outside knows a gid.
"""
