// What calls of a symbol do besides answering: fail, take long, never return.
import { RULE, ruleAt, SYMBOLS } from './layout.mjs';

/** @typedef {{ device?: number, after?: number, times?: number }} Which device slot; `after` so many more calls; so many times */

/** @param {string} symbol */
function indexOf(symbol) {
  const index = SYMBOLS.indexOf(symbol);
  if (index >= 0) return index;
  const near = SYMBOLS.filter((name) => name.toLowerCase().includes(symbol.toLowerCase()));
  throw new Error(`no symbol ${symbol}${near.length > 0 ? `; did you mean ${near.join(', ')}?` : ''}`);
}

/** @param {ReturnType<import('./control-file.mjs').openControlFile>} file */
export function openRules(file) {
  /** @param {string} symbol @param {Record<string, import('./control-file.mjs').Value>} values */
  const write = (symbol, values) => {
    // Word by word: counters of the same record are the library's.
    const base = ruleAt(indexOf(symbol));
    for (const [name, value] of Object.entries(values)) file.write(base + fieldAt(name), value);
  };
  /** @param {string} symbol @param {string} name */
  const read = (symbol, name) => file.read(ruleAt(indexOf(symbol)) + fieldAt(name));
  /** @param {string} symbol @param {number} [after] @param {number} [times] @returns {[number, number]} */
  const range = (symbol, after = 0, times = 0) => {
    const from = read(symbol, 'calls') + after + 1;
    return [after === 0 && times === 0 ? 0 : from, times === 0 ? 0 : from + times - 1];
  };

  const rules = {
    /** Calls answer `code`. @param {string} symbol @param {number} code @param {Which} [which] */
    fail(symbol, code, which = {}) {
      const [returnFrom, returnTo] = range(symbol, which.after, which.times);
      write(symbol, { returnCode: 0 });
      write(symbol, { returnDevice: which.device ?? -1, returnFrom, returnTo, returnCode: code });
    },
    /** Every call takes so long. @param {string} symbol @param {number} microseconds */
    latency: (symbol, microseconds) => write(symbol, { latencyUs: microseconds }),
    /** Some calls take longer: `times` of them after `after` more, or every N-th. @param {string} symbol
     * @param {number} microseconds @param {{ after?: number, times?: number, every?: number }} [which] */
    slow(symbol, microseconds, which = {}) {
      const [slowFrom, slowTo] = range(symbol, which.after, which.times);
      write(symbol, { slowUs: 0 });
      write(symbol, { slowFrom, slowTo, slowEvery: which.every ?? 0, slowUs: microseconds });
    },
    /** Calls do not return until they are released; so do event waits under way. @param {string} [symbol] @param {Which} [which] */
    block(symbol = '*', which = {}) {
      const [blockFrom] = range(symbol, which.after);
      write(symbol, { blockDevice: which.device ?? -1, blockFrom, block: 1 });
    },
    /** Lets the blocked calls of a symbol go on, or all of them. @param {string} [symbol] */
    release(symbol) {
      for (const name of symbol === undefined ? SYMBOLS : [symbol]) write(name, { block: 0 });
    },
    /** Forgets failures, latencies and blocks of a symbol, or of all. @param {string} [symbol] */
    clear(symbol) {
      for (const name of symbol === undefined ? SYMBOLS : [symbol])
        write(name, { returnCode: 0, latencyUs: 0, slowUs: 0, slowEvery: 0, block: 0 });
    },
    /** Calls of a symbol so far (`*`: of all), blocked and held ones included. @param {string} [symbol] */
    calls: (symbol = '*') => read(symbol, 'calls'),
    /** Answers other than success. @param {string} symbol */
    errors: (symbol) => read(symbol, 'errors'),
    /** Calls held by a block now. @param {string} [symbol] */
    blocked: (symbol) => (symbol === undefined ? file.header('blocked') : read(symbol, 'blocked')),
    /** Thread that called last. @param {string} symbol */
    lastThread: (symbol) => read(symbol, 'lastThread'),
    /** Calls of every symbol that was called. @returns {Record<string, number>} */
    allCalls() {
      const counts = SYMBOLS.slice(1).map((name) => /** @type {const} */ ([name, read(name, 'calls')]));
      return Object.fromEntries(counts.filter(([, calls]) => calls > 0));
    },
  };
  return rules;
}

/** @param {string} name */
function fieldAt(name) {
  const offset = RULE.get(name);
  if (offset === undefined) throw new Error(`a rule has no field ${name}`);
  return offset;
}
