"""Holds the names of content types."""
