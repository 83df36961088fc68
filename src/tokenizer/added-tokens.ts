// Finds the tokens that are written as they are in text (<|im_start|>, <think>) before anything else
// is tokenized. Control tokens inside a message's own content stay ordinary text: a user who types
// <|im_end|> must not end the turn.

export type AddedToken = {
  readonly id: number;
  readonly content: string;
  /** Control tokens (special) are recognised on request only; the others always. */
  readonly control: boolean;
  /** Swallow the white space on that side, as Phi-3's tokens do. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
};

/** Half open, in UTF-16 units. */
export type Span = { readonly start: number; readonly end: number };
export type Part = Span & { readonly id: number | null };

export function addedTokenFinder(added: readonly AddedToken[]) {
  const idOf = new Map(added.map((token) => [token.content, token]));
  const all = alternatives(added);
  const always = alternatives(added.filter(({ control }) => !control));

  /** Cuts `text` into added tokens and the stretches between them (`id` null). Where `special` is
   *  false, or a control token's text touches a span of `plain`, its text is left in the stretch. */
  return (text: string, special: boolean, plain: readonly Span[]): Part[] => {
    const regex = special ? all : always;
    const parts: Part[] = [];
    let end = 0;
    const stretch = (until: number) => {
      if (until > end) parts.push({ id: null, start: end, end: until });
    };
    if (regex !== null) {
      regex.lastIndex = 0;
      for (let match = regex.exec(text); match !== null; match = regex.exec(text)) {
        const [start, stop] = [match.index, match.index + match[0].length];
        const token = idOf.get(match[0]) ?? idOf.get(match[0].trim());
        if (token === undefined) throw new Error(`Tokenizer: no added token for '${match[0]}'.`);
        if (token.control && plain.some((span) => span.start < stop && start < span.end)) {
          regex.lastIndex = start + 1;
          continue;
        }
        stretch(start);
        parts.push({ id: token.id, start, end: stop });
        end = stop;
      }
    }
    stretch(text.length);
    return parts;
  };
}

function alternatives(added: readonly AddedToken[]): RegExp | null {
  if (added.length === 0) return null;
  // The first alternative that fits wins, so longer tokens come first.
  const longestFirst = added.toSorted((a, b) => b.content.length - a.content.length);
  const sources = longestFirst.map(({ content, lstrip, rstrip }) => {
    const literal = content.replaceAll(/[\^$\\.*+?()[\]{}|/]/g, '\\$&');
    return `${lstrip ? '\\s*' : ''}${literal}${rstrip ? '\\s*' : ''}`;
  });
  return new RegExp(sources.join('|'), 'gu');
}
