"""Living beside a running Zulip server: what it must hear after a change in its database.

The server keeps lists in memcached for days, and its clients hear of changes by events that pass
through RabbitMQ. `telling` is called after a commit: it deletes the cache entries that a change
made stale (`cache_rules`, by `memcached`) and publishes the events that the server itself would
have published (`event_rules`, by `publishing`).
"""
