"""General tools: files, parallel work, progress, safe loading, saved models and code hashes."""
