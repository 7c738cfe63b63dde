-- name: rows
-- Along the primary key.
SELECT seq, action, message, delivery, actor, detail, at FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2

-- name: rows-of-message
-- Through the index: people trace messages all day.
SELECT seq, action, message, delivery, actor, detail, at FROM journal
WHERE message = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2

-- name: rows-of-delivery
-- Through its message.
SELECT seq, action, message, delivery, actor, detail, at FROM journal
WHERE message = (SELECT d.message FROM deliveries AS d WHERE d.seq = ?3) AND delivery = ?3 AND seq > ?1
ORDER BY seq LIMIT ?2

-- name: commit
-- A step of the halving that finds a row's commit: commits and their last rows ascend together.
SELECT id, at, last FROM commits WHERE id >= ? ORDER BY id LIMIT 1

-- name: commits
-- The whole chain in order; read in one transaction, so that rows and roots belong together.
SELECT id, at, last, root FROM commits ORDER BY id

-- name: chained
-- The rows of a commit as they were chained.
SELECT seq, action, message, delivery, actor, detail, at FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq

-- name: ends
-- Where rows and commits end.
SELECT (SELECT COALESCE(max(id), 0) FROM commits), (SELECT COALESCE(max(seq), 0) FROM journal)
