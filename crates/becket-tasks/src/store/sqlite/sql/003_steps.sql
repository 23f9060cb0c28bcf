-- What the attempts of a task have done, so that later ones need not do it again.
CREATE TABLE steps (
    task INTEGER NOT NULL,
    name TEXT NOT NULL,
    at   INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (task, name)
) STRICT, WITHOUT ROWID;
