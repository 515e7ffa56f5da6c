"""Capturing code, environment and files."""
