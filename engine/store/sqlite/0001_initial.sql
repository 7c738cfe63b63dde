-- The first schema. Migrations only add; a removal comes a release after the last reader is gone.
-- Names, chains and buckets are integers here; what people wrote stands once, in `names`.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- kind: route, partner, endpoint, listener; and the store's own: version, destination, role, kind, codec, key.
CREATE TABLE names (
  id   INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  UNIQUE (kind, name)
) STRICT;

-- hops: JSON [[endpoint, role], ...] of names.id, so that a renamed endpoint takes its waiting deliveries along.
CREATE TABLE chains (
  id   INTEGER PRIMARY KEY,
  hops TEXT NOT NULL UNIQUE
) STRICT;

-- What shares a fate at the end of retention: one key per bucket once content is encrypted.
CREATE TABLE buckets (
  id      INTEGER PRIMARY KEY,
  partner INTEGER NOT NULL,
  class   TEXT NOT NULL,
  month   INTEGER NOT NULL,
  UNIQUE (partner, class, month)
) STRICT;

-- first_body and bodies give the rows of content that came with the message: they are contiguous. bodies = 0: purged.
CREATE TABLE messages (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  listener    INTEGER NOT NULL,
  partner     INTEGER NOT NULL,
  codec       INTEGER NOT NULL,
  disposition INTEGER NOT NULL,
  flags       INTEGER NOT NULL,
  received    INTEGER NOT NULL,
  size        INTEGER NOT NULL,
  sha256      BLOB NOT NULL,
  first_body  INTEGER NOT NULL,
  bodies      INTEGER NOT NULL,
  control     TEXT,
  replay_of   TEXT
) STRICT;
CREATE INDEX messages_partner ON messages (partner, seq) WHERE partner > 0;
CREATE INDEX messages_turned ON messages (disposition, seq) WHERE disposition > 0;

-- All content, and nothing but content. sha256 is absent where the message's own applies (role raw, or the same bytes:
-- then `same` names the row that has them). codec is the content type; path is relative to the folder of body files.
-- late = 1: written after its message, found by the index below; evidence is found through its attempt.
CREATE TABLE bodies (
  id      INTEGER PRIMARY KEY,
  message INTEGER NOT NULL,
  role    INTEGER NOT NULL,
  part    INTEGER NOT NULL,
  codec   INTEGER NOT NULL,
  bucket  INTEGER NOT NULL,
  late    INTEGER NOT NULL,
  size    INTEGER,
  same    INTEGER,
  sha256  BLOB,
  bytes   BLOB,
  path    TEXT
) STRICT;
CREATE INDEX bodies_late ON bodies (message) WHERE late = 1;
CREATE INDEX bodies_path ON bodies (path) WHERE path IS NOT NULL;

-- Business keys: a keyed digest, never the value. The month leads so that inserts stay in a part that is in memory.
CREATE TABLE keys (
  month   INTEGER NOT NULL,
  name    INTEGER NOT NULL,
  digest  BLOB NOT NULL,
  message INTEGER NOT NULL,
  PRIMARY KEY (month, name, digest, message)
) STRICT, WITHOUT ROWID;
CREATE TABLE key_months (
  month INTEGER PRIMARY KEY
) STRICT;

-- The duplicate check: the control id as text and led by the day, because a hashed key is random and costs 40 % of the
-- insert rate; dedup_days lists the days that have rows, so that a look-up probes no other.
CREATE TABLE dedup (
  day      INTEGER NOT NULL,
  listener INTEGER NOT NULL,
  partner  INTEGER NOT NULL,
  control  TEXT NOT NULL,
  message  INTEGER NOT NULL,
  PRIMARY KEY (day, listener, partner, control, message)
) STRICT, WITHOUT ROWID;
CREATE TABLE dedup_days (
  day INTEGER PRIMARY KEY
) STRICT;

-- One mutable row per duty. lane is NULL for a lane of its own. holds = 1: it stands in its lane; blocked = 1: behind
-- another there. open = 1: a dead letter that still needs a human; overtaken = 1: one that a later of its lane passed.
-- flags: 1 supersedes, 2 recalls, 4 first choice was a fallback. endpoint is the current hop's.
CREATE TABLE deliveries (
  seq          INTEGER PRIMARY KEY,
  message      INTEGER NOT NULL,
  part         INTEGER NOT NULL,
  route        INTEGER NOT NULL,
  version      INTEGER NOT NULL,
  destination  INTEGER NOT NULL,
  chain        INTEGER NOT NULL,
  endpoint     INTEGER NOT NULL,
  state        INTEGER NOT NULL,
  blocked      INTEGER NOT NULL,
  holds        INTEGER NOT NULL,
  open         INTEGER NOT NULL,
  overtaken    INTEGER NOT NULL,
  flags        INTEGER NOT NULL,
  overtakes    INTEGER NOT NULL,
  due          INTEGER NOT NULL,
  accepted     INTEGER NOT NULL,
  hop          INTEGER NOT NULL,
  hop_ms       INTEGER NOT NULL,
  revision     INTEGER NOT NULL,
  generation   INTEGER NOT NULL,
  attempts     INTEGER NOT NULL,
  hop_attempts INTEGER NOT NULL,
  unknown      INTEGER NOT NULL,
  kind         INTEGER NOT NULL,
  settled      INTEGER NOT NULL,
  bucket       INTEGER NOT NULL,
  lane         BLOB,
  deadline     INTEGER,
  expire       INTEGER,
  ordinal      INTEGER,
  own_id       TEXT,
  reason       TEXT
) STRICT;
CREATE INDEX deliveries_due ON deliveries (endpoint, due, seq) WHERE state < 2 AND blocked = 0;
CREATE INDEX deliveries_lane ON deliveries (lane, seq) WHERE holds = 1;
CREATE INDEX deliveries_deadline ON deliveries (deadline, seq) WHERE state < 10 AND blocked = 0 AND deadline IS NOT NULL;
CREATE INDEX deliveries_overtaking ON deliveries (lane, seq) WHERE holds = 1 AND overtakes = 1;
CREATE INDEX deliveries_waiting ON deliveries (route, endpoint, seq) WHERE state < 10;
CREATE INDEX deliveries_ended ON deliveries (state, seq) WHERE state > 10;
CREATE INDEX deliveries_open ON deliveries (lane, seq) WHERE open = 1;
CREATE INDEX deliveries_message ON deliveries (message);
CREATE INDEX deliveries_own_id ON deliveries (own_id) WHERE own_id IS NOT NULL;

-- A lane that stopped behind a dead letter: what came after `delivery` waits.
CREATE TABLE parked (
  lane     BLOB NOT NULL,
  delivery INTEGER NOT NULL,
  PRIMARY KEY (lane, delivery)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
  delivery   INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  endpoint   INTEGER NOT NULL,
  started    INTEGER NOT NULL,
  took       INTEGER NOT NULL,
  result     INTEGER NOT NULL,
  code       TEXT NOT NULL,
  remark     TEXT,
  evidence   INTEGER,
  PRIMARY KEY (delivery, generation, number)
) STRICT, WITHOUT ROWID;

-- Pseudonymous ids only. A row's commit is the first one whose `last` is not before it; `at` only where it differs.
CREATE TABLE journal (
  seq      INTEGER PRIMARY KEY,
  action   TEXT NOT NULL,
  message  INTEGER,
  delivery INTEGER,
  actor    TEXT,
  detail   TEXT,
  at       INTEGER
) STRICT;
CREATE INDEX journal_message ON journal (message) WHERE message IS NOT NULL;
CREATE TABLE commits (
  id   INTEGER PRIMARY KEY,
  at   INTEGER NOT NULL,
  last INTEGER NOT NULL,
  root BLOB NOT NULL
) STRICT;

-- Conservation, kept by every commit: deliveries by (route, current endpoint, state), messages by disposition.
CREATE TABLE counts (
  route    INTEGER NOT NULL,
  endpoint INTEGER NOT NULL,
  state    INTEGER NOT NULL,
  n        INTEGER NOT NULL,
  PRIMARY KEY (route, endpoint, state)
) STRICT, WITHOUT ROWID;
CREATE TABLE totals (
  name TEXT PRIMARY KEY,
  n    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE daily (
  day         INTEGER NOT NULL,
  partner     INTEGER NOT NULL,
  disposition INTEGER NOT NULL,
  n           INTEGER NOT NULL,
  PRIMARY KEY (day, partner, disposition)
) STRICT, WITHOUT ROWID;

CREATE TABLE records (
  kind     TEXT NOT NULL,
  name     TEXT NOT NULL,
  value    TEXT NOT NULL,
  revision INTEGER NOT NULL,
  changed  INTEGER NOT NULL,
  UNIQUE (kind, name)
) STRICT;
