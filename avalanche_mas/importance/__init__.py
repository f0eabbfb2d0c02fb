"""Ω: how sensitive a network's output is to each of its parameters. Pure torch."""
