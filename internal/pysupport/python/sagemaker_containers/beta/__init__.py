"""Holds framework."""
