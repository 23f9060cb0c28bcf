-- The latest task of each kind and key that is to be unique.
CREATE TABLE uniques (
    kind INTEGER NOT NULL,
    key  TEXT NOT NULL,
    task INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX uniques_task ON uniques (task);
-- `appended` also holds the tasks that stand for those of a submission; they go when the task goes, whosever it is.
CREATE INDEX appended_task ON appended (task);
