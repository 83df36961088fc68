-- Where a job's metrics are sent besides, and whether there is something left to send.
alter table fine_tuning_jobs add column integrations jsonb not null default '[]';
alter table fine_tuning_jobs add column integrations_open boolean not null default false;
create index fine_tuning_jobs_integrations on fine_tuning_jobs (seq) where integrations_open;

-- Which projects a fine-tuned model is shared with.
create table checkpoint_permissions (
  id text primary key,
  seq bigint generated always as identity unique,
  model text not null references models (id) on delete cascade,
  created_at bigint not null,
  project_id text not null,
  unique (model, project_id)
);
create index checkpoint_permissions_model on checkpoint_permissions (model, seq);
