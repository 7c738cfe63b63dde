-- fragment: body
b.id, b.codec, b.size, b.same, COALESCE(b.sha256, m.sha256), b.bytes, b.path

-- name: body
-- The rows that came with a message are neighbours: one short range of the primary key, no index.
SELECT {body}
FROM messages AS m CROSS JOIN bodies AS b
WHERE m.seq = ?1 AND b.id >= m.first_body AND b.id < m.first_body + m.bodies AND b.role = ?2 AND b.part = ?3

-- name: body-late
-- What was rendered after the message was stored; the newest wins.
SELECT {body}
FROM bodies AS b CROSS JOIN messages AS m
WHERE b.message = ?1 AND b.late = 1 AND b.role = ?2 AND b.part = ?3 AND m.seq = b.message
ORDER BY b.id DESC LIMIT 1

-- name: body-by-id
-- The row whose bytes another one shares, and evidence.
SELECT {body}
FROM bodies AS b CROSS JOIN messages AS m WHERE b.id = ?1 AND m.seq = b.message

-- name: evidence
-- The attempt knows its evidence; of two generations the later one is meant.
SELECT a.evidence FROM attempts AS a WHERE a.delivery = ? AND a.number = ? ORDER BY a.generation DESC LIMIT 1

-- name: roles
-- Which renderings a message has, for the kind that a delivery takes over.
SELECT b.role FROM messages AS m CROSS JOIN bodies AS b
WHERE m.seq = ?1 AND b.id >= m.first_body AND b.id < m.first_body + m.bodies AND b.part = ?2
UNION ALL
SELECT b.role FROM bodies AS b WHERE b.message = ?1 AND b.late = 1 AND b.part = ?2
