-- An outcome is delivered again after a crash between storing and acknowledging it.
DELETE FROM outcomes WHERE n NOT IN (SELECT min(n) FROM outcomes GROUP BY json_extract(doc, '$.id'));
CREATE UNIQUE INDEX outcomes_id ON outcomes (json_extract(doc, '$.id'));
