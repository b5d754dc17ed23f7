"""Load saved models and name the expressions in a user's photos."""
