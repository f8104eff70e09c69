"""The HTTP interface: authentication, routes, problems, and the process that serves them."""
