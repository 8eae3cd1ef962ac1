"""The ground floor: the backend seam, lists of tensors, argument checks, the registry and atomic files."""
