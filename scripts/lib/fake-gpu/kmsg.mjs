// A kernel log that a test writes: a FIFO in packet mode, so that each read gives one record, as /dev/kmsg does.
// What a path cannot imitate: EPIPE after an overrun (the sequence numbers jump instead), EINVAL for a small buffer (the
// rest of the record is lost), and records from before the reader came (they wait in the FIFO, up to its capacity).
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { buildTool } from './build.mjs';

/** @typedef {{ priority?: number, keys?: Record<string, string>, sequence?: number, usec?: number }} RecordOptions */

/** @param {string} path */
export function createKernelLog(path) {
  const { status, stderr, error } = spawnSync('mkfifo', ['-m', '600', path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mkfifo ${path}: ${error?.message ?? stderr}`);
}

/**
 * @param {string} path
 * @param {{ header(name: string): number, setHeader(name: string, value: number): void }} control keeps the sequence number,
 *   so that several writers of one log can follow each other
 */
export function openKernelLog(path, control) {
  // Also for reading: the log then has a writer and a reader as long as the fake lives, and nobody sees an end of file.
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const { status } = spawnSync(buildTool('packet_mode'), {
    stdio: ['ignore', 'ignore', 'inherit', descriptor],
  });
  if (status !== 0) throw new Error(`${path} cannot be switched to packet mode`);

  const log = {
    path,
    /** Bytes of a record as they are. @param {string | Buffer} bytes */
    raw(bytes) {
      writeSync(descriptor, typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    },
    /** A record with a proper head. @param {string} text @param {RecordOptions} [options] */
    write(text, options = {}) {
      const sequence = options.sequence ?? control.header('kmsgSequence');
      const usec = options.usec ?? Math.round(Number(process.hrtime.bigint() / 1000n));
      const keys = Object.entries(options.keys ?? {}).map(([key, value]) => ` ${key}=${value}\n`);
      control.setHeader('kmsgSequence', sequence + 1);
      log.raw(`${options.priority ?? 4},${sequence},${usec},-;${escapeText(text)}\n${keys.join('')}`);
    },
    /** The next record's number jumps, as after an overrun. @param {number} records */
    gap(records) {
      control.setHeader('kmsgSequence', control.header('kmsgSequence') + records);
    },
    close: () => closeSync(descriptor),
  };
  return log;
}

/** As the kernel does: control characters, backslashes and everything above ASCII as \xNN. @param {string} text */
function escapeText(text) {
  return [...Buffer.from(text)]
    .map((byte) =>
      byte < 0x20 || byte >= 0x7f || byte === 0x5c
        ? `\\x${byte.toString(16).padStart(2, '0')}`
        : String.fromCharCode(byte),
    )
    .join('');
}
