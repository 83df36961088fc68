// Numbers within bounds, as grammars of decimal digits. Bounds are compared digit by digit, so that no
// written number can lie outside by rounding.
import { all, any, chars, DIGIT, EMPTY, many, maybe, type Node, text } from './grammar.ts';

/** Bounds; `open` ones do not belong to the range. Null: none. */
export type Range = {
  readonly min: number | null;
  readonly max: number | null;
  readonly openMin: boolean;
  readonly openMax: boolean;
};

const DIGITS = 15; // what a double holds for sure
const LARGEST = 10 ** DIGITS - 1;

/** Null: no integer lies within. */
export function integer({ min, max, openMin, openMax }: Range): Node | null {
  if (min === null && max === null)
    return all(maybe(text('-')), any(text('0'), all(chars('1-9'), many(DIGIT, 0, DIGITS - 1))));
  const low = min === null ? -LARGEST : openMin ? Math.floor(min) + 1 : Math.ceil(min);
  const high = max === null ? LARGEST : openMax ? Math.ceil(max) - 1 : Math.floor(max);
  const ways: Node[] = [];
  if (low > high) return null;
  if (low < 0) ways.push(all(text('-'), whole(Math.max(1, -high), Math.min(-low, LARGEST))));
  if (high >= 0) ways.push(whole(Math.max(0, low), Math.min(high, LARGEST)));
  return any(...ways);
}

/** Null: nothing lies within. */
export function number(range: Range): Node | null {
  const { openMin, openMax } = range;
  const [min, max] = [within(range.min), within(range.max)];
  if (min === null && max === null) {
    const exponent = all(chars('e', 'E'), maybe(chars('+', '-')), many(DIGIT, 1, 2));
    return all(integer(range)!, maybe(all(text('.'), many(DIGIT, 1, DIGITS))), maybe(exponent));
  }
  if (min !== null && max !== null && (min > max || (min === max && (openMin || openMax))))
    return null;
  const ways: Node[] = [];
  if (min === null || min < 0) {
    const [near, far] = [max === null || max > 0 ? 0 : -max, min === null ? LARGEST : -min];
    const open = max !== null && max <= 0 ? openMax : false;
    ways.push(all(text('-'), positive(near, far, open || near === 0, openMin)));
  }
  if (max === null || max > 0 || (max === 0 && !openMax)) {
    const [low, high] = [min === null || min < 0 ? 0 : min, max ?? LARGEST];
    ways.push(positive(low, high, min === low && openMin, openMax));
  }
  return any(...ways);
}

/** Larger bounds are written with an exponent, and numbers here are not. */
const within = (bound: number | null) =>
  bound === null ? null : Math.max(-LARGEST, Math.min(bound, LARGEST));

/** Decimals from `low` to `high`, both ≥ 0. */
function positive(low: number, high: number, openLow: boolean, openHigh: boolean): Node {
  const [a, b] = [split(low), split(high)];
  const frac = (part: Node | null) => (part === null ? [] : [part]);
  if (a.whole === b.whole) {
    const exact = a.part === '' && !openLow ? [EMPTY] : [];
    return all(text(String(a.whole)), any(...exact, ...between(a.part, b.part, openLow, openHigh)));
  }
  const ways: Node[] = [];
  const first = any(
    ...(a.part === '' && !openLow ? [EMPTY] : []),
    ...frac(all(text('.'), above(a.part, openLow))),
  );
  ways.push(all(text(String(a.whole)), first));
  if (b.whole - a.whole > 1) {
    const middle = whole(a.whole + 1, b.whole - 1);
    ways.push(all(middle, maybe(all(text('.'), many(DIGIT, 1, DIGITS)))));
  }
  if (b.part !== '')
    ways.push(all(text(String(b.whole)), any(EMPTY, all(text('.'), below(b.part, openHigh)))));
  else if (!openHigh) ways.push(text(String(b.whole)));
  return any(...ways);
}

/** Fractions with their point between two of the same whole number. */
function between(a: string, b: string, openLow: boolean, openHigh: boolean): Node[] {
  const [d, e] = [Number(a[0] ?? 0), Number(b[0] ?? 0)];
  const [restA, restB] = [a.slice(1), b.slice(1)];
  if (b === '') return [];
  const inner = (): Node[] => {
    if (d === e) {
      const deeper = between(restA, restB, openLow, openHigh).map((node) =>
        node.kind === 'all' ? { ...node, items: node.items.slice(1) } : node,
      );
      const here = restA === '' && !openLow ? [EMPTY] : [];
      const stop = restA === '' && restB === '' && openHigh ? [] : here;
      return stop.length + deeper.length === 0
        ? []
        : [all(text(String(d)), any(...stop, ...deeper))];
    }
    const ways: Node[] = [all(text(String(d)), above(restA, openLow, true))];
    if (e - d > 1) ways.push(all(chars(`${d + 1}-${e - 1}`), many(DIGIT, 0, DIGITS - 1)));
    if (restB !== '') ways.push(all(text(String(e)), any(EMPTY, below(restB, openHigh))));
    else if (!openHigh) ways.push(text(String(e)));
    return ways;
  };
  const ways = inner();
  return ways.length === 0 ? [] : [all(text('.'), any(...ways))];
}

/** Digits after the point that make at least (or, `open`, more than) 0.`part`. */
function above(part: string, open: boolean, mayEnd = false): Node {
  if (part === '') {
    if (open) return all(many(text('0'), 0, 3), chars('1-9'), many(DIGIT, 0, DIGITS - 4));
    return many(DIGIT, mayEnd ? 0 : 1, DIGITS);
  }
  const digit = Number(part[0]);
  const ways: Node[] = [all(text(part[0]!), above(part.slice(1), open, true))];
  if (digit < 9) ways.push(all(chars(`${digit + 1}-9`), many(DIGIT, 0, DIGITS - 1)));
  return any(...ways);
}

/** Digits after the point that make at most (or, `open`, less than) 0.`part`. */
function below(part: string, open: boolean): Node {
  const digit = Number(part[0]);
  const rest = part.slice(1);
  const ways: Node[] = [];
  if (digit > 0) ways.push(all(chars(`0-${digit - 1}`), many(DIGIT, 0, DIGITS - 1)));
  if (rest !== '') ways.push(all(text(part[0]!), any(EMPTY, below(rest, open))));
  else if (!open) ways.push(text(part[0]!));
  return any(...ways);
}

/** 12.50 → 12 and "5" */
function split(value: number): { whole: number; part: string } {
  const fixed = value.toFixed(DIGITS).replace(/\.?0+$/, '');
  const [whole = '0', part = ''] = (Number.isInteger(value) ? String(value) : fixed).split('.');
  return { whole: Number(whole), part };
}

/** Whole numbers without leading zeros. */
function whole(low: number, high: number): Node {
  const ways: Node[] = [];
  for (let length = String(low).length; length <= String(high).length; length++) {
    const [from, to] = [length === 1 ? 0 : 10 ** (length - 1), 10 ** length - 1];
    ways.push(sameLength(String(Math.max(low, from)), String(Math.min(high, to))));
  }
  return any(...ways);
}

function sameLength(low: string, high: string): Node {
  if (low === '') return EMPTY;
  const [a, b, rest] = [Number(low[0]), Number(high[0]), low.length - 1];
  if (/^0*$/.test(low) && /^9*$/.test(high)) return many(DIGIT, low.length, low.length);
  if (a === b) return all(text(low[0]!), sameLength(low.slice(1), high.slice(1)));
  const [least, most] = ['0'.repeat(rest), '9'.repeat(rest)];
  const ways: Node[] = [all(text(low[0]!), sameLength(low.slice(1), most))];
  if (b - a > 1) ways.push(all(chars(`${a + 1}-${b - 1}`), many(DIGIT, rest, rest)));
  ways.push(all(text(high[0]!), sameLength(least, high.slice(1))));
  return any(...ways);
}
