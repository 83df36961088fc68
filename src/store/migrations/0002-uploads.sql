-- Files that arrive in parts. The bytes of a part lie in uploads/{upload}/{part} of the data directory
-- until the upload is completed, cancelled or expired.

create table uploads (
  id text primary key,
  created_at bigint not null,
  expires_at bigint not null,
  filename text not null,
  purpose text not null,
  -- As announced; the parts must add up to it.
  bytes bigint not null,
  mime_type text not null,
  -- Seconds that the file will live, counted from its own creation.
  expires_after bigint,
  status text not null,
  file_id text
);
create index uploads_pending on uploads (expires_at) where status = 'pending';

create table upload_parts (
  id text primary key,
  upload_id text not null references uploads (id) on delete cascade,
  created_at bigint not null,
  bytes bigint not null
);
create index upload_parts_upload on upload_parts (upload_id);

-- Whoever looks at files asks first which of them have expired.
create index files_expires_at on files (expires_at) where expires_at is not null;
