-- Files of requests that the server answers by itself. What is done of a batch in progress lies in
-- batches/{batch} of the data directory; its result files exist when it has ended.

create table batches (
  id text primary key,
  seq bigint generated always as identity unique,
  created_at bigint not null,
  status text not null,
  -- Whose rights the requests have; without a key, those of everybody at the time of creation.
  organization_id text not null,
  key_id text,
  endpoint text not null,
  input_file_id text not null,
  completion_window text not null,
  -- Seconds that the result files will live, counted from their own creation.
  output_expires_after bigint,
  metadata jsonb,
  model text,
  errors jsonb,
  expires_at bigint not null,
  in_progress_at bigint,
  finalizing_at bigint,
  completed_at bigint,
  failed_at bigint,
  expired_at bigint,
  cancelling_at bigint,
  cancelled_at bigint,
  total integer not null default 0,
  completed integer not null default 0,
  failed integer not null default 0,
  usage jsonb,
  output_file_id text,
  error_file_id text
);
create index batches_open on batches (seq)
  where status in ('validating', 'in_progress', 'finalizing', 'cancelling');
