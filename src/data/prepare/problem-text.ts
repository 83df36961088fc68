// A reader's problem as a sentence: where, what, and the remedy.
import type { Say } from '../../messages/say.ts';
import { explain } from '../problems.ts';
import type { TableProblem } from '../read-table/table.ts';

export function problemText(item: TableProblem, say: Say): string {
  const { what, fix } = explain(item, say);
  return say('prepare.problem', { place: placeOf(item, say), what, fix });
}

function placeOf({ file, line, path }: TableProblem, say: Say): string {
  const place = line > 0 ? say('prepare.place_line', { file, line }) : file;
  return path === '' ? place : say('prepare.place_column', { place, column: path });
}
