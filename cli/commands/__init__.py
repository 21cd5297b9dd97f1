"""One module per family of commands. Only the one that is asked for is imported."""
