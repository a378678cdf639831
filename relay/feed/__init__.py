"""A user's feed: its sequence numbers, its message types and the cursors that position a client in it.

Reading a feed joins vehicles, commands and transitions, so the queries are in `relay/usecases/feed/reader.py`.
"""
