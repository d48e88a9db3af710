import { InferenceHealthError } from '../errors.js';
import type { Kind } from './spec.js';

export function invalid(where: string, expected: string, received: unknown): InferenceHealthError {
  return new InferenceHealthError(
    'ERR_CONFIG_INVALID',
    `${where}: expected ${expected}, received ${describe(received)}`,
  );
}

/** A value as it would be typed, with its type where the text alone does not tell. */
function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shortened(value));
  if (value === null || typeof value !== 'object')
    return typeof value === 'function' ? 'a function' : String(value);
  if (!Array.isArray(value)) return 'an object';
  if (value.length === 0) return 'an empty array';
  return value.every((item) => typeof item === 'string') ? shortened(JSON.stringify(value)) : 'an array';
}

function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function expectation(kind: Kind): string {
  switch (kind.type) {
    case 'integer':
    case 'number':
      return `${kind.type === 'integer' ? 'an integer' : 'a number'} from ${kind.min} to ${kind.max}`;
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'a non-empty string';
    case 'choice':
      return kind.values.map((value) => `'${value}'`).join(' or ');
    case 'list':
      return 'an array of names';
    case 'devices':
      return 'an array of GPU indices and UUIDs';
    case 'listeners':
      return 'an array of at least one listener';
    case 'json':
      return 'an object (JSON)';
    case 'section':
      return `true, false or { ${kind.keys.join(', ')} }`;
  }
}

/** Checks a value given in code. Returns it unchanged or throws ERR_CONFIG_INVALID. */
export function checkValue(where: string, kind: Kind, value: unknown): unknown {
  const fail = (): never => {
    throw invalid(where, expectation(kind), value);
  };
  switch (kind.type) {
    case 'integer':
    case 'number': {
      if (typeof value !== 'number' || !(value >= kind.min && value <= kind.max)) return fail();
      return kind.type === 'integer' && !Number.isInteger(value) ? fail() : value;
    }
    case 'boolean':
      return typeof value === 'boolean' ? value : fail();
    case 'string':
      return typeof value === 'string' && !value.includes('\0') ? value : fail();
    case 'choice':
      return typeof value === 'string' && kind.values.includes(value) ? value : fail();
    case 'list':
      return Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '')
        ? value
        : fail();
    case 'devices': {
      const isDevice = (item: unknown): boolean =>
        (typeof item === 'string' && item !== '') ||
        (typeof item === 'number' && Number.isInteger(item) && item >= 0);
      return Array.isArray(value) && value.every(isDevice) ? value : fail();
    }
    case 'listeners':
      return Array.isArray(value) && value.length > 0 ? value : fail();
    case 'json':
      return isPlain(value) ? value : fail();
    case 'section':
      return typeof value === 'boolean' || isPlain(value) ? value : fail();
  }
}

const TRUE = ['true', '1', 'yes', 'on'];
const FALSE = ['false', '0', 'no', 'off'];

/** Parses a value from a variable or flag. Throws ERR_CONFIG_INVALID naming `where`. */
export function parseValue(where: string, kind: Kind, text: string): unknown {
  switch (kind.type) {
    case 'integer':
    case 'number': {
      const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
      if (Number.isNaN(value)) throw invalid(where, expectation(kind), text);
      return checkValue(where, kind, value);
    }
    case 'boolean':
    case 'section': {
      const lower = text.toLowerCase();
      if (TRUE.includes(lower)) return true;
      if (FALSE.includes(lower)) return false;
      throw invalid(where, 'true or false', text);
    }
    case 'list':
    case 'devices':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    case 'listeners':
      return text.split(',').map((item) => parseListener(where, item.trim()));
    case 'json':
      return parseJson(where, text);
    case 'string':
      // As from a shell whose variable is not set: a host would mean all interfaces.
      if (text.trim() === '') throw invalid(where, expectation(kind), text);
      return checkValue(where, kind, text);
    default:
      return checkValue(where, kind, text);
  }
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON object. Throws ERR_CONFIG_INVALID naming `where`, and what the parser says. */
export function parseJson(where: string, text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(where, `a JSON object (${error instanceof Error ? error.message : String(error)})`, text);
  }
  if (!isPlain(value)) throw invalid(where, 'a JSON object', text);
  return value;
}

/** `8081`, `127.0.0.1:8081`, `[::1]:8081` or `unix:/path`. */
function parseListener(where: string, text: string): object {
  if (text.startsWith('unix:')) return { path: text.slice('unix:'.length) };
  const match = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text);
  if (match === null) throw invalid(where, 'host:port or unix:/path, separated by commas', text);
  const host = match[1] ?? match[2];
  return { port: Number(match[3]), ...(host === undefined ? {} : { host }) };
}
