"""`pgcron demo`: a PostgreSQL of its own, workers, the admin, and jobs that do real work on real rows."""
