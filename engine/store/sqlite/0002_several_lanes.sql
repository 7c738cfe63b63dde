-- The further lanes of a delivery that stands in several: a merge waits for both patients' lanes, and holds both. Its
-- first lane is its own row's. standing: 2 it stands there, 1 it is an open dead letter of the lane, 0 it is over.
CREATE TABLE further (
  delivery INTEGER NOT NULL,
  lane     BLOB NOT NULL,
  standing INTEGER NOT NULL,
  PRIMARY KEY (delivery, lane)
) STRICT, WITHOUT ROWID;
CREATE INDEX further_lane ON further (lane, delivery) WHERE standing > 0;

-- The ids under which a partner may still confirm a delivery that it took: the one that travelled, and the sender's own
-- where its bytes went on untouched. Rows go when the delivery ends.
CREATE TABLE awaited (
  reference TEXT NOT NULL,
  delivery  INTEGER NOT NULL,
  PRIMARY KEY (reference, delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX awaited_delivery ON awaited (delivery);
