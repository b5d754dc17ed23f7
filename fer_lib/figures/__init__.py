"""Draw the figures of both papers and of the replication."""
