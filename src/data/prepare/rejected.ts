// Rows that could not be read, kept in a file of their own with the place and the reason: nothing is lost.
import type { NewFile } from '../../lib/new-files.ts';
import { outputNames } from './names.ts';
import { problemText } from './problem-text.ts';
import type { Session } from './session.ts';

export function rejectedFile(session: Session, name: string): NewFile[] {
  const { aside } = session.problems;
  if (aside.length === 0) return [];
  const [path = ''] = outputNames(name, ['_rejected']);
  const lines = aside.map((item) => {
    const { file, line, raw } = item;
    const reason = problemText(item, session.ui.say);
    return `${JSON.stringify({ file, line, reason, raw: raw ?? null })}\n`;
  });
  return [{ path, chunks: lines }];
}
