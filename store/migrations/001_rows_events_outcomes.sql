CREATE TABLE rows (
	kind TEXT NOT NULL,
	key  TEXT NOT NULL,
	doc  TEXT NOT NULL,
	PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE TABLE events (
	seq  INTEGER PRIMARY KEY,
	time INTEGER NOT NULL, -- Unix nanoseconds
	doc  TEXT NOT NULL
);
CREATE INDEX events_time ON events (time);

CREATE TABLE outcomes (
	n    INTEGER PRIMARY KEY AUTOINCREMENT,
	time INTEGER NOT NULL, -- Unix nanoseconds: the start of the request
	doc  TEXT NOT NULL
);
CREATE INDEX outcomes_time ON outcomes (time);
