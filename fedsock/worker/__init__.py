"""The owner's side: data sets, store, engine and the service that runs them (floor 6).

May import floors 0 to 5 and itself, never ``hub`` or ``session``: the three meet in messages. The engine, the
store and the data sets are plain Python without I/O, so that one engine serves a process of its own and a
virtual worker alike; what only the command needs (configuration files, readers of tables, the console) is
imported by ``__main__`` alone.
"""
