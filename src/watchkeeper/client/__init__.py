"""Lives inside a serving process: hands predictions and labels to a server without ever troubling its host."""
