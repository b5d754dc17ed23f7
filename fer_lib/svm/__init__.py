"""Support vector machines: the classifiers of liu2023, their solver and their equations."""
