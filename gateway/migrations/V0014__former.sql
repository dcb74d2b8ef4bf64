-- Where a document cannot be used: what it said before, while that could be. Kept of definitions, which
-- devices run with.
alter table documents_document add column former text;
