import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OutputText } from './output-text.ts';

function run(pieces: readonly Uint8Array[], stop: readonly string[]) {
  const output = new OutputText<number>(stop);
  const shown: string[] = [];
  const marks: number[] = [];
  for (const [index, bytes] of pieces.entries()) {
    const step = output.push(bytes, index);
    shown.push(step.text);
    marks.push(...step.marks);
    if (output.stopped) break;
  }
  const rest = output.finish();
  return { shown: [...shown, rest.text], marks: [...marks, ...rest.marks], output };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const cut = (all: Uint8Array, at: readonly number[]) => {
  const points = [0, ...[...at].sort((a, b) => a - b), all.length];
  return points.slice(1).map((end, i) => all.subarray(points[i], end));
};

test('a character split over tokens appears whole, with its last token', () => {
  const { shown } = run(cut(bytes('é你😀'), [1, 3, 6, 8]), []);
  expect(shown.join('')).toBe('é你😀');
  expect(shown.join('|')).not.toContain('\uFFFD');
});

test('a stop string over three tokens is cut, and its beginning was never shown', () => {
  const { shown, marks, output } = run(['Hi ', 'EN', 'D', ' more'].map(bytes), ['END']);
  expect(shown).toEqual(['Hi ', '', '', '']);
  expect(marks).toEqual([0]);
  expect(output.stopped).toBe(true);
});

test('what only looked like a stop string is shown as soon as that is clear', () => {
  const { shown, marks } = run(['a', 'EN', 'x'].map(bytes), ['END']);
  expect(shown).toEqual(['a', '', 'ENx', '']);
  expect(marks).toEqual([0, 1, 2]);
});

test('text held back at the end of the output is shown', () => {
  expect(run([bytes('go EN')], ['END']).shown).toEqual(['go ', 'EN']);
});

test('however the bytes are cut, the text ends before the first stop string', () => {
  const letters = fc.array(fc.constantFrom('a', 'b', 'é', '好'), { maxLength: 20 });
  const stops = fc.array(
    fc.array(fc.constantFrom('a', 'b', '好'), { minLength: 1, maxLength: 3 }),
    { maxLength: 3 },
  );
  fc.assert(
    fc.property(letters, stops, fc.array(fc.nat(60)), (text, stopParts, cuts) => {
      const whole = text.join('');
      const stop = stopParts.map((parts) => parts.join(''));
      const ends = stop.map((one) => whole.indexOf(one)).filter((at) => at >= 0);
      const all = bytes(whole);
      const points = cuts.map((at) => Math.min(at, all.length));
      const pieces = cut(all, points).filter((piece) => piece.length > 0);
      const { shown } = run(pieces, stop);
      expect(shown.join('')).toBe(ends.length ? whole.slice(0, Math.min(...ends)) : whole);
    }),
  );
});
