"""Figures over time: outcomes, durations, samples, causes of failures."""
