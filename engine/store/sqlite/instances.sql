-- fragment: held
i.message, m.id, m.listener, m.partner, m.received, m.size, m.sha256, a.bytes

-- fragment: where-it-is
messages AS m CROSS JOIN bodies AS a

-- fragment: its-attributes
m.seq = i.message AND a.id >= m.first_body AND a.id < m.first_body + m.bodies AND a.role = :role

-- name: add
-- In the transaction of its message, whose sequence appends. The digests are random, but instances come in hundreds a
-- second at most.
INSERT INTO instances (message, study, series, instance, class, modality, keyed) VALUES (?, ?, ?, ?, ?, ?, 1)

-- name: key
-- A probe of the primary key for every instance of a study but the first, which adds a row.
INSERT OR IGNORE INTO study_keys (digest, study) VALUES (?, ?)

-- name: studies-by-key
-- The primary key; and those of which nobody knows, by an index of nothing else.
SELECT k.study FROM json_each(?1) AS n CROSS JOIN study_keys AS k WHERE k.digest = unhex(n.value)
UNION SELECT i.study FROM instances AS i INDEXED BY instances_unkeyed WHERE i.keyed = 0

-- name: keys-forget
-- With the last instance of the study.
DELETE FROM study_keys WHERE study = ?1 AND NOT EXISTS (SELECT 1 FROM instances AS i WHERE i.study = ?1)

-- name: same
-- The file of a stored instance with the same bytes: one probe of the index, whatever the file's size. Read aside; who
-- links to a file that is purged meanwhile writes his own.
SELECT r.path FROM instances AS i CROSS JOIN messages AS m CROSS JOIN bodies AS r
WHERE i.instance = ?1 AND m.seq = i.message AND m.sha256 = ?2 AND m.bodies > 0 AND r.id = m.first_body
  AND r.path IS NOT NULL
ORDER BY i.message DESC LIMIT 1

-- name: of-study
-- The newest copy of each instance: the index of studies gives them, one look-up each in the index of instances.
SELECT {held}, r.codec, r.bytes, r.path
FROM instances AS i INDEXED BY instances_study CROSS JOIN {where-it-is} CROSS JOIN bodies AS r
WHERE i.study = :uid AND NOT EXISTS (SELECT 1 FROM instances AS n INDEXED BY instances_uid
                                     WHERE n.instance = i.instance AND n.message > i.message)
  AND {its-attributes} AND r.id = m.first_body
ORDER BY i.message LIMIT :limit OFFSET :offset

-- name: of-series
-- As above, by the index of series.
SELECT {held}, r.codec, r.bytes, r.path
FROM instances AS i INDEXED BY instances_series CROSS JOIN {where-it-is} CROSS JOIN bodies AS r
WHERE i.series = :uid AND NOT EXISTS (SELECT 1 FROM instances AS n INDEXED BY instances_uid
                                      WHERE n.instance = i.instance AND n.message > i.message)
  AND {its-attributes} AND r.id = m.first_body
ORDER BY i.message LIMIT :limit OFFSET :offset

-- name: of-instances
-- As above, one probe for each of the UIDs asked for.
SELECT {held}, r.codec, r.bytes, r.path
FROM instances AS i INDEXED BY instances_uid CROSS JOIN {where-it-is} CROSS JOIN bodies AS r
WHERE i.instance = :uid AND {its-attributes} AND r.id = m.first_body
ORDER BY i.message DESC LIMIT 1

-- name: studies
-- One row for each study: its newest instance speaks for it. Walks the index once; read aside, without a lock.
SELECT max(i.message), count(DISTINCT i.series), count(DISTINCT i.instance), group_concat(DISTINCT i.modality),
       group_concat(DISTINCT i.class)
FROM instances AS i GROUP BY i.study ORDER BY max(i.message) DESC

-- name: studies-of
-- One study.
SELECT max(i.message), count(DISTINCT i.series), count(DISTINCT i.instance), group_concat(DISTINCT i.modality),
       group_concat(DISTINCT i.class)
FROM instances AS i WHERE i.study = ?1 GROUP BY i.study

-- name: series
-- As above, for each series.
SELECT max(i.message), 1, count(DISTINCT i.instance), max(i.modality), group_concat(DISTINCT i.class)
FROM instances AS i GROUP BY i.series ORDER BY max(i.message) DESC

-- name: series-of
-- The series of one study.
SELECT max(i.message), 1, count(DISTINCT i.instance), max(i.modality), group_concat(DISTINCT i.class)
FROM instances AS i WHERE i.study = ?1 GROUP BY i.series ORDER BY max(i.message) DESC

-- name: each
-- The newest copy of each instance.
SELECT max(i.message), 1, 1, i.modality, i.class FROM instances AS i GROUP BY i.instance ORDER BY max(i.message) DESC

-- name: each-of
-- The instances of one study.
SELECT max(i.message), 1, 1, i.modality, i.class FROM instances AS i WHERE i.study = ?1
GROUP BY i.instance ORDER BY max(i.message) DESC

-- name: attributes
-- The rows that came with a message are neighbours: one short range of the primary key.
SELECT {held} FROM instances AS i CROSS JOIN {where-it-is} WHERE i.message = :message AND {its-attributes}

-- name: gathered
-- What a gathering is about: the instances of its listener, the newest copy of each, in the order in which they came.
SELECT {held} FROM gatherings AS g CROSS JOIN instances AS i INDEXED BY instances_study CROSS JOIN {where-it-is}
WHERE g.id = :gathering AND g.level = 1 AND i.study = g.uid AND {its-attributes} AND m.listener = g.listener
UNION ALL
SELECT {held} FROM gatherings AS g CROSS JOIN instances AS i INDEXED BY instances_series CROSS JOIN {where-it-is}
WHERE g.id = :gathering AND g.level = 2 AND i.series = g.uid AND {its-attributes} AND m.listener = g.listener
ORDER BY 1

-- name: gather
-- With every instance of a study or series that is told of as a whole: it waits anew.
INSERT INTO gatherings (listener, level, uid, latest, revision, version, due) VALUES (?, ?, ?, ?, 1, 0, ?)
ON CONFLICT (listener, level, uid)
DO UPDATE SET latest = excluded.latest, revision = revision + 1, due = max(COALESCE(due, 0), excluded.due)

-- name: told
-- In the transaction of the message that tells of it; no row changes where an instance came meanwhile.
UPDATE gatherings SET due = NULL, version = version + 1 WHERE id = ?1 AND revision = ?2 AND due IS NOT NULL

-- name: ripe
-- The index on the time holds only what waits.
SELECT g.id, g.listener, g.level, g.revision, g.version, g.due FROM gatherings AS g
WHERE g.due IS NOT NULL AND g.due <= ?1 ORDER BY g.due, g.id LIMIT ?2

-- name: next
-- The first of that index.
SELECT min(g.due) FROM gatherings AS g WHERE g.due IS NOT NULL

-- name: of-message
-- Before its row goes.
SELECT study, series FROM instances WHERE message = ?

-- name: forget
-- With the content of its message.
DELETE FROM instances WHERE message = ?

-- name: gathering-forget
-- With the last instance of what was told of: there is nothing more to tell.
DELETE FROM gatherings WHERE uid = ?1 AND due IS NULL
  AND NOT EXISTS (SELECT 1 FROM instances AS i WHERE i.study = ?1)
  AND NOT EXISTS (SELECT 1 FROM instances AS i WHERE i.series = ?1)
