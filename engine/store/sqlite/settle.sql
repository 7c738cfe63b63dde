-- name: standing
-- What a change of one delivery must know; read and written in one transaction by the only writer.
SELECT d.revision, d.state, d.chain, d.endpoint, d.route, d.destination, d.lane, d.holds, d.blocked, d.message,
       d.generation, d.open, d.overtaken, d.part, d.bucket, d.flags
FROM deliveries AS d WHERE d.seq = ?1

-- name: settle
-- The comparison is part of the statement: what the caller knew of the row may be older than this transaction.
UPDATE deliveries
SET state = ?, reason = ?, due = ?, deadline = ?, hop = ?, hop_ms = ?, attempts = ?, hop_attempts = ?, unknown = ?,
    endpoint = ?, holds = ?, open = ?, settled = ?, revision = revision + 1
WHERE seq = ? AND revision = ?

-- name: lane-stopped
-- Whether a dead letter before this place has stopped the lane.
SELECT EXISTS (SELECT 1 FROM parked AS p WHERE p.lane = ? AND p.delivery < ?)

-- name: lane-head
-- The first that stands in the lane, whatever its state: one probe.
SELECT d.seq, d.blocked, d.revision FROM deliveries AS d INDEXED BY deliveries_lane
WHERE d.lane = ?1 AND d.holds = 1 ORDER BY d.seq LIMIT 1

-- name: lane-head-of-all
-- The same where deliveries that stand in several lanes are about: the first of two probes.
SELECT a.seq, a.blocked, a.flags, a.lane FROM (
  SELECT * FROM (SELECT d.seq, d.blocked, d.flags, d.lane FROM deliveries AS d INDEXED BY deliveries_lane
                 WHERE d.lane = ?1 AND d.holds = 1 ORDER BY d.seq LIMIT 1)
  UNION ALL
  SELECT * FROM (SELECT d.seq, d.blocked, d.flags, d.lane
                 FROM further AS f INDEXED BY further_lane CROSS JOIN deliveries AS d
                 WHERE f.lane = ?1 AND f.standing > 0 AND f.standing = 2 AND d.seq = f.delivery
                 ORDER BY f.delivery LIMIT 1)
) AS a ORDER BY a.seq LIMIT 1

-- name: unblock
-- The predecessor's settlement and this are one commit: the lane never stands without a head.
UPDATE deliveries SET blocked = 0 WHERE seq = ?

-- name: block-behind
-- A released dead letter comes before these again.
UPDATE deliveries SET blocked = 1 WHERE lane = ?1 AND holds = 1 AND seq > ?2 AND blocked = 0

-- name: block-behind-further
-- Those that stand there with a lane that is not their first.
UPDATE deliveries SET blocked = 1
WHERE blocked = 0 AND seq IN (SELECT f.delivery FROM further AS f INDEXED BY further_lane
                              WHERE f.lane = ?1 AND f.standing > 0 AND f.standing = 2 AND f.delivery > ?2)

-- name: park
-- What stands behind `delivery` in the lane waits until this row is gone.
INSERT OR IGNORE INTO parked (lane, delivery) VALUES (?, ?)

-- name: unpark
-- Release, discard or recall of the dead letter.
DELETE FROM parked WHERE lane = ? AND delivery = ?

-- name: overtake
-- Open dead letters are few and have an index of their own: mostly one empty probe.
UPDATE deliveries SET overtaken = 1 WHERE lane = ? AND open = 1 AND seq < ?

-- name: overtake-further
-- The same for dead letters that stand there with a lane that is not their first.
UPDATE deliveries SET overtaken = 1
WHERE open = 1 AND seq IN (SELECT f.delivery FROM further AS f INDEXED BY further_lane
                           WHERE f.lane = ?1 AND f.standing > 0 AND f.delivery < ?2)

-- name: open-in-lane
-- The dead letters of this lane, route and destination that still need a human.
SELECT d.seq, d.message, d.flags FROM deliveries AS d INDEXED BY deliveries_open
WHERE d.lane = ? AND d.open = 1 AND d.route = ? AND d.destination = ? AND d.seq < ?

-- name: lane-open
-- Whether a dead letter of this lane still needs a human: released, it would stand in the lane again.
SELECT EXISTS (SELECT 1 FROM deliveries AS d INDEXED BY deliveries_open WHERE d.lane = ? AND d.open = 1)

-- name: close
-- The dead letter stays dead and asks for nobody any more.
UPDATE deliveries SET open = 0, revision = revision + 1 WHERE seq = ?

-- name: nudge
-- Only the time moves: the owner may hold this head, so its revision stays.
UPDATE deliveries SET due = min(due, ?2) WHERE seq = ?1

-- name: pass-kind
-- The next of the lane takes over what the superseded one meant, and the renderings that go with it.
UPDATE deliveries SET kind = ?2, chain = ?3, revision = revision + 1 WHERE seq = ?1

-- name: attempt-add
-- A generation counts its attempts anew; the same number again replaces what recovery had guessed.
INSERT OR REPLACE INTO attempts (delivery, generation, number, endpoint, started, took, result, code, remark, evidence)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: attempt-known
-- Whether this attempt was already settled or counted.
SELECT EXISTS (SELECT 1 FROM attempts WHERE delivery = ? AND generation = ? AND number = ?)

-- name: recover
-- An attempt whose end nobody saw: counted once, and the row becomes due again.
UPDATE deliveries
SET state = CASE WHEN state < 2 THEN 1 ELSE state END, unknown = unknown + 1, attempts = max(attempts, ?2),
    hop_attempts = hop_attempts + 1, revision = revision + 1
WHERE seq = ?1

-- name: release
-- The same row at the same place, from the start of its chain.
UPDATE deliveries
SET state = 0, reason = NULL, due = ?2, deadline = expire, hop = 0, hop_ms = 0, attempts = 0, hop_attempts = 0,
    endpoint = ?3, holds = ?4, blocked = ?5, open = 0, overtaken = 0, settled = 0, generation = generation + 1,
    revision = revision + 1
WHERE seq = ?1

-- name: hold
-- Keeps the place in the lane; no deadline ends what an operator holds.
UPDATE deliveries SET state = 4, deadline = NULL, reason = ?2, revision = revision + 1 WHERE seq = ?1

-- name: unhold
-- From the same place, now; of its deadlines only the end of its life is known here.
UPDATE deliveries SET state = 0, due = ?2, deadline = expire, reason = NULL, revision = revision + 1 WHERE seq = ?1

-- name: copy
-- The same duty once more, as a delivery of its own behind everything else.
INSERT INTO deliveries (seq, message, part, route, version, destination, chain, endpoint, state, blocked, holds, open,
                        overtaken, flags, overtakes, due, accepted, hop, hop_ms, revision, generation, attempts,
                        hop_attempts, unknown, kind, settled, bucket, lane, deadline, expire, ordinal, own_id, reason)
SELECT ?2, message, part, route, version, destination, chain, ?3, 0, ?4, ?5, 0, 0, flags & 20, 0, ?6, ?6, 0, 0, 0, 0, 0,
       0, 0, kind, 0, bucket, lane, NULL, NULL, ordinal, COALESCE(?7, own_id), NULL
FROM deliveries WHERE seq = ?1

-- name: stands-before
-- Whether something earlier stands in the lane, or has stopped it.
SELECT EXISTS (SELECT 1 FROM deliveries WHERE lane = ?1 AND holds = 1 AND seq < ?2)
    OR EXISTS (SELECT 1 FROM parked WHERE lane = ?1 AND delivery < ?2)

-- name: stands-before-all
-- The same where deliveries that stand in several lanes are about.
SELECT EXISTS (SELECT 1 FROM deliveries WHERE lane = ?1 AND holds = 1 AND seq < ?2)
    OR EXISTS (SELECT 1 FROM parked WHERE lane = ?1 AND delivery < ?2)
    OR EXISTS (SELECT 1 FROM further AS f INDEXED BY further_lane
               WHERE f.lane = ?1 AND f.standing > 0 AND f.standing = 2 AND f.delivery < ?2)

-- name: further
-- The lanes of one delivery beside its first, a short range of the primary key.
SELECT f.lane, f.standing FROM further AS f WHERE f.delivery = ?

-- name: further-add
-- In the transaction that accepts the delivery.
INSERT INTO further (delivery, lane, standing) VALUES (?, ?, ?)

-- name: further-stand
-- In the transaction that moves the delivery: its lanes are entered and left together.
UPDATE further SET standing = ?2 WHERE delivery = ?1

-- name: further-copy
-- The same duty once more stands in the same lanes.
INSERT INTO further (delivery, lane, standing) SELECT ?2, lane, 2 FROM further WHERE delivery = ?1

-- name: further-live
-- How many places beside a first lane are taken; counted once at the start.
SELECT count(*) FROM further AS f INDEXED BY further_lane WHERE f.standing > 0

-- name: awaited-add
-- In the commit that makes the delivery await. The sender's own id counts where the message left as itself.
INSERT OR IGNORE INTO awaited (reference, delivery)
SELECT COALESCE(d.own_id, m.id), d.seq FROM deliveries AS d CROSS JOIN messages AS m WHERE d.seq = ?1 AND m.seq = d.message
UNION
SELECT m.control, d.seq FROM deliveries AS d CROSS JOIN messages AS m
WHERE d.seq = ?1 AND m.seq = d.message AND d.own_id IS NULL AND m.control IS NOT NULL
UNION
SELECT ?2, ?1 WHERE ?2 <> ''

-- name: awaited-flag
-- Says that there are such rows, so that the end of every other delivery asks for none.
UPDATE deliveries SET flags = flags | 32 WHERE seq = ?

-- name: awaited-forget
-- The delivery has ended: nothing more can confirm it.
DELETE FROM awaited WHERE delivery = ?

-- name: evidence-replace
-- The answer that a confirmation takes the place of; before its attempt's row is replaced.
DELETE FROM bodies WHERE id = (SELECT a.evidence FROM attempts AS a
                               WHERE a.delivery = ? AND a.generation = ? AND a.number = ? AND a.evidence IS NOT NULL)

-- name: learner-add
-- With the delivery whose partner's answer may teach something.
INSERT INTO learners (delivery, owner) VALUES (?, ?)

-- name: owner
-- Whose messages a delivery's answer is to be remembered for.
SELECT owner FROM learners WHERE delivery = ?

-- name: memory-replace
-- The older value goes as soon as there is a newer one.
DELETE FROM bodies WHERE id = (SELECT y.body FROM memory AS y WHERE y.owner = ? AND y.name = ?)

-- name: memory-put
-- In the commit that settles the delivery: whoever is routed after it knows the value.
INSERT INTO memory (owner, name, message, body) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (owner, name) DO UPDATE SET message = ?3, body = ?4

-- name: origin
-- What deliveries of a message that was routed later begin with.
SELECT m.id, m.received FROM messages AS m WHERE m.seq = ?

-- name: open-lanes
-- How many open dead letters stand in a lane that others may share; counted once at the start.
SELECT count(*) FROM deliveries AS d INDEXED BY deliveries_open WHERE d.open = 1 AND d.lane IS NOT NULL
