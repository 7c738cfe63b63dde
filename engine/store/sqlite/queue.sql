-- fragment: delivery
d.seq, d.message, COALESCE(d.own_id, m.id), d.route, d.version, d.destination, d.lane, d.chain, d.hop, d.state, d.due,
d.accepted, d.revision, d.generation, d.attempts, d.hop_attempts, d.hop_ms, d.unknown, d.deadline, d.expire, d.ordinal,
d.flags, d.kind, d.reason, d.part, d.blocked, d.settled, d.open,
CASE WHEN d.flags & 16 THEN (SELECT group_concat(hex(f.lane)) FROM further AS f WHERE f.delivery = d.seq) END

-- name: due
-- The partial index holds exactly what may be sent, in this order: as many steps as rows are returned, whatever waits
-- behind heads. Reading takes no lock; what is returned may change until its settlement compares the revision.
SELECT {delivery}
FROM deliveries AS d INDEXED BY deliveries_due CROSS JOIN messages AS m
WHERE d.endpoint = ?1 AND d.state < 2 AND d.blocked = 0 AND d.due <= ?2 AND m.seq = d.message
ORDER BY d.due, d.seq LIMIT ?3

-- name: due-after
-- The same, from behind the place of a delivery that the caller holds.
SELECT {delivery}
FROM deliveries AS d INDEXED BY deliveries_due CROSS JOIN messages AS m
WHERE d.endpoint = ?1 AND d.state < 2 AND d.blocked = 0 AND d.due <= ?2 AND m.seq = d.message
  AND (d.due, d.seq) > (COALESCE((SELECT h.due FROM deliveries AS h WHERE h.seq = ?4), 0), ?4)
ORDER BY d.due, d.seq LIMIT ?3

-- name: overdue
-- Only heads have their deadline in this index: what waits behind one is asked when it becomes head.
SELECT {delivery}
FROM deliveries AS d INDEXED BY deliveries_deadline CROSS JOIN messages AS m
WHERE d.state < 10 AND d.blocked = 0 AND d.deadline <= ?1 AND m.seq = d.message
ORDER BY d.deadline, d.seq LIMIT ?2

-- name: overtaking
-- The index holds only what supersedes or recalls, so a long lane of plain messages costs one probe. Another route's
-- deliveries share the lane for their order, not for their fate.
SELECT max(CASE WHEN d.flags & 1 THEN d.ordinal END), max(d.flags & 2)
FROM deliveries AS d INDEXED BY deliveries_overtaking
WHERE d.lane = ?1 AND d.holds = 1 AND d.overtakes = 1 AND d.seq > ?2 AND d.route = ?3 AND d.destination = ?4

-- name: outlook
-- One probe of the due index per endpoint.
SELECT n.id, (SELECT d.due FROM deliveries AS d INDEXED BY deliveries_due
              WHERE d.endpoint = n.id AND d.state < 2 AND d.blocked = 0 ORDER BY d.due LIMIT 1)
FROM names AS n WHERE n.kind = 'endpoint'

-- name: delivery
-- One row by its sequence; inside a transaction for a decision, outside for a look.
SELECT {delivery}
FROM deliveries AS d CROSS JOIN messages AS m WHERE d.seq = ?1 AND m.seq = d.message

-- name: awaited
-- Few stand in the table: what a partner took and has not confirmed. Its primary key leads with the reference.
SELECT {delivery}
FROM awaited AS w CROSS JOIN deliveries AS d CROSS JOIN messages AS m
WHERE w.reference = ?1 AND d.seq = w.delivery AND d.state < 10 AND m.seq = d.message
ORDER BY w.delivery

-- name: remembered
-- A short range of the primary key, and a probe for each value.
SELECT y.name, b.bytes FROM memory AS y CROSS JOIN bodies AS b WHERE y.owner = ?1 AND b.id = y.body
