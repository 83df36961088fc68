-- Where deleted rows stood in their lists: who pages through a list and deletes what each page shows
-- goes on after a row that is gone.
create table deleted_rows (
  id text primary key,
  seq bigint not null,
  deleted_at timestamptz not null default now()
);
create index deleted_rows_time on deleted_rows (deleted_at);
