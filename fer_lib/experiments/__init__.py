"""Train and test what the papers describe: protocols, studies and comparisons."""
