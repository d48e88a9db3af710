// Offsets into the control file of the fake driver, read out of the header that the driver itself is compiled from.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const SOURCES = fileURLToPath(new URL('../../../native/test/fake_nvml', import.meta.url));

const control = readFileSync(join(SOURCES, 'control.h'), 'utf8');
const symbolList = readFileSync(join(SOURCES, 'symbols.h'), 'utf8');

/** @param {string} name @returns {number} */
function constant(name) {
  const found = new RegExp(`#define FAKE_${name} (\\S+)`).exec(control);
  if (found === null) throw new Error(`control.h does not define FAKE_${name}`);
  return Number(found[1]);
}

/** Names in an X-macro list, in order. @param {string} text @param {string} name @returns {string[]} */
function names(text, name) {
  const list = new RegExp(`#define FAKE_${name}\\(X\\)([\\s\\S]*?[^\\\\])\\n`).exec(text)?.[1];
  if (list === undefined) throw new Error(`no FAKE_${name}`);
  return [...list.replace(/\/\*[\s\S]*?\*\//g, '').matchAll(/\bX\((\w+)\)/g)].map((match) =>
    String(match[1]),
  );
}

/** Byte offset of each field. @param {string} name @param {number} [start] @returns {Map<string, number>} */
function offsets(name, start = 0) {
  return new Map(names(control, name).map((field, index) => [field, start + 8 * index]));
}

export const ABSENT = -(2n ** 63n);
export const MAX_DEVICES = constant('MAX_DEVICES');
export const MAX_PROCESSES = constant('MAX_PROCESSES');
export const MAX_OVERRIDES = constant('MAX_OVERRIDES');
export const MAX_EVENTS = constant('MAX_EVENTS');
export const MAX_THREADS = constant('MAX_THREADS');
export const MAGIC = constant('MAGIC');
export const LAYOUT = constant('LAYOUT');
const LONG_TEXT = constant('LONG_TEXT');
const SHORT_TEXT = constant('SHORT_TEXT');

/** `*`, then every symbol of the fake: the index is that of its rule. */
export const SYMBOLS = ['*', ...names(symbolList, 'SYMBOLS')];

export const HEADER = offsets('HEADER_FIELDS');
export const RULE = offsets('RULE_FIELDS');
export const PROCESS = offsets('PROCESS_FIELDS');
export const OVERRIDE = offsets('OVERRIDE_FIELDS');
export const EVENT = offsets('EVENT_FIELDS');

/** Strings of a device: offset and room. @type {ReadonlyMap<string, [number, number]>} */
export const DEVICE_TEXT = new Map([
  ['uuid', [0, LONG_TEXT]],
  ['name', [LONG_TEXT, LONG_TEXT]],
  ['serial', [2 * LONG_TEXT, SHORT_TEXT]],
]);
export const DEVICE = offsets('DEVICE_FIELDS', 2 * LONG_TEXT + SHORT_TEXT);
const DEVICE_PROCESSES = 2 * LONG_TEXT + SHORT_TEXT + 8 * DEVICE.size;
const DEVICE_SIZE = DEVICE_PROCESSES + MAX_PROCESSES * 8 * PROCESS.size;

const TEXTS = 8 * HEADER.size;
const THREADS = TEXTS + 2 * LONG_TEXT;
const RULES = THREADS + 8 * MAX_THREADS;
const OVERRIDES = RULES + constant('MAX_RULES') * 8 * RULE.size;
const EVENTS = OVERRIDES + MAX_OVERRIDES * 8 * OVERRIDE.size;
const DEVICES = EVENTS + MAX_EVENTS * 8 * EVENT.size;

export const SIZE = DEVICES + MAX_DEVICES * DEVICE_SIZE;
/** @type {ReadonlyMap<string, [number, number]>} */
export const TEXT = new Map([
  ['driverVersion', [TEXTS, LONG_TEXT]],
  ['nvmlVersion', [TEXTS + LONG_TEXT, LONG_TEXT]],
]);
/** @param {number} index */
export const threadAt = (index) => THREADS + 8 * index;
/** @param {number} index */
export const ruleAt = (index) => RULES + index * 8 * RULE.size;
/** @param {number} index */
export const overrideAt = (index) => OVERRIDES + index * 8 * OVERRIDE.size;
/** @param {number} number */
export const eventAt = (number) => EVENTS + (number % MAX_EVENTS) * 8 * EVENT.size;
/** @param {number} slot */
export const deviceAt = (slot) => DEVICES + slot * DEVICE_SIZE;
/** @param {number} slot @param {number} index */
export const processAt = (slot, index) => deviceAt(slot) + DEVICE_PROCESSES + index * 8 * PROCESS.size;
