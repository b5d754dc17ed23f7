"""Build the tables of both papers and of the replication."""
