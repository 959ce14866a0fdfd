"""Parameters and results as trees."""
