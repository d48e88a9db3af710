import { writeSync } from 'node:fs';
import type { Logger } from '../config/options.js';

const COLORS = { debug: 90, info: 36, warn: 33, error: 31 } as const;

/** On a terminal coloured lines, elsewhere JSON lines, both on standard error; written at once, so that the last words of a dying process arrive. */
export function createServeLog(isTerminal: boolean): Logger {
  const write = (level: keyof typeof COLORS, fields: object, message = ''): void => {
    const line = isTerminal
      ? `\x1b[${COLORS[level]}m${level.padEnd(5)}\x1b[0m ${message}${Object.keys(fields).length > 0 ? ` \x1b[90m${JSON.stringify(fields)}\x1b[0m` : ''}`
      : JSON.stringify({ level, time: new Date().toISOString(), ...fields, msg: message });
    writeSync(2, `${line}\n`);
  };
  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  };
}
