"""Read archives, folders and images, find a corpus by its content, cache what was parsed."""
