"""One file a network, named after what the paper calls it."""
