"""The demo: a model that foretells late flights, and the months it is watched over."""
