-- Only the SHA-256 of a key is kept: a key is random enough that nobody can guess it from its hash.
-- Revoked rows stay, so that a server that once had a key never becomes open again.
create table api_keys (
  id text primary key,
  seq bigint generated always as identity unique,
  created_at bigint not null,
  name text not null,
  sha256 text not null unique,
  -- The key's first and last characters, all that is ever shown of it.
  redacted_value text not null,
  scopes jsonb not null,
  organization_id text not null,
  project_id text,
  requests_per_minute integer,
  tokens_per_minute integer,
  token_quota bigint,
  tokens_used bigint not null default 0,
  expires_at bigint,
  last_used_at bigint,
  revoked_at bigint
);
