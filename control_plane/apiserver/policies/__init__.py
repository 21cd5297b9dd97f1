"""What a namespace allows: pure decisions, called by control_plane/apiserver/admission.py."""
