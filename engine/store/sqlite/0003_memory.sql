-- What partners' answers taught of an ordering key. owner is the key's digest, the same at every endpoint; the value is
-- content of the message that brought it, and goes with that. learners are the deliveries whose answer may teach.
CREATE TABLE learners (
  delivery INTEGER PRIMARY KEY,
  owner    BLOB NOT NULL
) STRICT;
CREATE TABLE memory (
  owner   BLOB NOT NULL,
  name    INTEGER NOT NULL,
  message INTEGER NOT NULL,
  body    INTEGER NOT NULL,
  PRIMARY KEY (owner, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_message ON memory (message);
