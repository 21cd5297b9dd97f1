"""What `helmling why` answers. Pure: objects in, findings and lines out."""
