"""The configuration rim: Hydra composes here, and nowhere else; the pipeline behind it sees plain values."""
