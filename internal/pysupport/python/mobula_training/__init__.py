"""The algorithms that images have without a script, for the versions that Mobula has no library of its own for."""
