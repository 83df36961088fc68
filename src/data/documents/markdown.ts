// A piece for each heading of a Markdown text. Inside a fence nothing is a heading.
import type { Document } from './extract.ts';
import { licenseIn } from './license.ts';

export function markdownPieces(source: string): Omit<Document, 'notes'> {
  const front = /^---\n([\s\S]*?)\n(?:---|\.\.\.)\n/.exec(source);
  const named = /^license:\s*["']?(.+?)["']?\s*$/im.exec(front?.[1] ?? '')?.[1];
  const pieces: { place: string; text: string }[] = [{ place: 'beginning', text: '' }];
  const lines = source.slice(front?.[0].length ?? 0).split('\n');
  let fence: string | null = null;
  for (const [i, line] of lines.entries()) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (mark !== undefined) {
      if (fence === null) fence = mark;
      else if (mark[0] === fence[0] && mark.length >= fence.length) fence = null;
    }
    const heading = fence === null ? headingOf(line, lines[i + 1] ?? '', lines[i - 1] ?? '') : null;
    if (heading !== null) pieces.push({ place: `section "${heading}"`, text: '' });
    pieces.at(-1)!.text += `${line}\n`;
  }
  return {
    pieces: pieces.filter(({ text }) => text.trim() !== ''),
    license: named ?? licenseIn(source),
  };
}

/** Marked by # in front, or underlined on the next line. */
function headingOf(line: string, next: string, before: string): string | null {
  const marked = /^ {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$/.exec(line)?.[1];
  if (marked !== undefined) return marked.trim();
  const underlined = /^ {0,3}(=+|-{3,})\s*$/.test(next) && before.trim() === '';
  return underlined && /^ {0,3}[^\s>*+|-]/.test(line) ? line.trim() : null;
}
