"""One file per filter, each with its story. The table of all of them is plugins.py."""
