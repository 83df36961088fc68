// The data directory: database, blobs, and the lock that keeps a second server out.
import type { Blobs } from './blobs.ts';
import type { Database } from './database.ts';

export type Store = {
  readonly directory: string;
  readonly database: Database;
  readonly blobs: Blobs;
  readonly close: () => Promise<void>;
};
