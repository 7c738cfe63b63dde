-- What studies are looked up by beside their UID: keyed digests of what their instances say (patient, accession number,
-- day, names). A study has them as long as one of its instances is held.
CREATE TABLE study_keys (
  digest BLOB NOT NULL,
  study  BLOB NOT NULL,
  PRIMARY KEY (digest, study)
) STRICT, WITHOUT ROWID;
CREATE INDEX study_keys_study ON study_keys (study);

-- Of instances that were stored before, nobody knows what they are looked up by: their studies are always looked at.
ALTER TABLE instances ADD COLUMN keyed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX instances_unkeyed ON instances (study) WHERE keyed = 0;
