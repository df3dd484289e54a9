"""Repeatable measurements. `python -m bench` runs them."""
