"""The pages: each binds state to components, and does nothing else."""
