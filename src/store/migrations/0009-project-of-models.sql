-- The project of the key that had a model made; null: of none, so that every key may use it.
alter table fine_tuning_jobs add column project_id text;
alter table models add column project_id text;
