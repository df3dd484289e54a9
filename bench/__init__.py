"""Repeatable measurements. `python -m bench` lists them."""
