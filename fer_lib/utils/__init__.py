"""Files, parallel work, progress, safe loading and code hashes: what every floor uses and no paper explains."""
