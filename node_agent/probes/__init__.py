"""Probes: is a container up, alive, ready? `check` asks once, `judge` counts, `prober` keeps asking."""
