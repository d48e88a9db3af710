// Reads and writes words of the control file. Ordinary writes: the library maps the same pages.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { ABSENT, HEADER, LAYOUT, MAGIC, SIZE } from './layout.mjs';

/** What a value may be: null is "the device does not have that". @typedef {number | bigint | null} Value */

/** @param {Value} value */
const toWord = (value) => (value === null ? ABSENT : BigInt.asIntN(64, BigInt(value)));

/** @param {string} path */
export function openControlFile(path) {
  const descriptor = openSync(path, 'r+');
  const word = Buffer.alloc(8);

  const file = {
    path,
    /** @param {number} offset @returns {number} NaN where the value is absent */
    read(offset) {
      readSync(descriptor, word, 0, 8, offset);
      const value = word.readBigInt64LE();
      return value === ABSENT ? Number.NaN : Number(value);
    },
    /** @param {number} offset @param {Value} value */
    write(offset, value) {
      word.writeBigInt64LE(toWord(value));
      writeSync(descriptor, word, 0, 8, offset);
    },
    /** Fields of a record in one write: together for a reader that comes later. @param {number} offset
     * @param {ReadonlyMap<string, number>} fields @param {Record<string, Value>} values */
    writeRecord(offset, fields, values) {
      const bytes = Buffer.alloc(8 * fields.size);
      readSync(descriptor, bytes, 0, bytes.length, offset);
      const [first] = fields.values();
      for (const [name, value] of Object.entries(values)) {
        const at = fields.get(name);
        if (at === undefined) throw new Error(`no field ${name}; there are ${[...fields.keys()].join(', ')}`);
        bytes.writeBigInt64LE(toWord(value), at - (first ?? 0));
      }
      writeSync(descriptor, bytes, 0, bytes.length, offset);
    },
    /** @param {[number, number]} place @param {string} text */
    writeText([offset, room], text, base = 0) {
      const bytes = Buffer.alloc(room);
      bytes.write(text, 0, room - 1, 'latin1');
      writeSync(descriptor, bytes, 0, room, base + offset);
    },
    /** @param {[number, number]} place */
    readText([offset, room], base = 0) {
      const bytes = Buffer.alloc(room);
      readSync(descriptor, bytes, 0, room, base + offset);
      return bytes.toString('latin1', 0, bytes.indexOf(0));
    },
    /** @param {string} name */
    header: (name) => file.read(headerOffset(name)),
    /** @param {string} name @param {Value} value */
    setHeader: (name, value) => file.write(headerOffset(name), value),
    close: () => closeSync(descriptor),
  };
  return file;
}

/** An empty control file with a valid head. @param {string} path */
export function createControlFile(path) {
  const descriptor = openSync(path, 'wx+');
  writeSync(descriptor, Buffer.alloc(SIZE));
  closeSync(descriptor);
  const file = openControlFile(path);
  file.setHeader('size', SIZE);
  file.setHeader('layout', LAYOUT);
  file.setHeader('driverLoaded', 1);
  file.setHeader('goneReturn', 9);
  file.setHeader('magic', MAGIC);
  return file;
}

/** @param {string} name */
function headerOffset(name) {
  const offset = HEADER.get(name);
  if (offset === undefined) throw new Error(`no field ${name} in the header`);
  return offset;
}
