"""Capturing what a run depends on: code, environment and files."""
