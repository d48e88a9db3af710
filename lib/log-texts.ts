/** Fields of a log line, the texts of several lines (a help page) apart: they are for people, who read lines. */
export function textsOf(fields: object): { texts: string[]; rest: Record<string, unknown> } {
  const texts: string[] = [];
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string' && value.includes('\n')) texts.push(value);
    else rest[name] = value;
  }
  return { texts, rest };
}
