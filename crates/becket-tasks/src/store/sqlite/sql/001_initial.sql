-- Times are milliseconds since 1970, UTC. Ids are described in id.rs: they grow, so rows are appended.
-- States: 0 queued, 1 running, 2 retrying, 3 completed, 4 failed, 5 cancelled.
-- Outcomes: 0 completed, 1 failed, 2 parked, 3 released, 4 lost, 5 cancelled.

CREATE TABLE kinds (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE workers (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
) STRICT;

-- What was accepted. The payload lies in a block, after its meta: at offset, meta_bytes and then payload_bytes long.
CREATE TABLE submissions (
    id            INTEGER PRIMARY KEY,
    source        TEXT NOT NULL,
    event         TEXT NOT NULL,
    action        TEXT,
    key           TEXT,
    received_at   INTEGER NOT NULL,
    block         INTEGER,            -- NULL once erased
    block_offset  INTEGER NOT NULL,
    meta_bytes    INTEGER NOT NULL,
    payload_bytes INTEGER NOT NULL
) STRICT;

-- Keys, to recognise redeliveries. The latest are in memory only, and found again in `submissions` after `last`.
CREATE TABLE key_segments (
    number INTEGER PRIMARY KEY,
    last   INTEGER NOT NULL            -- the latest submission in it; once that is gone, so is the segment
) STRICT;
-- By the first bits of the key's hash. An entry has 16 bytes: 8 of the hash, 8 of the submission's id; sorted.
CREATE TABLE key_parts (
    segment INTEGER NOT NULL,
    part    INTEGER NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (segment, part)
) STRICT, WITHOUT ROWID;

-- The payloads of one commit, one after the other, as one zstd frame.
CREATE TABLE blocks (
    id        INTEGER PRIMARY KEY,
    first     INTEGER NOT NULL,       -- the submissions in it lie between these two ids
    last      INTEGER NOT NULL,
    wanted    INTEGER NOT NULL,       -- how many of them are still kept; at 0 the block goes
    raw_bytes INTEGER NOT NULL,
    body      BLOB NOT NULL
) STRICT;

-- The hot table, kept narrow. The tasks that came with a submission have the ids right after its own.
-- The latest attempt lives in the row (worker to attempt_error) and moves to `attempts` when another begins.
CREATE TABLE tasks (
    id           INTEGER PRIMARY KEY,
    submission   INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    priority     INTEGER NOT NULL,
    attempt      INTEGER NOT NULL,
    spared       INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    run_at       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    worker       INTEGER,
    started_at   INTEGER,
    ended_at     INTEGER,
    outcome      INTEGER,
    attempt_error TEXT,
    error        TEXT                 -- of the task: stays while the next attempt runs
) STRICT;
CREATE INDEX tasks_ready ON tasks (kind, priority, run_at) WHERE state IN (0, 2);
CREATE INDEX tasks_running ON tasks (worker) WHERE state = 1;
CREATE INDEX tasks_dead ON tasks (state) WHERE state IN (4, 5);

-- Tasks added to a submission later (replays).
CREATE TABLE appended (
    submission INTEGER NOT NULL,
    task       INTEGER NOT NULL,
    PRIMARY KEY (submission, task)
) STRICT, WITHOUT ROWID;

-- Earlier attempts.
CREATE TABLE attempts (
    task       INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    worker     INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    outcome    INTEGER,
    error      TEXT,
    PRIMARY KEY (task, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE results (
    task       INTEGER PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX results_expires ON results (expires_at);

-- How many tasks are in each state, kept in step with `tasks`.
CREATE TABLE totals (
    state INTEGER PRIMARY KEY,
    tasks INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0);

-- One row: the epoch counts how often the store was opened; the probe is written by health checks.
CREATE TABLE process (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    probe INTEGER NOT NULL
) STRICT;
INSERT INTO process VALUES (1, 0, 0);

-- For people with the sqlite3 shell: the words of the API. Ids are written as everywhere else, in Crockford's base 32;
-- the number is the row's, by which a single one is found at once.
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
                        WHEN 3 THEN 'completed' WHEN 4 THEN 'failed' ELSE 'cancelled' END AS state,
       submissions.source, submissions.event, submissions.action, submissions.key AS delivery_id,
       tasks.attempt - tasks.spared AS attempt, tasks.max_attempts,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.created_at / 1000.0, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.updated_at / 1000.0, 'unixepoch') AS updated_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.run_at / 1000.0, 'unixepoch') AS run_at,
       tasks.error,
       (SELECT CAST(body AS TEXT) FROM results WHERE results.task = tasks.id) AS result
FROM tasks JOIN kinds ON kinds.number = tasks.kind JOIN submissions ON submissions.id = tasks.submission;

CREATE VIEW delivery_list AS
SELECT id AS number,
       (WITH RECURSIVE text(place, digits) AS (VALUES (60, '') UNION ALL
            SELECT place - 5, digits || substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', (submissions.id >> place & 31) + 1, 1)
            FROM text WHERE place >= 0) SELECT digits FROM text WHERE place < 0) AS id,
       key AS delivery_id, source, event, action,
       strftime('%Y-%m-%dT%H:%M:%fZ', received_at / 1000.0, 'unixepoch') AS received_at,
       payload_bytes AS size, block IS NULL AS erased
FROM submissions;
