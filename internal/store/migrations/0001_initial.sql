CREATE TABLE resources (
  account  TEXT NOT NULL,
  region   TEXT NOT NULL,
  kind     TEXT NOT NULL,
  name     TEXT NOT NULL,
  arn      TEXT NOT NULL,
  parent   TEXT NOT NULL,
  status   TEXT NOT NULL,
  created  BIGINT NOT NULL, -- microseconds since 1970
  modified BIGINT NOT NULL,
  doc      TEXT NOT NULL,
  PRIMARY KEY (account, region, kind, name)
);
CREATE UNIQUE INDEX resources_arn ON resources (arn);
CREATE INDEX resources_created ON resources (account, region, kind, created, name);
CREATE INDEX resources_parent ON resources (account, region, kind, parent, created, name);

CREATE TABLE resource_keys (
  account TEXT NOT NULL,
  region  TEXT NOT NULL,
  kind    TEXT NOT NULL,
  key     TEXT NOT NULL,
  value   TEXT NOT NULL,
  name    TEXT NOT NULL,
  PRIMARY KEY (account, region, kind, key, value, name)
);
CREATE INDEX resource_keys_name ON resource_keys (account, region, kind, name);

CREATE TABLE events (
  seq      BIGINT PRIMARY KEY,
  version  INTEGER NOT NULL,
  time     BIGINT NOT NULL,
  type     TEXT NOT NULL,
  resource TEXT NOT NULL,
  cause    BIGINT NOT NULL,
  data     TEXT NOT NULL
);

CREATE TABLE consumers (
  name TEXT PRIMARY KEY,
  seq  BIGINT NOT NULL
);

CREATE TABLE tokens (
  account   TEXT NOT NULL,
  region    TEXT NOT NULL,
  operation TEXT NOT NULL,
  token     TEXT NOT NULL,
  request   TEXT NOT NULL, -- SHA-256
  result    TEXT NOT NULL,
  created   BIGINT NOT NULL,
  PRIMARY KEY (account, region, operation, token)
);
CREATE INDEX tokens_created ON tokens (created);

CREATE TABLE tags (
  arn   TEXT NOT NULL,
  place INTEGER NOT NULL,
  key   TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (arn, key)
);

CREATE TABLE tasks (
  kind        TEXT NOT NULL,
  key         TEXT NOT NULL,
  due         BIGINT NOT NULL, -- when it is to run next
  owner       TEXT NOT NULL,   -- "" while nobody runs it
  lease_until BIGINT NOT NULL,
  fence       BIGINT NOT NULL,
  attempts    INTEGER NOT NULL,
  takeovers   INTEGER NOT NULL,
  signals     BIGINT NOT NULL,
  last_error  TEXT NOT NULL,
  PRIMARY KEY (kind, key)
);
CREATE INDEX tasks_due ON tasks (kind, owner, due);
CREATE INDEX tasks_held ON tasks (lease_until) WHERE owner <> '';

CREATE TABLE job_keys (
  access_key TEXT PRIMARY KEY,
  secret     TEXT NOT NULL,
  token      TEXT NOT NULL,
  account    TEXT NOT NULL,
  region     TEXT NOT NULL,
  role       TEXT NOT NULL,
  job        TEXT NOT NULL,
  expires    BIGINT NOT NULL
);
CREATE INDEX job_keys_job ON job_keys (job);
CREATE INDEX job_keys_expires ON job_keys (expires);
