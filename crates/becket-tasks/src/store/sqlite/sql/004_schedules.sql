-- What is kept of schedules, by name: how far they have come, and whether they are paused. Times as everywhere.
CREATE TABLE schedules (
    name          TEXT PRIMARY KEY,
    settled_until INTEGER,            -- all ticks until then are fired or passed by; NULL before an engine had it
    last_tick     INTEGER,            -- the latest tick that was fired
    paused        INTEGER NOT NULL    -- 0 or 1
) STRICT, WITHOUT ROWID;
