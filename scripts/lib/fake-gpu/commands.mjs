// The words by which a person steers a fake driver: `xid 0 79`.
import { DEVICE, DEVICE_TEXT } from './layout.mjs';

/** @typedef {import('./fake-gpu.mjs').FakeGpu} FakeGpu */
/** @typedef {{ usage: string, help: string, run(fake: FakeGpu, words: string[]): string | void }} Command */

/** @type {Record<string, Command>} */
export const COMMANDS = {
  xid: {
    usage: 'xid GPU NUMBER [times=N] [pid=N] [name=TEXT] [via=nvml,kmsg] [text=…]',
    help: 'an XID, as NVML event and kernel log line as the driver would',
    run(fake, [gpu, number, ...words]) {
      const { times, pid, via, ...rest } = pairs(words);
      fake.xid(slot(fake, gpu), integer(number, 'NUMBER'), {
        ...rest,
        ...(times === undefined ? {} : { times: integer(times, 'times') }),
        ...(pid === undefined ? {} : { pid: integer(pid, 'pid') }),
        ...(via === undefined ? {} : { via: /** @type {Array<'nvml' | 'kmsg'>} */ (via.split(',')) }),
      });
    },
  },
  lose: {
    usage: 'lose GPU [CODE]',
    help: 'every call on it answers CODE: 15 lost (default), 16 reset required, 999 …',
    run: (fake, [gpu, code = '15']) => fake.lose(slot(fake, gpu), integer(code, 'CODE')),
  },
  vanish: {
    usage: 'vanish GPU',
    help: 'lost, and not listed any more by the next nvmlInit',
    run: (fake, [gpu]) => fake.vanish(slot(fake, gpu)),
  },
  restore: {
    usage: 'restore GPU',
    help: 'back as after a reset: same UUID, volatile counters 0',
    run: (fake, [gpu]) => fake.restore(slot(fake, gpu)),
  },
  set: {
    usage: 'set GPU FIELD=VALUE…',
    help: 'values that NVML reports, `null` for not supported; `fields` lists them',
    run(fake, [gpu, ...words]) {
      const values = Object.entries(pairs(words)).map(([name, value]) => [
        name,
        value === 'null' ? null : DEVICE_TEXT.has(name) ? value : number(value, name),
      ]);
      if (values.length === 0) throw new Error('set needs FIELD=VALUE');
      fake.set(slot(fake, gpu), Object.fromEntries(values));
    },
  },
  get: {
    usage: 'get GPU [FIELD…]',
    help: 'the values now',
    run(fake, [gpu, ...names]) {
      const wanted = names.length > 0 ? names : [...DEVICE.keys()];
      return wanted.map((name) => `${name}=${text(fake.get(slot(fake, gpu), name))}`).join(' ');
    },
  },
  fields: {
    usage: 'fields',
    help: 'names for set and get',
    run: () => [...DEVICE_TEXT.keys(), ...DEVICE.keys()].join(' '),
  },
  processes: {
    usage: 'processes GPU [PID=MIB…]',
    help: 'processes on the GPU with their memory; none without arguments',
    run(fake, [gpu, ...words]) {
      const list = Object.entries(pairs(words)).map(([pid, mib]) => ({
        pid: integer(pid, 'PID'),
        memoryBytes: number(mib, pid) * 2 ** 20,
      }));
      fake.processes(slot(fake, gpu), list);
    },
  },
  block: {
    usage: 'block [SYMBOL]',
    help: 'calls (of one NVML function, or all) do not return any more',
    run: (fake, [symbol]) => fake.block(symbol),
  },
  release: {
    usage: 'release [SYMBOL]',
    help: 'blocked calls return',
    run: (fake, [symbol]) => fake.release(symbol),
  },
  slow: {
    usage: 'slow SYMBOL MS',
    help: 'every call takes so long; `*` for all functions',
    run: (fake, [symbol = '', ms]) => fake.latency(symbol, Math.round(number(ms, 'MS') * 1000)),
  },
  fail: {
    usage: 'fail SYMBOL CODE [GPU]',
    help: 'calls answer CODE; 0 undoes it',
    run: (fake, [symbol = '', code, gpu]) =>
      fake.fail(symbol, integer(code, 'CODE'), gpu === undefined ? {} : { device: slot(fake, gpu) }),
  },
  clear: {
    usage: 'clear [SYMBOL]',
    help: 'undoes block, slow and fail',
    run: (fake, [symbol]) => fake.clear(symbol),
  },
  unload: { usage: 'unload', help: 'the driver is gone', run: (fake) => fake.unload() },
  load: { usage: 'load', help: 'and there again', run: (fake) => fake.load() },
  mismatch: {
    usage: 'mismatch on|off',
    help: 'the driver was upgraded under the process: new inits answer 18',
    run: (fake, [state]) => fake.mismatch(isOn(state)),
  },
  access: {
    usage: 'access on|off',
    help: 'off: the container lost its devices, everything answers 999',
    run: (fake, [state]) => fake.loseAccess(!isOn(state)),
  },
  kmsg: {
    usage: 'kmsg TEXT',
    help: 'a line in the fake kernel log',
    run: (fake, words) => fake.kmsg.write(words.join(' ')),
  },
  calls: {
    usage: 'calls',
    help: 'how often each NVML function was called',
    run: (fake) =>
      Object.entries(fake.allCalls())
        .map(([symbol, count]) => `${symbol} ${count}`)
        .join('\n'),
  },
  counters: {
    usage: 'counters',
    help: 'sessions, event sets, threads, misuse, blocked calls',
    run: (fake) =>
      Object.entries(fake.counters())
        .map(([name, value]) => `${name} ${text(value)}`)
        .join('\n'),
  },
};

/** Runs one command; throws an Error whose message is for the person. @param {FakeGpu} fake @param {string[]} words */
export function runCommand(fake, [name = '', ...words]) {
  if (name === 'help') return help();
  const command = COMMANDS[name];
  if (command === undefined)
    throw new Error(`no command '${name}'; there are ${Object.keys(COMMANDS).join(', ')}`);
  return command.run(fake, words) ?? 'ok';
}

export function help() {
  const list = Object.values(COMMANDS);
  return list.map(({ usage, help }) => `  ${usage}\n      ${help}`).join('\n');
}

/** @param {string[]} words @returns {Record<string, string>} */
function pairs(words) {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      if (at < 1) throw new Error(`'${word}' is not NAME=VALUE`);
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

/** @param {string | undefined} word @param {string} what */
function number(word, what) {
  const value = word === undefined || word === '' ? Number.NaN : Number(word);
  if (!Number.isFinite(value)) throw new Error(`${what} must be a number, not '${word ?? ''}'`);
  return value;
}

/** @param {string | undefined} word @param {string} what */
function integer(word, what) {
  const value = number(word, what);
  if (!Number.isInteger(value)) throw new Error(`${what} must be a whole number, not '${word}'`);
  return value;
}

/** @param {FakeGpu} fake @param {string | undefined} word */
function slot(fake, word) {
  const gpu = integer(word, 'GPU');
  if (Number.isNaN(fake.get(gpu, 'kind')) || fake.get(gpu, 'kind') === 0)
    throw new Error(`no GPU ${gpu}; there are ${fake.gpus().join(', ')}`);
  return gpu;
}

/** @param {string | undefined} word */
function isOn(word) {
  if (word !== 'on' && word !== 'off') throw new Error(`on or off, not '${word ?? ''}'`);
  return word === 'on';
}

/** @param {number} value */
const text = (value) => (Number.isNaN(value) ? 'null' : String(value));
