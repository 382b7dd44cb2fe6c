"""Training of the weights that ship with the package: what is in it is not needed to run."""
