"""A cluster on this machine in the background: its folder, its processes, and how they feel."""
