-- The DICOM instances that the store holds: found by keyed digests of their UIDs. What can be read of them (UIDs, names,
-- dates) is content: a body of role `attributes` of their message. Rows go when that content goes. class and modality
-- are codes of the standard, and say how long an instance is kept.
CREATE TABLE instances (
  message  INTEGER PRIMARY KEY,
  study    BLOB NOT NULL,
  series   BLOB NOT NULL,
  instance BLOB NOT NULL,
  class    TEXT NOT NULL,
  modality TEXT NOT NULL
) STRICT;
CREATE INDEX instances_study ON instances (study, message);
CREATE INDEX instances_series ON instances (series, message);
CREATE INDEX instances_uid ON instances (instance, message);

-- Studies and series that are told of as a whole once nothing has come for their quiet time: level 1 a study, 2 a
-- series. due is NULL where all that came was told. revision grows with every instance, version with every telling.
CREATE TABLE gatherings (
  id       INTEGER PRIMARY KEY,
  listener INTEGER NOT NULL,
  level    INTEGER NOT NULL,
  uid      BLOB NOT NULL,
  latest   INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  version  INTEGER NOT NULL,
  due      INTEGER,
  UNIQUE (listener, level, uid)
) STRICT;
CREATE INDEX gatherings_uid ON gatherings (uid);
CREATE INDEX gatherings_due ON gatherings (due) WHERE due IS NOT NULL;
