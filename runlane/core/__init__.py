"""The life of a job in SQL: submit, start, progress, end, edit, delete, run again."""
