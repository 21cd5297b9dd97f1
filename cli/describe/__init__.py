"""What `helmling describe` says about each kind of object, in kubectl's layout. Pure: objects in, lines out."""
