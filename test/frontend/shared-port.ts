/** `inference-health frontend --processes N` as a program, with toy workers. */
import { readFileSync } from 'node:fs';
import { until } from '../helpers/package.js';
import { CLI, type Program, withProgram } from '../helpers/program.js';
import { endToy, startToy, type ToyWorker } from './fleet.js';

export const TOKEN = 'token-of-an-operator';
const URL_LINE = /"url":"(https?:[^"]+)","probes":\["(http:[^"]+)"\]/;

export interface Shared {
  readonly url: string;
  readonly probes: string;
  readonly program: Program;
  readonly workers: readonly ToyWorker[];
  /** Of the processes behind the port. */
  pids(): number[];
}

export interface SharedOptions {
  readonly args?: readonly string[];
  /** Names of toy workers; default one. */
  readonly names?: readonly string[];
  /** Workers besides. */
  readonly urls?: readonly string[];
}

export async function withProcesses(
  count: number,
  use: (shared: Shared) => Promise<void>,
  { args = [], names = ['one'], urls = [] }: SharedOptions = {},
): Promise<void> {
  const workers = await Promise.all(names.map((name) => startToy(name)));
  const all = [...workers.map(({ url }) => url), ...urls].join(',');
  let children: number[] = [];
  try {
    const command = [...CLI, 'frontend', '--workers', all, '--processes', String(count)];
    await withProgram(
      [...command, '--http-port', '0', '--health-mode', 'strict', ...args],
      { env: { INFERENCE_HEALTH_ADMIN_TOKEN: TOKEN } },
      async (program) => {
        const [, url = '', probes = ''] = await program.prints(URL_LINE);
        const { pid } = program.process;
        const pids = (): number[] =>
          readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
        children = pids();
        await until(async () => (await fetch(`${probes}/health`)).status === 200);
        // That is so when one of them has the worker; connections go to each in turn.
        const looks = url.startsWith('https:') ? 0 : 2 * count;
        await until(async () => {
          for (let i = 0; i < looks; i += 1) {
            const models = await (await fetch(`${url}/v1/models`, alone)).text();
            if (!models.includes('"toy"')) return false;
          }
          return true;
        });
        await use({ url, probes, program, workers, pids });
      },
    );
  } finally {
    // One that a test has stopped does not see that the others have ended.
    for (const child of children) if (isRunning(child)) process.kill(child, 'SIGKILL');
    for (const worker of workers) endToy(worker);
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Over a connection of its own: each may come to another process. */
export const alone = { headers: { connection: 'close' } };

/** Of the metrics of all processes. */
export async function figure(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, alone)).text();
  const line = text.split('\n').find((each) => each.startsWith(`inference_health_${name} `));
  return line === undefined ? Number.NaN : Number(line.split(' ').pop());
}
