// What the system says about a file that could not be read or written, as a sentence with what to do.
import { tmpdir } from 'node:os';
import { sep } from 'node:path';
import { isDiskFull } from '../../lib/disk-full.ts';
import { WriteError } from '../../lib/new-files.ts';
import type { MessageKey } from '../../messages/en.ts';
import type { Say } from '../../messages/say.ts';

export type SystemFailure = {
  readonly code: 'disk_full' | 'file_too_large' | 'output_not_writable' | 'file_unreadable';
  readonly message: string;
};

/** Null for an error of another kind. */
export function systemFailure(error: unknown, say: Say): SystemFailure | null {
  if (isDiskFull(error)) return { code: 'disk_full', message: diskFull(error, say) };
  if (error instanceof WriteError)
    return {
      code: error.code === 'EFBIG' ? 'file_too_large' : 'output_not_writable',
      message: say('error.write', { path: error.path, reason: reasonOf(error, 'write', say) }),
    };
  const { syscall, path } = Object(error) as NodeJS.ErrnoException;
  if (syscall === undefined || path === undefined) return null;
  const reason = reasonOf(error, 'read', say);
  return { code: 'file_unreadable', message: say('error.file', { path, reason }) };
}

/** Whoever reads this chose the output; the folder of temporary files chose itself. */
function diskFull(error: unknown, say: Say): string {
  const path = error instanceof WriteError ? error.path : null;
  return path === null || path.startsWith(`${tmpdir()}${sep}tunery-`)
    ? say('fail.temporary_full', { folder: tmpdir() })
    : say('fail.disk_full', { path });
}

function reasonOf(error: unknown, doing: 'read' | 'write', say: Say): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return say(doing === 'write' ? 'fail.no_folder' : 'data.no_file');
  const known = REASONS[code ?? ''];
  return known === undefined ? message : say(known);
}

const REASONS: Readonly<Record<string, MessageKey>> = {
  EACCES: 'fail.permission',
  EPERM: 'fail.permission',
  EROFS: 'fail.read_only',
  EISDIR: 'fail.is_folder',
  ENOTEMPTY: 'fail.is_folder',
  ENOTDIR: 'fail.no_folder',
  EFBIG: 'fail.too_large',
  ENAMETOOLONG: 'fail.long_name',
  EMFILE: 'fail.open_files',
};
