-- The older face of a job, `/v1/fine-tunes`: what only that face can ask for. Null for a job of today's.
alter table fine_tuning_jobs add column legacy jsonb;
create index fine_tuning_jobs_legacy on fine_tuning_jobs (seq) where legacy is not null;

-- The fine-tuned model that the job trains further; null for a base model, which `model` may name in
-- other words than `base_model`.
alter table fine_tuning_jobs add column start_model text;
update fine_tuning_jobs set start_model = model where model <> base_model;

-- The older face shows whole file objects, also of files that were deleted since.
create table fine_tune_files (
  seq bigint generated always as identity,
  job_id text not null references fine_tuning_jobs (id) on delete cascade,
  role text not null,
  id text not null,
  created_at bigint not null,
  filename text not null,
  purpose text not null,
  bytes bigint not null,
  primary key (job_id, role, id)
);
