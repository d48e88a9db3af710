/** Says which field was wrong, what was expected and what came. */
export class BadRequest extends Error {
  readonly param: string;
  constructor(param: string, expected: string, received: unknown) {
    super(`${param}: expected ${expected}, received ${show(received)}`);
    this.name = 'BadRequest';
    this.param = param;
  }
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  // JSON.parse takes what is nested deeper than JSON.stringify can go.
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    return 'something deeply nested';
  }
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
