"""What is known of a rollout, read from an object and the records of its past; nothing here asks the server.

progress.py     how far it is, in kubectl's sentences
history.py      its revisions, and the patch that goes back to one
"""
