-- fragment: message
m.seq, m.id, m.listener, m.partner, m.codec, m.disposition, m.flags, m.received, m.size, m.sha256, m.control, m.replay_of

-- fragment: delivery
d.seq, d.message, COALESCE(d.own_id, m.id), d.route, d.version, d.destination, d.lane, d.chain, d.hop, d.state, d.due,
d.accepted, d.revision, d.generation, d.attempts, d.hop_attempts, d.hop_ms, d.unknown, d.deadline, d.expire, d.ordinal,
d.flags, d.kind, d.reason, d.part, d.blocked, d.settled, d.open,
CASE WHEN d.flags & 16 THEN (SELECT group_concat(hex(f.lane)) FROM further AS f WHERE f.delivery = d.seq) END

-- name: message
-- By its own id, or by the id of a part that left as a message of its own: two probes.
SELECT {message} FROM messages AS m WHERE m.id = ?1
UNION ALL
SELECT {message} FROM deliveries AS d CROSS JOIN messages AS m WHERE d.own_id = ?1 AND m.seq = d.message
LIMIT 1

-- name: attempts
-- The primary key gives them in order, the generations of a released dead letter one after the other.
SELECT a.endpoint, a.number, a.started, a.took, a.result, a.code, a.remark, b.bytes
FROM attempts AS a LEFT JOIN bodies AS b ON b.id = a.evidence
WHERE a.delivery = ? ORDER BY a.generation, a.number

-- name: counts
-- A few rows per route and endpoint, kept by every commit: nothing is counted here.
SELECT route, endpoint, state, n FROM counts

-- name: totals
-- As above.
SELECT name, n FROM totals

-- name: oldest
-- The counters say at which endpoints of a route something waits; the waiting index gives the first there: one probe.
SELECT c.route, min((SELECT d.accepted FROM deliveries AS d INDEXED BY deliveries_waiting
                     WHERE d.route = c.route AND d.endpoint = c.endpoint AND d.state < 10 ORDER BY d.seq LIMIT 1))
FROM (SELECT DISTINCT route, endpoint FROM counts WHERE state < 10 AND n > 0) AS c GROUP BY c.route

-- name: partner-days
-- The day leads the primary key.
SELECT partner, day, disposition, n FROM daily WHERE day >= ? ORDER BY day, partner, disposition

-- name: ends
-- The first and the last sequence: the ends of the primary key.
SELECT COALESCE(min(seq), 0), COALESCE(max(seq), 0) FROM messages

-- name: received
-- When a sequence arrived: halving by it finds where a time begins, without an index on time.
SELECT received FROM messages WHERE seq >= ? ORDER BY seq LIMIT 1

-- fragment: wanted
m.seq < :before AND m.seq >= :lowest AND m.seq <= :highest
AND m.received >= :since AND m.received < :until
AND (:id IS NULL OR m.id = :id OR EXISTS (SELECT 1 FROM deliveries AS o WHERE o.own_id = :id AND o.message = m.seq))
AND (:partner IS NULL OR m.partner = :partner)
AND (:listener IS NULL OR m.listener = :listener)
AND (:dispositions IS NULL OR m.disposition IN (SELECT value FROM json_each(:dispositions)))

-- fragment: served
(:endpoint IS NULL OR d.endpoint = :endpoint)
AND (:route IS NULL OR d.route = :route)
AND (:states IS NULL OR d.state IN (SELECT value FROM json_each(:states)))
AND (:open = 0 OR d.open = 1)

-- name: messages-newest
-- Backwards along the primary key until the page is full. Reads of a search hold no lock that a writer waits for.
SELECT {message} FROM messages AS m
WHERE {wanted} AND (:any = 1 OR EXISTS (SELECT 1 FROM deliveries AS d WHERE d.message = m.seq AND {served}))
ORDER BY m.seq DESC LIMIT :limit

-- name: messages-by-partner
-- The same, backwards along the partner's index.
SELECT {message} FROM messages AS m INDEXED BY messages_partner
WHERE m.partner = :partner AND m.partner > 0 AND {wanted}
  AND (:any = 1 OR EXISTS (SELECT 1 FROM deliveries AS d WHERE d.message = m.seq AND {served}))
ORDER BY m.seq DESC LIMIT :limit

-- name: messages-by-key
-- One probe of the primary key per month that has keys.
SELECT {message} FROM key_months AS n CROSS JOIN keys AS k CROSS JOIN messages AS m
WHERE k.month = n.month AND k.name = :key AND k.digest = :digest AND m.seq = k.message AND {wanted}
  AND (:any = 1 OR EXISTS (SELECT 1 FROM deliveries AS d WHERE d.message = m.seq AND {served}))
ORDER BY m.seq DESC LIMIT :limit

-- name: messages-by-id
-- The unique index, or the index of parts.
SELECT {message} FROM messages AS m
WHERE m.seq IN (SELECT seq FROM messages WHERE id = :id UNION SELECT message FROM deliveries WHERE own_id = :id)
  AND {wanted} AND (:any = 1 OR EXISTS (SELECT 1 FROM deliveries AS d WHERE d.message = m.seq AND {served}))
ORDER BY m.seq DESC LIMIT :limit

-- name: messages-turned
-- What was not simply accepted has an index of its own.
SELECT {message} FROM messages AS m INDEXED BY messages_turned
WHERE m.disposition > 0 AND {wanted}
  AND (:any = 1 OR EXISTS (SELECT 1 FROM deliveries AS d WHERE d.message = m.seq AND {served}))
ORDER BY m.seq DESC LIMIT :limit

-- name: messages-open
-- Through the short index of dead letters that still need a human.
SELECT {message} FROM messages AS m
WHERE m.seq IN (SELECT d.message FROM deliveries AS d INDEXED BY deliveries_open WHERE d.open = 1 AND {served})
  AND {wanted}
ORDER BY m.seq DESC LIMIT :limit

-- name: messages-waiting
-- Through the index of what has not ended.
SELECT {message} FROM messages AS m
WHERE m.seq IN (SELECT d.message FROM deliveries AS d INDEXED BY deliveries_waiting WHERE d.state < 10 AND {served})
  AND {wanted}
ORDER BY m.seq DESC LIMIT :limit

-- name: messages-ended
-- Through the index of what ended otherwise than delivered by the first choice.
SELECT {message} FROM messages AS m
WHERE m.seq IN (SELECT d.message FROM deliveries AS d INDEXED BY deliveries_ended WHERE d.state > 10 AND {served})
  AND {wanted}
ORDER BY m.seq DESC LIMIT :limit

-- name: deliveries-newest
-- Backwards along the primary key until the page is full.
SELECT {delivery} FROM deliveries AS d CROSS JOIN messages AS m
WHERE m.seq = d.message AND {served} AND {wanted}
ORDER BY d.seq DESC LIMIT :limit

-- name: deliveries-of
-- From messages that another query found, by the index on their sequence.
SELECT {delivery} FROM json_each(:messages) AS n CROSS JOIN deliveries AS d CROSS JOIN messages AS m
WHERE d.message = n.value AND m.seq = d.message AND {served}
ORDER BY d.seq DESC

-- name: deliveries-open
-- The short index of dead letters that still need a human.
SELECT {delivery} FROM deliveries AS d INDEXED BY deliveries_open CROSS JOIN messages AS m
WHERE d.open = 1 AND m.seq = d.message AND {served} AND {wanted}
ORDER BY d.seq DESC LIMIT :limit

-- name: deliveries-waiting
-- The index of what has not ended.
SELECT {delivery} FROM deliveries AS d INDEXED BY deliveries_waiting CROSS JOIN messages AS m
WHERE d.state < 10 AND m.seq = d.message AND {served} AND {wanted}
ORDER BY d.seq DESC LIMIT :limit

-- name: deliveries-ended
-- The index of what ended otherwise than delivered by the first choice.
SELECT {delivery} FROM deliveries AS d INDEXED BY deliveries_ended CROSS JOIN messages AS m
WHERE d.state > 10 AND m.seq = d.message AND {served} AND {wanted}
ORDER BY d.seq DESC LIMIT :limit
