"""Who stands behind each Service: the pods its selector chooses, kept in EndpointSlices (S#81, S#85, S#86)."""
