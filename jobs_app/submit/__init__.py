"""The form that submits a job."""
