-- A key that a caller asked STS for, and not one of a job's own, has the name of its session.
ALTER TABLE job_keys ADD COLUMN session TEXT NOT NULL DEFAULT '';
