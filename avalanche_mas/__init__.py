"""Memory Aware Synapses for Avalanche: exact importance, a fast penalty, ready-made plugins."""
