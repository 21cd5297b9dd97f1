"""Measurements, side by side with the floor: `make bench`. Ratios within a run count; absolute figures orient."""
