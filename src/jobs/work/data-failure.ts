// What went wrong in a data task, as the message that its caller shows: in the caller's language, with
// what to do. A bug becomes a sentence too, and its stack goes to this process's own stderr.
import { tmpdir } from 'node:os';
import { sep } from 'node:path';
import { problemText } from '../../data/prepare/problem-text.ts';
import { TableError } from '../../data/read-table/table.ts';
import { CodedError } from '../../lib/coded-error.ts';
import { isDiskFull } from '../../lib/disk-full.ts';
import { WriteError } from '../../lib/new-files.ts';
import type { MessageKey } from '../../messages/en.ts';
import type { Say } from '../../messages/say.ts';
import type { FromData } from '../data-protocol.ts';

type Fail = Extract<FromData, { type: 'fail' }>;

export function dataFailure(error: unknown, say: Say): Fail {
  const fail = (code: string, message: string, param: string | null = null): Fail => ({
    type: 'fail',
    code,
    message,
    param,
  });
  if (error instanceof TableError) {
    return fail('unreadable_file', problemText(error.problem, say), 'file');
  }
  if (error instanceof CodedError)
    return fail(error.code ?? 'invalid_request', error.message, error.param);
  if (isDiskFull(error)) {
    const path = error instanceof WriteError ? error.path : null;
    // Whoever reads this chose the output; the folder of temporary files chose itself.
    return path === null || path.startsWith(`${tmpdir()}${sep}tunery-`)
      ? fail('disk_full', say('fail.temporary_full', { folder: tmpdir() }))
      : fail('disk_full', say('fail.disk_full', { path }));
  }
  if (error instanceof WriteError)
    return fail(
      error.code === 'EFBIG' ? 'file_too_large' : 'output_not_writable',
      say('error.write', { path: error.path, reason: reasonOf(error, 'write', say) }),
    );
  const { syscall, path } = Object(error) as NodeJS.ErrnoException;
  if (syscall !== undefined && path !== undefined)
    return fail(
      'file_unreadable',
      say('error.file', { path, reason: reasonOf(error, 'read', say) }),
      'file',
    );
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  const reason = error instanceof Error ? error.message : String(error);
  return fail('internal', say('error.unexpected', { reason }));
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
