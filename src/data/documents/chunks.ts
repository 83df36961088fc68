// Stretches of text that a model is asked about. Long pieces are cut where a sentence ends; short ones
// go together, so that nothing that was written is left out.
import type { Document } from './extract.ts';

export type Chunk = {
  /** Where it begins, and where it ends if that is another piece. */
  readonly place: string;
  /** Characters: `from` of the first piece, `to` of the last. */
  readonly from: number;
  readonly to: number;
  readonly text: string;
};

type Stretch = Omit<Chunk, 'place'> & { readonly places: readonly [string, string] };

/** Stretches of about `size` characters. */
export function chunksOf({ pieces }: Document, size: number): Chunk[] {
  const chunks: Stretch[] = [];
  for (const { place, text } of pieces)
    for (const stretch of stretchesOf(text, size)) {
      const next = { ...stretch, places: [place, place] as const };
      const last = chunks.at(-1);
      const short = Math.min(last?.text.length ?? size, next.text.length) < size / 4;
      if (last !== undefined && short && last.text.length + next.text.length < size)
        chunks[chunks.length - 1] = {
          text: `${last.text}\n\n${next.text}`,
          from: last.from,
          to: next.to,
          places: [last.places[0], place],
        };
      else chunks.push(next);
    }
  return chunks
    .filter(({ text }) => /[\p{L}\p{N}]/u.test(text))
    .map(({ places: [first, last], ...rest }) => ({
      place: first === last ? first : `${first} to ${last}`,
      ...rest,
    }));
}

function* stretchesOf(text: string, size: number) {
  let from = 0;
  while (from < text.length) {
    const to = endOf(text, from, size);
    const body = text.slice(from, to).trim();
    if (body !== '') yield { from, to, text: body };
    from = to;
  }
}

/** At a paragraph's end if there is one in the second half, else at a sentence's, a line's, or anywhere. */
function endOf(text: string, from: number, size: number): number {
  if (text.length - from <= size) return text.length;
  const half = from + Math.floor(size / 2);
  const window = text.slice(half, from + size);
  for (const ends of [/\n\n/g, /[。！？]|[.!?](?=\s)/g, /\n/g]) {
    const last = [...window.matchAll(ends)].at(-1);
    if (last !== undefined) return half + last.index + last[0].length;
  }
  const end = from + size;
  const code = text.charCodeAt(end - 1);
  return code >= 0xd800 && code < 0xdc00 ? end + 1 : end; // not through the middle of a character
}
