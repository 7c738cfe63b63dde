-- name: standing
-- A name has at most two: the one that is asked (1) and the one that is being built (2). The partial index.
SELECT id, standing FROM worklists WHERE name = ? AND standing > 0 ORDER BY standing

-- name: create
-- The first use of a name, or the beginning of a rebuild.
INSERT INTO worklists (name, standing) VALUES (?, ?) RETURNING id

-- name: restand
-- By its id, inside the one transaction that ends a rebuild.
UPDATE worklists SET standing = ?2 WHERE id = ?1

-- name: owners
-- One probe of the primary key per number.
SELECT DISTINCT k.owner FROM json_each(?2) AS n CROSS JOIN worklist_known AS k
WHERE k.worklist = ?1 AND k.kind = 0 AND k.digest = unhex(n.value)

-- name: said-before
-- The primary key.
SELECT sequence FROM worklist_said WHERE worklist = ? AND owner = ? AND digest = ?

-- name: say
-- A copy keeps the place of the first.
INSERT INTO worklist_said (worklist, owner, at, sequence, digest, message, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (worklist, owner, digest) DO UPDATE SET sequence = ?4, message = ?6 WHERE ?4 < sequence

-- name: know
-- What is known already stays.
INSERT OR IGNORE INTO worklist_known (worklist, kind, digest, owner) VALUES (?, ?, ?, ?)

-- name: said-join
-- Two orders turn out to be one: all that was said goes under the lesser owner. A few rows of one owner.
UPDATE OR REPLACE worklist_said SET owner = ?3 WHERE worklist = ?1 AND owner = ?2

-- name: known-join
-- As above, by the index on the owner.
UPDATE OR REPLACE worklist_known SET owner = ?3 WHERE worklist = ?1 AND owner = ?2

-- name: story
-- A few rows of one owner, in the order in which they count.
SELECT at, sequence, content FROM worklist_said WHERE worklist = ? AND owner = ? ORDER BY at, sequence, digest

-- name: patients
-- From the ids that the order was said with, along what became of them: each step one probe of the primary key.
WITH RECURSIVE ids(digest) AS (
  SELECT digest FROM worklist_known WHERE worklist = ?1 AND owner = ?2 AND kind = 1
  UNION
  SELECT p.present FROM ids CROSS JOIN worklist_patients AS p WHERE p.worklist = ?1 AND p.former = ids.digest
)
SELECT DISTINCT p.at, p.sequence, p.content FROM ids CROSS JOIN worklist_patients AS p
WHERE p.worklist = ?1 AND p.former = ids.digest ORDER BY p.at, p.sequence, p.digest

-- name: patient-before
-- The primary key.
SELECT sequence FROM worklist_patients WHERE worklist = ? AND former = ? AND present = ? AND digest = ?

-- name: patient
-- A copy keeps the place of the first.
INSERT INTO worklist_patients (worklist, former, present, digest, at, sequence, message, content)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (worklist, former, present, digest) DO UPDATE SET sequence = ?6, message = ?7 WHERE ?6 < sequence

-- name: owners-of-patients
-- Back from an id along what it was before, then to the orders that were said with any of those: indexes all the way.
WITH RECURSIVE ids(digest) AS (
  SELECT unhex(value) FROM json_each(?2)
  UNION
  SELECT p.former FROM ids CROSS JOIN worklist_patients AS p INDEXED BY worklist_patients_present
  WHERE p.worklist = ?1 AND p.present = ids.digest
)
SELECT DISTINCT k.owner FROM ids CROSS JOIN worklist_known AS k
WHERE k.worklist = ?1 AND k.kind = 1 AND k.digest = ids.digest

-- name: steps-forget
-- The unique index: the few steps of one owner.
DELETE FROM worklist_steps WHERE worklist = ? AND owner = ?

-- name: step
-- Those of before were forgotten in this transaction.
INSERT INTO worklist_steps (worklist, owner, number, state, visible, day, moment, modality, station, patient, accession, study, name, content)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: announce
-- A message id is used once.
INSERT OR IGNORE INTO worklist_pending (message, name, uid, revision, studies, content) VALUES (?, ?, ?, ?, ?, ?)

-- name: announced
-- A handful: what is being handed in at this moment.
SELECT message, name, uid, revision, studies, content FROM worklist_pending WHERE ?1 IS NULL OR message = ?1

-- name: concluded
-- The primary key.
DELETE FROM worklist_pending WHERE message = ?

-- name: perform
-- An older revision changes nothing.
INSERT INTO worklist_performed (worklist, uid, revision, message, content) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (worklist, uid) DO UPDATE SET revision = ?3, message = ?4, content = ?5 WHERE ?3 > revision

-- name: perform-study
-- What is known already stays.
INSERT OR IGNORE INTO worklist_studies (worklist, study, uid) VALUES (?, ?, ?)

-- name: owners-of-study
-- The index on the study.
SELECT DISTINCT owner FROM worklist_steps INDEXED BY worklist_steps_study WHERE worklist = ? AND study = ?

-- name: performed-of-study
-- The primary keys of both tables; by UID, so that the order never depends on who came first.
SELECT p.content FROM worklist_studies AS s CROSS JOIN worklist_performed AS p
WHERE s.worklist = ?1 AND s.study = ?2 AND p.worklist = ?1 AND p.uid = s.uid ORDER BY p.uid

-- name: performed
-- The primary key, in the worklist that is asked.
SELECT p.revision, p.content FROM worklists AS w CROSS JOIN worklist_performed AS p
WHERE w.name = ?1 AND w.standing = 1 AND p.worklist = w.id AND p.uid = ?2

-- fragment: step
s.number, s.state, s.visible, s.day, s.moment, s.modality, s.station, s.content, s.owner,
CASE WHEN :attributes IS NOT NULL THEN
  (SELECT json_group_object(a.key, json_extract(s.content, a.value)) FROM json_each(:attributes) AS a) END

-- fragment: narrowed
s.worklist = :worklist AND s.visible >= :visible
AND s.day >= :first AND s.day <= :last AND s.moment >= :first_moment AND s.moment <= :last_moment
AND (:modalities IS NULL OR s.modality IN (SELECT value FROM json_each(:modalities)))
AND (:stations IS NULL OR s.station IN (SELECT value FROM json_each(:stations))
  OR instr(s.station, char(92)) > 0)
AND (:patient IS NULL OR s.patient = :patient)
AND (:accession IS NULL OR s.accession = :accession)
AND (:study IS NULL OR s.study = :study)
AND (:name IS NULL OR s.name GLOB :name)
AND (:holding IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(:holding) AS h WHERE instr(s.content, h.value) = 0))
AND (:after_day IS NULL OR (s.day, s.moment, s.owner, s.number) > (:after_day, :after_moment, :after_owner, :after_number))

-- name: steps-by-day
-- Along the days, which is the order of the answers: nothing is sorted. What is asked for beyond the columns is judged
-- by who reads, of whom each row gives only the attributes in question.
SELECT {step} FROM worklist_steps AS s INDEXED BY worklist_steps_day WHERE {narrowed}
ORDER BY s.day, s.moment, s.owner, s.number LIMIT :limit OFFSET :offset

-- name: steps-by-patient
-- The few steps of one patient.
SELECT {step} FROM worklist_steps AS s INDEXED BY worklist_steps_patient WHERE {narrowed}
ORDER BY s.day, s.moment, s.owner, s.number LIMIT :limit OFFSET :offset

-- name: steps-by-accession
-- The few steps of one accession.
SELECT {step} FROM worklist_steps AS s INDEXED BY worklist_steps_accession WHERE {narrowed}
ORDER BY s.day, s.moment, s.owner, s.number LIMIT :limit OFFSET :offset

-- name: steps-by-study
-- The few steps of one study.
SELECT {step} FROM worklist_steps AS s INDEXED BY worklist_steps_study WHERE {narrowed}
ORDER BY s.day, s.moment, s.owner, s.number LIMIT :limit OFFSET :offset

-- name: fed
-- In the order of the primary key, a page at a time; only a command reads it.
SELECT d.seq, d.message, COALESCE(d.own_id, m.id), d.kind, d.chain, d.hop, d.part, d.accepted
FROM deliveries AS d CROSS JOIN messages AS m
WHERE d.seq > ?1 AND d.state IN (10, 11) AND d.endpoint IN (SELECT value FROM json_each(?2)) AND m.seq = d.message
ORDER BY d.seq LIMIT ?3

-- name: told
-- In the order of the primary key, a page at a time; only a command reads it. disposition 2 is refused, 3 a copy.
SELECT m.seq, m.id, m.received FROM messages AS m
WHERE m.seq > ?1 AND m.listener IN (SELECT value FROM json_each(?2)) AND m.disposition NOT IN (2, 3)
  AND m.control >= ?3 AND m.control < ?3 || char(1114111)
ORDER BY m.seq LIMIT ?4

-- name: retained
-- What messages without content said, a page at a time along the primary key; only a command reads it.
SELECT s.owner, s.digest, s.at, s.sequence, s.message, s.content FROM worklist_said AS s
WHERE s.worklist = ?1 AND (s.owner, s.digest) > (?2, ?3)
  AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.seq = s.message AND m.bodies > 0)
ORDER BY s.owner, s.digest LIMIT 200

-- name: retained-known
-- The index on the owner.
SELECT kind, digest FROM worklist_known WHERE worklist = ? AND owner = ?

-- name: retained-patients
-- The same for what was said of patients; they are few.
INSERT OR IGNORE INTO worklist_patients (worklist, former, present, digest, at, sequence, message, content)
SELECT ?2, former, present, digest, at, sequence, message, content FROM worklist_patients AS p
WHERE p.worklist = ?1 AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.seq = p.message AND m.bodies > 0)

-- name: retained-performed
-- The same for what modalities said.
INSERT INTO worklist_performed (worklist, uid, revision, message, content)
SELECT ?2, p.uid, p.revision, p.message, p.content FROM worklist_performed AS p
WHERE p.worklist = ?1 AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.id = p.message AND m.bodies > 0)
ON CONFLICT (worklist, uid) DO NOTHING

-- name: retained-studies
-- To which studies they belong.
INSERT OR IGNORE INTO worklist_studies (worklist, study, uid)
SELECT ?2, s.study, s.uid FROM worklist_studies AS s
WHERE s.worklist = ?1 AND EXISTS (SELECT 1 FROM worklist_performed AS p WHERE p.worklist = ?2 AND p.uid = s.uid)

-- name: past
-- Owners whose last step is past and who were silent since; a page at a time, aside from the way of a message.
SELECT s.owner FROM worklist_said AS s WHERE s.worklist = ?1
GROUP BY s.owner HAVING max(s.at) < ?3
AND NOT EXISTS (SELECT 1 FROM worklist_steps AS t WHERE t.worklist = ?1 AND t.owner = s.owner AND t.day >= ?2)
LIMIT 200

-- name: said-forget
-- The rows of one owner.
DELETE FROM worklist_said WHERE worklist = ? AND owner = ?

-- name: known-forget
-- The index on the owner.
DELETE FROM worklist_known WHERE worklist = ? AND owner = ?

-- name: patients-past
-- What was said of patients before, a slice of it.
DELETE FROM worklist_patients WHERE worklist = ?1 AND (former, present, digest) IN
  (SELECT former, present, digest FROM worklist_patients WHERE worklist = ?1 AND at < ?2 LIMIT 500)

-- name: performed-past
-- What no step is there for any more, a slice of it; a revision that is being changed has its step.
DELETE FROM worklist_performed WHERE worklist = ?1 AND uid IN
  (SELECT p.uid FROM worklist_performed AS p CROSS JOIN messages AS m
   WHERE p.worklist = ?1 AND m.id = p.message AND m.received < ?2 LIMIT 500)

-- name: studies-past
-- With what they belong to.
DELETE FROM worklist_studies WHERE worklist = ?1
  AND NOT EXISTS (SELECT 1 FROM worklist_performed AS p WHERE p.worklist = ?1 AND p.uid = worklist_studies.uid)

-- name: over
-- Those that a rebuild left behind.
SELECT id FROM worklists WHERE standing = 0

-- name: over-owners
-- Whose rows go next.
SELECT DISTINCT owner FROM worklist_said WHERE worklist = ? LIMIT 200

-- name: gone
-- Once none of its rows is left.
DELETE FROM worklists WHERE id = ?
