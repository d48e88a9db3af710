import type { Logger } from '../config/options.js';
import { writeStderr } from '../stderr.js';
import type { Color, Paint } from './terminal.js';

const COLORS = { debug: 'dim', info: 'cyan', warn: 'yellow', error: 'red' } as const satisfies Record<
  string,
  Color
>;
type Level = keyof typeof COLORS;

/** The log of `serve` on standard error: lines for people on a terminal (`paint` given), JSON lines elsewhere. */
export function createServeLog(paint: Paint | null): Logger {
  const write = (level: Level, fields: object, message = ''): void => {
    const now = new Date();
    writeStderr(
      paint === null
        ? JSON.stringify({ level, time: now.toISOString(), ...fields, msg: message })
        : `${paint('dim', now.toTimeString().slice(0, 8))} ${paint(COLORS[level], level.padEnd(5))} ${message}${inWords(fields, paint)}`,
    );
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
  const inline: string[] = [];
  const below: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string' && value.includes('\n')) below.push(`\n${value.replace(/^/gm, '  ')}`);
    else inline.push(` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  }
  return paint('dim', inline.join('')) + below.join('');
}
