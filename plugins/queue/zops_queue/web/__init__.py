"""Requests to places that users of a server name: with bounds, and never into private networks."""
