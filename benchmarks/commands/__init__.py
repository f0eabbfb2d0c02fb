"""The commands of `python -m benchmarks`, a module or a package each, and what they share.

`avalanche_tests`, `kills`, `stability` and `wandb_versions` are no such commands: each is run by hand, as
`python -m benchmarks.commands.NAME`, to record what the documents show.
"""
