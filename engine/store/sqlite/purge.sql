-- name: floor
-- The first message that still has content, from where the last purge found it: what lies before is never scanned again.
SELECT seq FROM messages WHERE seq >= ? AND bodies > 0 ORDER BY seq LIMIT 1

-- name: candidates
-- Read aside, without a lock; each is looked at again inside the transaction that deletes.
SELECT m.seq FROM messages AS m
WHERE m.seq >= ?1 AND m.bodies > 0 AND m.received < ?2
  AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.message = m.seq AND (d.state < 10 OR d.open = 1))
ORDER BY m.seq LIMIT ?3

-- name: candidates-by-kind
-- As above, where instances of some SOP classes and modalities are kept for longer or shorter: ?4 says until when. The
-- rule is looked up for what is old enough for any of them only.
SELECT m.seq FROM messages AS m LEFT JOIN instances AS i ON i.message = m.seq
WHERE m.seq >= ?1 AND m.bodies > 0 AND m.received < ?5
  AND m.received < COALESCE((SELECT value FROM json_each(?4) WHERE key = i.class),
                            (SELECT value FROM json_each(?4) WHERE key = i.modality), ?2)
  AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.message = m.seq AND (d.state < 10 OR d.open = 1))
ORDER BY m.seq LIMIT ?3

-- name: ended
-- Whether all is over for a message, inside the deleting transaction: nothing can be released in between.
SELECT m.first_body, m.bodies, m.received FROM messages AS m
WHERE m.seq = ?1 AND m.bodies > 0
  AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.message = m.seq AND (d.state < 10 OR d.open = 1))

-- name: paths
-- Files go after the commit: a file without a row is swept, a row without a file would be damage.
SELECT path FROM bodies WHERE id >= ?2 AND id < ?2 + ?3 AND path IS NOT NULL
UNION ALL SELECT path FROM bodies WHERE message = ?1 AND late = 1 AND path IS NOT NULL
UNION ALL SELECT b.path FROM deliveries AS d JOIN attempts AS a ON a.delivery = d.seq JOIN bodies AS b ON b.id = a.evidence
          WHERE d.message = ?1 AND b.path IS NOT NULL

-- name: keys-forget
-- The readable key gives the digest, and the digest the row.
DELETE FROM keys WHERE month = ? AND name = ? AND digest = ? AND message = ?

-- name: bodies-forget
-- secure_delete overwrites what is deleted. A short range of the primary key.
DELETE FROM bodies WHERE id >= ?1 AND id < ?1 + ?2

-- name: memory-forget
-- What was learnt from the message; before its bodies go and their numbers can be given again.
DELETE FROM memory WHERE message = ?

-- name: learners-forget
-- Nobody answers any more.
DELETE FROM learners WHERE delivery IN (SELECT d.seq FROM deliveries AS d WHERE d.message = ?)

-- name: late-forget
-- What was rendered later.
DELETE FROM bodies WHERE message = ? AND late = 1

-- name: evidence-forget
-- What partners answered; the attempts stay.
DELETE FROM bodies WHERE id IN (SELECT a.evidence FROM deliveries AS d JOIN attempts AS a ON a.delivery = d.seq
                                WHERE d.message = ? AND a.evidence IS NOT NULL)

-- name: evidence-unlink
-- Before the same numbers can be given again.
UPDATE attempts SET evidence = NULL
WHERE evidence IS NOT NULL AND delivery IN (SELECT d.seq FROM deliveries AS d WHERE d.message = ?)

-- name: purged
-- The message stays, its content is gone.
UPDATE messages SET bodies = 0 WHERE seq = ?

-- name: dedup-forget
-- Bounded, since DELETE has no LIMIT here; days before every window are of no use.
DELETE FROM dedup WHERE (day, listener, partner, control, message) IN
  (SELECT day, listener, partner, control, message FROM dedup WHERE day < ?1 LIMIT ?2)

-- name: dedup-days-forget
-- Only a day that has no rows left.
DELETE FROM dedup_days WHERE day < ?1 AND NOT EXISTS (SELECT 1 FROM dedup AS p WHERE p.day = dedup_days.day)

-- name: free-pages
-- How many pages could be given back.
PRAGMA freelist_count

-- name: vacuum
-- A slice of pages back to the file system, in the transaction of its group.
PRAGMA incremental_vacuum(64)

-- name: known-paths
-- What files have a row, for the sweep at the start.
SELECT path FROM bodies INDEXED BY bodies_path WHERE path IS NOT NULL
