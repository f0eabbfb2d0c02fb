"""One pass over a batch: the network is watched, recorded, and left as it was."""
