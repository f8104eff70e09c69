"""What is known about a window: states of columns, outcomes, segments and days, and the profile that holds them."""
