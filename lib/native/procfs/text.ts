/** Counterparts of `native/host/text.cc`; the two agree on what is malformed. */

export function fieldsOf(line: string): string[] {
  return line.split(/[ \t]+/).filter((field) => field !== '');
}

/** NaN for anything but digits that fit into 64 bits. */
export function parseUnsigned(text: string | undefined): number {
  if (text === undefined || !/^\d+$/.test(text)) return Number.NaN;
  const value = Number(text);
  return value < 2 ** 64 ? value : Number.NaN;
}

/** "12", "12.34"; NaN for anything else. */
export function parseDecimal(text: string | undefined): number {
  return text !== undefined && /^\d{1,19}(\.\d{1,19})?$/.test(text) ? Number(text) : Number.NaN;
}

/** The number behind `key` in a text of "key value" lines; NaN when it is not there or is no number. */
export function findNumber(text: string, key: string): number {
  for (const line of text.split('\n')) {
    if (!line.startsWith(key)) continue;
    const rest = line.slice(key.length);
    if (rest.startsWith(' ') || rest.startsWith('\t')) return parseUnsigned(fieldsOf(rest)[0]);
  }
  return Number.NaN;
}
