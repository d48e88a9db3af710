import { describe, expect, it } from 'vitest';
import { FLAG_OPTIONS } from '../../lib/cli/flags.js';
import { flagName } from '../../lib/config/schema.js';
import { CLI, run } from '../helpers/program.js';

const cli = (...args: string[]) => run([...CLI, ...args]);

describe('inference-health', () => {
  it('prints its help on standard output when asked, on standard error when called wrongly', async () => {
    const asked = await cli('--help');
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining('serve'), stderr: '' });
    expect(await cli('-h')).toEqual(asked);
    expect(await cli('help')).toEqual(asked);
    expect(await cli()).toEqual({ code: 64, stdout: '', stderr: asked.stdout });
  });

  it('prints the version of the package', async () => {
    const { code, stdout } = await cli('--version');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  });

  it('suggests the command that was meant, and none for reserved names', async () => {
    const typo = await cli('serv');
    expect(typo).toMatchObject({ code: 64, stdout: '' });
    expect(typo.stderr).toMatch(/^inference-health: unknown command 'serv' \(did you mean serve\?\)\n/);
    const reserved = await cli('sidecar');
    expect(reserved.code).toBe(64);
    expect(reserved.stderr).toMatch(/'sidecar' does not exist in this version/);
  });

  it('lists every flag of serve, in lines that fit a terminal', async () => {
    const { code, stdout, stderr } = await cli('serve', '--help');
    expect([code, stderr]).toEqual([0, '']);
    for (const { name } of FLAG_OPTIONS) expect(stdout).toContain(`  ${flagName(name)}`);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(stdout).not.toMatch(/as a variable:/);
    expect(await cli('serve', '--port', '1', '-h')).toMatchObject({ code: 0, stdout });
  });

  it('explains check', async () => {
    expect(await cli('check', '--help')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Exit code: 0 on a 2xx answer, 1 on anything else'),
    });
  });
});
