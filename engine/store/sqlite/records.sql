-- name: get
-- One probe of the unique index.
SELECT kind, name, value, revision, changed FROM records WHERE kind = ? AND name = ?

-- name: all
-- The unique index, in order of name.
SELECT kind, name, value, revision, changed FROM records WHERE kind = ? ORDER BY name

-- name: put
-- The revision was compared in this transaction by the only writer.
INSERT INTO records (kind, name, value, revision, changed) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (kind, name) DO UPDATE SET value = ?3, revision = ?4, changed = ?5

-- name: delete
-- What is not there is no error.
DELETE FROM records WHERE kind = ? AND name = ?
