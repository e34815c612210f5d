"""The configuration rim: Hydra composes here, and nowhere else; the stages behind it see plain values."""
