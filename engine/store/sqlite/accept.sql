-- name: dedup-find
-- Runs inside the writing transaction: a copy in the same group sees the first one's row. dedup_days is a handful of
-- rows and drives the join, so each day costs one probe of the primary key.
SELECT p.message, m.id, m.sha256, m.received
FROM dedup_days AS n CROSS JOIN dedup AS p CROSS JOIN messages AS m
WHERE n.day BETWEEN ? AND ?
  AND p.day = n.day AND p.listener = ? AND p.partner = ? AND p.control = ?
  AND m.seq = p.message

-- name: dedup-add
-- Appends near the end of the tree, since the day leads.
INSERT INTO dedup (day, listener, partner, control, message) VALUES (?, ?, ?, ?, ?)

-- name: dedup-day
-- Once a day and process; again is no harm.
INSERT OR IGNORE INTO dedup_days (day) VALUES (?)

-- name: message-add
-- The sequence is given by the only writer, in the order of the group: rows append. A known id violates UNIQUE and
-- fails alone, under its own savepoint.
INSERT INTO messages (seq, id, listener, partner, codec, disposition, flags, received, size, sha256, first_body, bodies,
                      control, replay_of)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: body-add
-- All content of one message in one go: its rows are neighbours and are read together.
INSERT INTO bodies (id, message, role, part, codec, bucket, late, size, same, sha256, bytes, path)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: key-add
-- A key that a message names twice is one row.
INSERT OR IGNORE INTO keys (month, name, digest, message) VALUES (?, ?, ?, ?)

-- name: key-month
-- Once a month and process; again is no harm.
INSERT OR IGNORE INTO key_months (month) VALUES (?)

-- name: lane-busy
-- Whether something stands in a lane or has stopped it. Runs inside the writing transaction, so that what was accepted
-- or settled before it in the same group counts. (RETURNING from the insert would cost twice as much.)
SELECT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.lane = ?1 AND d.holds = 1)
    OR EXISTS (SELECT 1 FROM parked AS p WHERE p.lane = ?1)

-- name: lane-busy-all
-- The same where deliveries that stand in several lanes are about.
SELECT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.lane = ?1 AND d.holds = 1)
    OR EXISTS (SELECT 1 FROM parked AS p WHERE p.lane = ?1)
    OR EXISTS (SELECT 1 FROM further AS f INDEXED BY further_lane
               WHERE f.lane = ?1 AND f.standing > 0 AND f.standing = 2)

-- name: delivery-add
-- Sequences ascend in the order of acceptance: that is the order within a lane.
INSERT INTO deliveries (seq, message, part, route, version, destination, chain, endpoint, state, blocked, holds, open,
                        flags, overtakes, due, accepted, kind, settled, bucket, deadline, expire, ordinal, own_id,
                        reason, lane,
                        overtaken, hop, hop_ms, revision, generation, attempts, hop_attempts, unknown)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0)
