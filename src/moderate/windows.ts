// Cuts a long text into windows, at the ends of sentences where there are any.

const WINDOW = 600; // UTF-16 units; about the length of the rows that the classifier learnt from
const REACH = 200; // how far back from a window's end its last sentence may end

export function* windowsOf(text: string): Generator<string> {
  for (let start = 0; ; ) {
    if (text.length - start <= WINDOW) return yield text.slice(start);
    const end = endOf(text, start);
    yield text.slice(start, end);
    start = end;
  }
}

const SENTENCE_END = /[.!?。！？\n](?=[^.!?。！？\n]*$)/;

function endOf(text: string, start: number): number {
  const limit = start + WINDOW;
  const tail = text.slice(limit - REACH, limit);
  const stop = SENTENCE_END.exec(tail) ?? /\s(?=\S*$)/.exec(tail);
  return stop === null ? limit : limit - REACH + stop.index + 1;
}
