-- What decides the order of tasks besides priority and due time. State 6: waiting.
-- Holds: 0 none, 1 behind others in its lane, 2 behind others with its limit's key, 3 adrift (lets its lane pass until due).

CREATE TABLE sources (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO sources (name) SELECT DISTINCT source FROM submissions;

ALTER TABLE tasks ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN lane TEXT;
-- Names would scatter what comes together over an index. So lanes, and the streams of tenants, go by the id of the task that
-- came first since they were last empty: neighbours then share pages.
ALTER TABLE tasks ADD COLUMN stream INTEGER NOT NULL DEFAULT 0;    -- 0 without a tenant; of the ready only, else outdated
ALTER TABLE tasks ADD COLUMN lane_number INTEGER;                  -- of the unfinished only, else outdated
ALTER TABLE tasks ADD COLUMN lane_hash INTEGER;                    -- the first 64 bits of the name's SHA-256
ALTER TABLE tasks ADD COLUMN passes INTEGER NOT NULL DEFAULT 0;    -- whether the lane passes it while it is not ready
ALTER TABLE tasks ADD COLUMN since INTEGER;                        -- of a debounced task: when its burst began
ALTER TABLE tasks ADD COLUMN limit_key TEXT;
ALTER TABLE tasks ADD COLUMN parents INTEGER NOT NULL DEFAULT 0;   -- how many it still waits for
ALTER TABLE tasks ADD COLUMN survives INTEGER NOT NULL DEFAULT 0;  -- whether it runs after a parent that ended badly

UPDATE tasks SET source = (SELECT number FROM sources WHERE name =
    (SELECT source FROM submissions WHERE submissions.id = tasks.submission));

DROP INDEX tasks_ready;
CREATE INDEX tasks_ready ON tasks (kind, priority, source, stream, run_at) WHERE state IN (0, 2) AND hold IN (0, 3);
CREATE INDEX tasks_lane ON tasks (lane_number, lane_hash) WHERE hold = 1;
CREATE INDEX tasks_adrift ON tasks (lane_number, lane_hash) WHERE hold = 3;
CREATE INDEX tasks_waiting ON tasks (lane_number, lane_hash) WHERE state = 6 AND lane_hash IS NOT NULL;
CREATE INDEX tasks_held ON tasks (kind, limit_key, priority DESC, run_at) WHERE hold = 2;

INSERT INTO totals VALUES (6, 0);

-- Whether any task ever had a lane.
ALTER TABLE process ADD COLUMN has_lanes INTEGER NOT NULL DEFAULT 0;

-- Who waits, or waited, for whom.
CREATE TABLE families (
    child   INTEGER NOT NULL,
    parent  INTEGER NOT NULL,
    is_over INTEGER NOT NULL,         -- whether the child need not wait for it any more
    PRIMARY KEY (child, parent)
) STRICT, WITHOUT ROWID;
CREATE INDEX families_parent ON families (parent);

-- The latest starts of what has a limited rate, to keep to it over a restart.
CREATE TABLE starts (
    kind      INTEGER NOT NULL,
    limit_key TEXT NOT NULL,          -- '' for the kind as a whole
    at        INTEGER NOT NULL,
    number    INTEGER PRIMARY KEY
) STRICT;
CREATE INDEX starts_of ON starts (kind, limit_key, number);

-- Cancelled attempts that keep their lane until their worker has reported. A process that opens the file has none.
CREATE TABLE lingering (
    task INTEGER PRIMARY KEY,
    lane TEXT NOT NULL
) STRICT;

CREATE TABLE paused (
    scope TEXT NOT NULL CHECK (scope IN ('kind', 'source')),
    name  TEXT NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

-- The view of 001 with the new state and columns.
DROP VIEW task_list;
CREATE VIEW task_list AS
SELECT tasks.id AS number,
       (WITH RECURSIVE text(place, digits) AS (VALUES (60, '') UNION ALL
            SELECT place - 5, digits || substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', (tasks.id >> place & 31) + 1, 1)
            FROM text WHERE place >= 0) SELECT digits FROM text WHERE place < 0) AS id,
       (WITH RECURSIVE text(place, digits) AS (VALUES (60, '') UNION ALL
            SELECT place - 5, digits || substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', (tasks.submission >> place & 31) + 1, 1)
            FROM text WHERE place >= 0) SELECT digits FROM text WHERE place < 0) AS delivery,
       kinds.name AS kind,
       CASE tasks.state WHEN 0 THEN 'queued' WHEN 1 THEN 'running' WHEN 2 THEN 'retrying'
                        WHEN 3 THEN 'completed' WHEN 4 THEN 'failed' WHEN 5 THEN 'cancelled' ELSE 'waiting' END AS state,
       submissions.source, submissions.event, submissions.action, submissions.key AS delivery_id,
       tasks.attempt - tasks.spared AS attempt, tasks.max_attempts,
       tasks.lane, nullif(tasks.tenant, '') AS tenant, tasks.limit_key,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.created_at / 1000.0, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.updated_at / 1000.0, 'unixepoch') AS updated_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.run_at / 1000.0, 'unixepoch') AS run_at,
       tasks.error,
       (SELECT CAST(body AS TEXT) FROM results WHERE results.task = tasks.id) AS result
FROM tasks JOIN kinds ON kinds.number = tasks.kind JOIN submissions ON submissions.id = tasks.submission;
