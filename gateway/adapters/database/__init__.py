"""The store over SQLite or PostgreSQL: grades with their audit, claims, rubrics, corrections, answers."""
