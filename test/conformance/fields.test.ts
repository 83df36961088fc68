import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EFFECTS, ENDPOINTS, fieldsOf, shownFields } from './fields.ts';

const shown = shownFields();

test.each(Object.keys(ENDPOINTS))(
  'every field of %s has a test that shows what it does',
  (name) => {
    const rows = shown.filter(({ endpoint }) => endpoint === name);
    const named = rows.flatMap(({ fields }) => fields);
    expect(named.toSorted(), 'fields.md, and the fields of the schemas').toEqual(
      fieldsOf(ENDPOINTS[name]!).toSorted(),
    );
  },
);

test('the tests that fields.md names exist', () => {
  for (const { endpoint, effect, tests } of shown) {
    expect(Object.keys(ENDPOINTS)).toContain(endpoint);
    expect(EFFECTS).toContain(effect);
    expect(tests.length).toBeGreaterThan(0);
    for (const { file, title } of tests) {
      expect(existsSync(file), file).toBe(true);
      // As a title stands in the source, in either kind of quotes.
      const source = readFileSync(file, 'utf8');
      const quoted = [`'${title}'`, `"${title}"`, `\`${title}\``];
      expect(
        quoted.some((text) => source.includes(text)),
        `${file}: ${title}`,
      ).toBe(true);
    }
  }
});

test('no endpoint reads a body or a query that is not in the list', () => {
  const known = Object.values(ENDPOINTS).flatMap((schemas) => Object.keys(schemas));
  const folder = 'src/server/routes';
  const read = readdirSync(folder).flatMap((file) =>
    [
      ...readFileSync(join(folder, file), 'utf8').matchAll(
        /read(?:Body|Query)\(\s*[\w.]+,\s*(\w+)/g,
      ),
    ].map(([, schema]) => schema!),
  );
  expect(read.length).toBeGreaterThan(25);
  // The engines route passes any body on to the routes of today; `z` is its empty schema.
  expect([...new Set(read)].filter((schema) => !known.includes(schema) && schema !== 'z')).toEqual(
    [],
  );
});
