"""One file per score, each with its story. The table of all of them is plugins.py."""
