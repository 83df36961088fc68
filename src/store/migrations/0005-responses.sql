-- Answers of /v1/responses that were asked to be kept.
create table responses (
  seq bigint generated always as identity,
  id text primary key,
  created_at bigint not null,
  -- The response object.
  body jsonb not null,
  -- The items it answers, those of earlier responses included; the first `inherited` are theirs.
  input jsonb not null,
  inherited integer not null
);
-- A later request may refer to an item of an answer by its id.
create index responses_output on responses using gin ((body -> 'output') jsonb_path_ops);
create index responses_created on responses (created_at);
