"""Answers on screen and in files."""
