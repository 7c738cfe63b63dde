-- name: journal-add
-- Appends; the sequence is the only writer's.
INSERT INTO journal (seq, action, message, delivery, actor, detail, at) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: commit-add
-- Last of every transaction that changed anything: its root covers the journal rows of the group and the root before.
INSERT INTO commits (id, at, last, root) VALUES (?, ?, ?, ?)

-- name: count
-- The difference of the whole group in one go, in the transaction that made it: conserved at every instant.
INSERT INTO counts (route, endpoint, state, n) VALUES (?, ?, ?, ?)
ON CONFLICT (route, endpoint, state) DO UPDATE SET n = n + excluded.n

-- name: total
-- As above.
INSERT INTO totals (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n

-- name: day
-- As above, per partner and day: what a sender can compare with its own count.
INSERT INTO daily (day, partner, disposition, n) VALUES (?, ?, ?, ?)
ON CONFLICT (day, partner, disposition) DO UPDATE SET n = n + excluded.n

-- name: name-add
-- Names are made known inside the transaction that first uses them and forgotten again when it rolls back.
INSERT INTO names (id, kind, name) VALUES (?, ?, ?)

-- name: name-change
-- The integer stays, so everything that refers to the old name now refers to the new one.
UPDATE names SET name = ? WHERE id = ?

-- name: chain-add
-- As for names.
INSERT INTO chains (id, hops) VALUES (?, ?)

-- name: bucket-add
-- As for names.
INSERT INTO buckets (id, partner, class, month) VALUES (?, ?, ?, ?)

-- name: names
-- Read once at the start.
SELECT id, kind, name FROM names

-- name: chains
-- Read once at the start.
SELECT id, hops FROM chains

-- name: buckets
-- Read once at the start.
SELECT id, partner, class, month FROM buckets

-- name: positions
-- Where the sequences stand: each is the end of a primary key, one probe apiece.
SELECT (SELECT COALESCE(max(seq), 0) FROM messages), (SELECT COALESCE(max(seq), 0) FROM deliveries),
       (SELECT COALESCE(max(id), 0) FROM bodies), (SELECT COALESCE(max(seq), 0) FROM journal),
       (SELECT COALESCE(max(id), 0) FROM commits)

-- name: root
-- The end of the chain.
SELECT root FROM commits WHERE id = ?

-- name: meta
-- A fact about this store.
SELECT value FROM meta WHERE name = ?

-- name: meta-set
-- Written at creation and by upkeep, never on the accept path.
INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)

-- name: meta-forget
-- A fact that holds no longer.
DELETE FROM meta WHERE name = ?
