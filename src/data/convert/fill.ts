// `<NAME>` and `{{name}}` of identity sets, filled in.

/** Case makes no difference in names. */
export function fillPlaceholders(text: string, fill: Readonly<Record<string, string>>): string {
  let out = text;
  for (const [name, value] of Object.entries(fill)) {
    const mark = escaped(name);
    const regex = new RegExp(`\\{\\{\\s*${mark}\\s*\\}\\}|<${mark}>`, 'gi');
    out = out.replaceAll(regex, () => value);
  }
  return out;
}

const escaped = (text: string) => text.replaceAll(/[\^$\\.*+?()[\]{}|/-]/g, '\\$&');
