// Says which rows were chosen and which names were filled in, or left open.
import type { Session } from './session.ts';

export function selectRows({ all, met }: { all: number; met: number }, session: Session): void {
  const { say } = session.ui;
  const { where } = session.options;
  if (where.length > 0) {
    const words = where.map(({ column, value, equal }) => `${column}${equal ? '=' : '!='}${value}`);
    const message = say('prepare.filtered', { kept: met, all, where: words.join(', ') });
    session.note('filtered', message);
    session.necessary.push(message);
  }
  const { placeholders } = session;
  if (placeholders.filled > 0) {
    const message = say('prepare.replaced', { count: placeholders.filled });
    session.note('placeholders_filled', message);
    session.necessary.push(message);
  }
  if (placeholders.openRows > 0) {
    const names = [...placeholders.open].join(', ');
    const flags = /NAME|name/.test(names)
      ? /AUTHOR|author/.test(names)
        ? '--name, --author'
        : '--name'
      : '--author';
    session.note(
      'placeholders',
      say('prepare.placeholders', { count: placeholders.openRows, names, flags }),
    );
  }
}
