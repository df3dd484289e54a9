"""Thumbnails of uploaded images: which there are, making them, and messages that wait for them."""
