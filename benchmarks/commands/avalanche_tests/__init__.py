"""Avalanche's own tests with the plugins of this library in its strategies."""
