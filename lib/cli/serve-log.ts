import type { Logger } from '../config/options.js';
import { textsOf } from '../log-texts.js';
import { writeStderr } from '../stderr.js';
import type { Color, Paint } from './terminal.js';

const COLORS = { debug: 'dim', info: 'cyan', warn: 'yellow', error: 'red' } as const satisfies Record<
  string,
  Color
>;
type Level = keyof typeof COLORS;

/**
 * The log of `serve` on standard error: lines for people on a terminal (`paint` given), JSON lines elsewhere, there with
 * one for each line of a longer text.
 */
export function createServeLog(paint: Paint | null): Logger {
  const write = (level: Level, fields: object, message = ''): void => {
    const now = new Date();
    if (paint === null) {
      const time = now.toISOString();
      const { texts, rest } = textsOf(fields);
      writeStderr(JSON.stringify({ level, time, ...rest, msg: message }));
      for (const msg of texts.flatMap((text) => text.split('\n')))
        writeStderr(JSON.stringify({ level, time, msg }));
    } else {
      const clock = paint('dim', now.toTimeString().slice(0, 8));
      writeStderr(`${clock} ${paint(COLORS[level], level.padEnd(5))} ${message}${inWords(fields, paint)}`);
    }
  };
  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  };
}

/** ` name=value` for each field; a text of several lines (a help page, a stack) below the line. */
function inWords(fields: object, paint: Paint): string {
  const { texts, rest } = textsOf(fields);
  const inline = Object.entries(rest).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const below = texts.map((text) => `\n${harmless(text).replace(/^/gm, '  ')}`);
  return paint('dim', harmless(inline.join(''))) + below.join('');
}

/** Names and messages come from workers and stores, and a terminal does what it reads. Line breaks and tabs stay. */
function harmless(text: string): string {
  const code = (control: string): string => control.charCodeAt(0).toString(16).padStart(2, '0');
  return text.replace(/(?![\n\t])\p{Cc}/gu, (control) => `\\x${code(control)}`);
}
