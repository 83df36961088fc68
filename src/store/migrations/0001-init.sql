-- Times are whole Unix seconds, the API's unit. `seq` gives every list its stable order: it grows with
-- each row, so that a page after a known row costs the same wherever it starts.

create table files (
  id text primary key,
  seq bigint generated always as identity unique,
  created_at bigint not null,
  expires_at bigint,
  filename text not null,
  purpose text not null,
  bytes bigint not null,
  sha256 text not null
);
create index files_purpose on files (purpose, seq);
create index files_sha256 on files (sha256);

create table fine_tuning_jobs (
  id text primary key,
  seq bigint generated always as identity unique,
  created_at bigint not null,
  status text not null,
  model text not null,
  -- The id of the base model and the name of its file or folder.
  base_model text not null,
  base_file text not null,
  -- What the result will be called; `fine_tuned_model` once it exists.
  output_model text not null,
  organization_id text not null,
  training_file text not null,
  validation_file text,
  suffix text,
  seed integer not null,
  metadata jsonb,
  hyperparameters jsonb not null,
  options jsonb not null,
  plan jsonb,
  step integer not null default 0,
  total_steps integer,
  last_metrics jsonb,
  estimated_finish bigint,
  started_at bigint,
  finished_at bigint,
  fine_tuned_model text,
  trained_tokens bigint,
  valid_loss_before double precision,
  valid_loss_after double precision,
  parity jsonb,
  result_files jsonb not null default '[]',
  error jsonb,
  -- Who works on it, until when (milliseconds since 1970), and how often its child has died in a row.
  worker text,
  lease_until bigint,
  crashes integer not null default 0,
  progress_at_crash integer not null default -1
);
create index fine_tuning_jobs_open on fine_tuning_jobs (status, seq)
  where status in ('validating_files', 'queued', 'running', 'paused');
create index fine_tuning_jobs_metadata on fine_tuning_jobs using gin (metadata);

create table fine_tuning_events (
  id text primary key,
  seq bigint generated always as identity unique,
  job_id text not null references fine_tuning_jobs (id) on delete cascade,
  created_at bigint not null,
  level text not null,
  type text not null,
  message text not null,
  data jsonb,
  -- Says what happened once only: a step that is run again after a crash must not be told twice.
  once text,
  unique (job_id, once)
);
create index fine_tuning_events_job on fine_tuning_events (job_id, seq);

create table fine_tuning_steps (
  job_id text not null references fine_tuning_jobs (id) on delete cascade,
  step integer not null,
  metrics jsonb not null,
  primary key (job_id, step)
);

create table fine_tuning_checkpoints (
  id text primary key,
  seq bigint generated always as identity unique,
  job_id text not null references fine_tuning_jobs (id) on delete cascade,
  created_at bigint not null,
  step_number integer not null,
  fine_tuned_model_checkpoint text not null,
  metrics jsonb not null,
  unique (job_id, step_number)
);
create index fine_tuning_checkpoints_job on fine_tuning_checkpoints (job_id, seq);

-- What a job produced and can be served; base models are the files that discovery finds.
create table models (
  id text primary key,
  seq bigint generated always as identity unique,
  created_at bigint not null,
  owned_by text not null,
  base_model text not null,
  base_file text not null,
  job_id text not null,
  -- Null for the job's final model, else the step of the checkpoint.
  step integer,
  adapter text not null,
  gguf_adapter text not null
);
create index models_job on models (job_id);
create index models_base on models (base_model);
