import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { buildTool } from '../../../scripts/lib/fake-gpu/build.mjs';
import { COMMANDS, runCommand } from '../../../scripts/lib/fake-gpu/commands.mjs';
import { ROOT } from '../../helpers/package.js';
import { withFakeGpu } from './fake-gpu.js';

/** Runs `scripts/fake-gpu.mjs` with a program. */
async function withProgram(args: string[], use: (fake: Runner) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, ['scripts/fake-gpu.mjs', ...args], { cwd: ROOT });
  const exited = once(child, 'exit');
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  const said = async (wanted: RegExp): Promise<string> => {
    for (let attempt = 0; attempt < 2000; attempt += 1) {
      const found = wanted.exec(output);
      if (found !== null) return found[1] ?? found[0];
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`no ${wanted} in: ${output}`);
  };
  try {
    await use({ child, said, exit: async () => (await exited)[0] as number | null });
  } finally {
    child.kill('SIGTERM');
    await exited;
  }
}
interface Runner {
  child: ChildProcessWithoutNullStreams;
  said(wanted: RegExp): Promise<string>;
  exit(): Promise<number | null>;
}
const steer = (folder: string, ...words: string[]) =>
  spawnSync(process.execPath, ['scripts/fake-gpu.mjs', '--at', folder, ...words], {
    cwd: ROOT,
    encoding: 'utf8',
  });

describe('npm run fake-gpu', () => {
  it('gives a program a driver by the name that real ones load, and steers it from stdin and from elsewhere', async () => {
    // The program: our caller, told what to call by a shell, on the library that the dynamic linker finds.
    const script = `(echo nvmlInit_v2; echo nvmlDeviceGetCount_v2 b4) | ${buildTool('call')} libnvidia-ml.so.1; exec sleep 30`;
    await withProgram(['--gpus', '2', '--', 'sh', '-c', script], async (fake) => {
      const folder = await fake.said(/GPUs in (\S+);/);
      expect(await fake.said(/"result":0.*\n.*"hex":"02000000"/)).toContain('02000000');
      expect(steer(folder, 'get', '1', 'temperatureC').stdout).toBe('temperatureC=45\n');
      fake.child.stdin.write('set 1 temperatureC=91 memUsedBytes=null\n');
      await fake.said(/\nok\n/);
      expect(steer(folder, 'get', '1', 'temperatureC', 'memUsedBytes').stdout).toBe(
        'temperatureC=91 memUsedBytes=null\n',
      );
      const wrong = steer(folder, 'xid', '7', '79');
      expect([wrong.status, wrong.stderr]).toEqual([64, 'no GPU 7; there are 0, 1\n']);
      fake.child.stdin.write('explode\n');
      await fake.said(/no command 'explode'; there are xid/);
    });
  });

  it("ends with the program's exit code, and removes its folder", async () => {
    await withProgram(['--', 'sh', '-c', 'ls "$(dirname $FAKE_NVML_CONTROL)"; exit 7'], async (fake) => {
      const folder = await fake.said(/GPUs in (\S+);/);
      await fake.said(/libnvidia-ml\.so\.570/);
      expect(await fake.exit()).toBe(7);
      expect(steer(folder, 'calls').status).toBe(64);
    });
  });

  it('has commands that do what they say', async () => {
    await withFakeGpu({ gpus: 2 }, (fake) => {
      const run = (line: string) => runCommand(fake, line.split(' '));
      run('xid 1 31 times=5 pid=77 via=nvml');
      expect(fake.header('eventHead')).toBe(1);
      run('lose 1');
      expect(fake.get(1, 'returnCode')).toBe(15);
      run('restore 1');
      expect(fake.get(1, 'returnCode')).toBe(0);
      run('vanish 0');
      expect(fake.get(0, 'present')).toBe(0);
      run('processes 1 41=100 42=200');
      expect(fake.get(1, 'processCount')).toBe(2);
      run('access off');
      expect(fake.header('accessLost')).toBe(1);
      run('mismatch on');
      expect(fake.header('versionMismatch')).toBe(1);
      run('unload');
      expect(fake.header('driverLoaded')).toBe(0);
      run('kmsg hello');
      expect(fake.header('kmsgSequence')).toBe(1);
      expect(run('counters')).toContain('driverLoaded 0');
      expect(run('help')).toContain(COMMANDS.xid!.usage);
      for (const line of [
        'xid 0',
        'xid 0 x',
        'set 0',
        'set 0 memUsed=1',
        'block Nothing',
        'access maybe',
        'fail',
      ])
        expect(() => run(line), line).toThrow();
    });
  });
});
