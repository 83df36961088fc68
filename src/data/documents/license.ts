// The license that a document names, as it names it.

export function licenseIn(text: string): string | null {
  const head = `${text.slice(0, 4000)}\n${text.slice(-4000)}`;
  return (
    /SPDX-License-Identifier:\s*([\w.+-]+)/.exec(head)?.[1] ??
    /\b(CC[ -]BY(?:[ -](?:SA|NC|ND))*[ -]\d\.\d|Apache License,? Version 2\.0|MIT License|CC0(?:[ -]1\.0)?|GNU (?:Free Documentation|(?:Lesser |Affero )?General Public) License|BSD [23]-Clause License)\b/i.exec(
      head,
    )?.[1] ??
    /https?:\/\/creativecommons\.org\/(?:licenses|publicdomain)\/[\w.+/-]*\w/.exec(head)?.[0] ??
    null
  );
}
