-- The latest record of each identifier: the online store.
CREATE TABLE records (
  grp        TEXT NOT NULL, -- one making of a feature group
  id         TEXT NOT NULL,
  event_time BIGINT NOT NULL, -- microseconds since 1970
  deleted    INTEGER NOT NULL,
  expires    BIGINT NOT NULL, -- microseconds since 1970, 0 for never
  doc        TEXT NOT NULL, -- values by feature
  PRIMARY KEY (grp, id)
) WITHOUT ROWID;

-- What is acknowledged and not yet in the offline store.
CREATE TABLE log (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  grp        TEXT NOT NULL,
  event_time BIGINT NOT NULL,
  written    BIGINT NOT NULL,
  deleted    INTEGER NOT NULL,
  doc        TEXT NOT NULL
);
CREATE INDEX log_grp ON log (grp, seq);

-- How far the log of a group has reached the offline store; target is the end of a flush that has begun.
CREATE TABLE flushes (
  grp     TEXT PRIMARY KEY,
  flushed BIGINT NOT NULL,
  target  BIGINT NOT NULL
);

-- Which jobs wrote or read which groups.
CREATE TABLE jobs (
  job  TEXT NOT NULL,
  grp  TEXT NOT NULL,
  name TEXT NOT NULL,
  way  TEXT NOT NULL, -- write or read
  PRIMARY KEY (job, way, grp)
) WITHOUT ROWID;
