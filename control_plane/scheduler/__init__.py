"""Which node for which pod: a snapshot goes in, a plan comes out. Begin with choose.py; the loop is main.py."""
