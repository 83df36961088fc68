// Formats of strings that JSON Schema names, as grammars of what stands between the quotes. Some allow
// less than the format does, never more.
import { all, any, chars, DIGIT, many, maybe, type Node, text } from './grammar.ts';

const digits = (count: number) => many(DIGIT, count, count);
const upTo = (tens: string, ones: Node, ...rest: Node[]) => any(all(chars(tens), ones), ...rest);
const HEX = chars('0-9', 'a-f');
const hex = (count: number) => many(HEX, count, count);

const month = (names: string[], last: Node) => all(any(...names.map(text)), text('-'), last);
const day = (rest: Node) => any(all(text('0'), chars('1-9')), all(chars('1-2'), DIGIT), rest);
const DATE = all(
  chars('1-2'),
  digits(3),
  text('-'),
  any(
    month(['01', '03', '05', '07', '08', '10', '12'], day(any(text('30'), text('31')))),
    month(['04', '06', '09', '11'], day(text('30'))),
    // The 29th depends on the year.
    month(
      ['02'],
      any(all(text('0'), chars('1-9')), all(text('1'), DIGIT), all(text('2'), chars('0-8'))),
    ),
  ),
);
const HOUR = upTo('0-1', DIGIT, all(text('2'), chars('0-3')));
const MINUTE = all(chars('0-5'), DIGIT);
const TIME = all(
  ...[HOUR, text(':'), MINUTE, text(':'), MINUTE],
  maybe(all(text('.'), many(DIGIT, 1, 9))),
  any(text('Z'), all(chars('+', '-'), HOUR, text(':'), MINUTE)),
);
const BYTE = any(
  DIGIT,
  all(chars('1-9'), DIGIT),
  all(text('1'), digits(2)),
  all(text('2'), any(all(chars('0-4'), DIGIT), all(text('5'), chars('0-5')))),
);
const WORD = all(chars('a-z', 'A-Z', '0-9'), many(chars('a-z', 'A-Z', '0-9'), 0, 30));
const LABEL = all(WORD, many(all(text('-'), WORD), 0, 3));
const HOST = all(many(all(LABEL, text('.')), 1, 4), many(chars('a-z'), 2, 12));
const PATH = chars('a-z', 'A-Z', '0-9', '_', '.', '~', '-', '+', '@', ':', ',');
const amount = (unit: string) => all(many(DIGIT, 1, 6), text(unit));

export const FORMATS: Readonly<Record<string, Node>> = {
  date: DATE,
  time: TIME,
  'date-time': all(DATE, text('T'), TIME),
  duration: all(
    text('P'),
    any(
      all(amount('D'), maybe(all(text('T'), amount('H')))),
      all(text('T'), any(amount('H'), amount('M'), amount('S'))),
      any(amount('W'), amount('M'), amount('Y')),
    ),
  ),
  email: all(WORD, many(all(chars('.', '_', '-', '+'), WORD), 0, 3), text('@'), HOST),
  hostname: HOST,
  ipv4: all(BYTE, many(all(text('.'), BYTE), 3, 3)),
  ipv6: all(many(HEX, 1, 4), many(all(text(':'), many(HEX, 1, 4)), 7, 7)),
  uuid: all(
    ...[8, 4, 4, 4, 12].flatMap((count, i) => (i === 0 ? [hex(count)] : [text('-'), hex(count)])),
  ),
  uri: all(
    text('http'),
    maybe(text('s')),
    text('://'),
    HOST,
    many(all(text('/'), many(PATH, 0, null)), 0, null),
  ),
};
