"""The kinds of work in queue `deferred_work`. A function each: `(event, work) -> str`.

It returns why the event can never be done, "" when it is done. It raises `BadField` for an event
that does not say what it must.
"""
