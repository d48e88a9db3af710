import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { buildTool } from '../../../scripts/lib/fake-gpu/build.mjs';

export interface Answer {
  readonly tag: string;
  readonly result: number;
  readonly us: number;
  /** What the call left in its buffers, and how many bytes it wrote. */
  readonly buffers: ReadonlyArray<{ readonly written: number; readonly bytes: Buffer }>;
}

export interface NvmlClient {
  /** One call on the client's main thread; arguments as native/test/fake_nvml/client/call.c reads them. */
  call(symbol: string, ...args: Array<string | number>): Promise<Answer>;
  /** The same on a thread of its own, so that it may stay away for long. */
  spawn(symbol: string, ...args: Array<string | number>): Promise<Answer>;
  has(symbol: string): Promise<boolean>;
  /** init, then the handles h0, h1, … of so many devices. */
  open(devices: number): Promise<void>;
}

/** A process that has loaded the library by dlopen and calls what it is told. */
export async function withClient<T>(library: string, use: (client: NvmlClient) => Promise<T>): Promise<T> {
  const child = spawn(buildTool('call'), [library], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const waiting = new Map<string, Array<(answer: Answer) => void>>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as {
      tag: string;
      result: number;
      us: number;
      buffers: Array<{ written: number; hex: string }>;
    };
    const buffers = answer.buffers.map(({ written, hex }) => ({ written, bytes: Buffer.from(hex, 'hex') }));
    waiting.get(answer.tag)?.shift()?.({ ...answer, buffers });
  });
  let tags = 0;

  function send(tag: string, line: string): Promise<Answer> {
    return new Promise((resolve) => {
      waiting.set(tag, [...(waiting.get(tag) ?? []), resolve]);
      child.stdin.write(`${line}\n`);
    });
  }
  const client: NvmlClient = {
    call: (symbol, ...args) => send('', [symbol, ...args].join(' ')),
    spawn(symbol, ...args) {
      tags += 1;
      return send(`t${tags}`, [`&t${tags}`, symbol, ...args].join(' '));
    },
    has: async (symbol) => (await send('', `?${symbol}`)).result === 1,
    async open(devices) {
      await client.call('nvmlInit_v2');
      for (let index = 0; index < devices; index += 1)
        await client.call('nvmlDeviceGetHandleByIndex_v2', index, `H${index}`);
    },
  };
  try {
    return await use(client);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}
