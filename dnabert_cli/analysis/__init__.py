"""Numbers a biologist reads, from numpy arrays; no torch, no files."""
