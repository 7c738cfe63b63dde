-- Worklists: what orders, appointments and modalities said of steps to be performed, and the steps that follow from it.
-- All of it can be made again from messages. standing: 1 the one that is asked, 2 one that is being built beside it,
-- 0 one that is over and goes in slices.
CREATE TABLE worklists (
  id       INTEGER PRIMARY KEY,
  name     INTEGER NOT NULL,
  standing INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX worklists_name ON worklists (name, standing) WHERE standing > 0;

-- What was said of an order, in the order in which it counts: the event's own time, then the delivery that brought it.
-- owner is the least of the digests by which the order is known; digest that of what was said, so that a copy is one.
-- content is JSON, and holds what can be read of a person.
CREATE TABLE worklist_said (
  worklist INTEGER NOT NULL,
  owner    BLOB NOT NULL,
  at       INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  digest   BLOB NOT NULL,
  message  INTEGER NOT NULL,
  content  TEXT NOT NULL,
  PRIMARY KEY (worklist, owner, digest)
) STRICT, WITHOUT ROWID;

-- By what an order is known (kind 0: its numbers) and whom it is about (kind 1: the patient's ids): keyed digests.
CREATE TABLE worklist_known (
  worklist INTEGER NOT NULL,
  kind     INTEGER NOT NULL,
  digest   BLOB NOT NULL,
  owner    BLOB NOT NULL,
  PRIMARY KEY (worklist, kind, digest, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX worklist_known_owner ON worklist_known (worklist, owner);

-- What was said of patients: former is one of the ids that they had, present one that they have.
CREATE TABLE worklist_patients (
  worklist INTEGER NOT NULL,
  former   BLOB NOT NULL,
  present  BLOB NOT NULL,
  digest   BLOB NOT NULL,
  at       INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  message  INTEGER NOT NULL,
  content  TEXT NOT NULL,
  PRIMARY KEY (worklist, former, present, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX worklist_patients_present ON worklist_patients (worklist, present);

-- What modalities said of what they perform, as it stands: the whole of it, by its UID; revision counts its changes.
-- It may belong to several studies.
CREATE TABLE worklist_performed (
  worklist INTEGER NOT NULL,
  uid      BLOB NOT NULL,
  revision INTEGER NOT NULL,
  message  TEXT NOT NULL,
  content  TEXT NOT NULL,
  PRIMARY KEY (worklist, uid)
) STRICT, WITHOUT ROWID;
CREATE TABLE worklist_studies (
  worklist INTEGER NOT NULL,
  study    BLOB NOT NULL,
  uid      BLOB NOT NULL,
  PRIMARY KEY (worklist, study, uid)
) STRICT, WITHOUT ROWID;

-- What a modality said while its message is not known to be durable: it counts once that is. studies is a JSON list.
CREATE TABLE worklist_pending (
  message  TEXT PRIMARY KEY,
  name     INTEGER NOT NULL,
  uid      TEXT NOT NULL,
  revision INTEGER NOT NULL,
  studies  TEXT NOT NULL,
  content  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The steps that follow; those with visible = 1 are answered. Searched by what says nothing of a person, by
-- digests, and by the name as it is compared; content is the DICOM JSON model.
CREATE TABLE worklist_steps (
  id        INTEGER PRIMARY KEY,
  worklist  INTEGER NOT NULL,
  owner     BLOB NOT NULL,
  number    INTEGER NOT NULL,
  state     TEXT NOT NULL,
  visible   INTEGER NOT NULL,
  day       TEXT NOT NULL,
  moment    TEXT NOT NULL,
  modality  TEXT NOT NULL,
  station   TEXT NOT NULL,
  patient   BLOB NOT NULL,
  accession BLOB NOT NULL,
  study     BLOB NOT NULL,
  name      TEXT NOT NULL,
  content   TEXT NOT NULL,
  UNIQUE (worklist, owner, number)
) STRICT;
CREATE INDEX worklist_steps_day ON worklist_steps (worklist, day, moment, owner, number);
CREATE INDEX worklist_steps_patient ON worklist_steps (worklist, patient);
CREATE INDEX worklist_steps_accession ON worklist_steps (worklist, accession);
CREATE INDEX worklist_steps_study ON worklist_steps (worklist, study);
