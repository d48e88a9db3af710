type Environment = Readonly<Record<string, string | undefined>>;

/** https://no-color.org: any value but the empty one turns colours off. */
export function usesColor(stream: { readonly isTTY?: boolean }, environment: Environment): boolean {
  return stream.isTTY === true && !environment.NO_COLOR && environment.TERM !== 'dumb';
}

const CODES = { bold: 1, dim: 90, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
export type Color = keyof typeof CODES;
export type Paint = (color: Color, text: string) => string;

export function painter(isColored: boolean): Paint {
  return (color, text) => (isColored ? `\x1b[${CODES[color]}m${text}\x1b[0m` : text);
}

/** A reader that went away (`serve | head`) is no reason to stop: without a listener its EPIPE would end the process. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
