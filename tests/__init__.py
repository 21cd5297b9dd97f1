"""The tests; a package, so that they can share what starts real servers."""
