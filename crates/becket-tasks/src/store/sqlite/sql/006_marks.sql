-- How often something happened and when last, by a name that the program gave. Times as everywhere.
CREATE TABLE marks (
    name    TEXT PRIMARY KEY,
    since   INTEGER NOT NULL,
    last    INTEGER,
    count   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
