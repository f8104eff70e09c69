"""Pure functions from profiles to numbers with intervals. One family a file; :mod:`.names` lists them."""
