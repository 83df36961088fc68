// What is done to a row before it is mapped: conditions, and names left open in it.

export type Condition = {
  readonly column: string;
  readonly value: string;
  readonly equal: boolean;
};

export function parseCondition(text: string): Condition | null {
  const found = /^([^=!]+?)(!?=)=?(.*)$/s.exec(text.trim());
  if (found === null) return null;
  const [, column = '', sign, value = ''] = found;
  const bare = value.trim().replace(/^(['"])(.*)\1$/s, '$2');
  return { column: column.trim(), value: bare, equal: sign === '=' };
}

export const meets = (
  values: Readonly<Record<string, unknown>>,
  conditions: readonly Condition[],
) =>
  conditions.every(
    ({ column, value, equal }) => (String(values[column] ?? '') === value) === equal,
  );

export type Names = { readonly name?: string | undefined; readonly author?: string | undefined };

const NAME = /<NAME>|\{\{name\}\}/g;
const AUTHOR = /<AUTHOR>|\{\{author\}\}/g;

/** Fills in names at any depth and counts the places; places without a name are counted as open. */
export class Placeholders {
  readonly #names: Names;
  filled = 0;
  readonly open = new Set<string>();
  openRows = 0;
  constructor(names: Names) {
    this.#names = names;
  }
  fill(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
    let open = false;
    const one = (text: string, places: RegExp, name: string | undefined) =>
      text.replace(places, (place) => {
        if (name === undefined) {
          this.open.add(place);
          open = true;
          return place;
        }
        this.filled += 1;
        return name;
      });
    const deep = (value: unknown): unknown => {
      if (typeof value === 'string') {
        if (!value.includes('<') && !value.includes('{{')) return value;
        return one(one(value, NAME, this.#names.name), AUTHOR, this.#names.author);
      }
      if (Array.isArray(value)) return value.map(deep);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, deep(inner)]));
    };
    const filled = deep(values) as Record<string, unknown>;
    if (open) this.openRows += 1;
    return filled;
  }
}
