import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { readThreadState } from '../../lib/agent/thread-state.js';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A proc file system with one thread, number 7. */
function procWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'proc-'));
  folders.push(root);
  const thread = join(root, 'self/task/7');
  mkdirSync(thread, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(thread, name), text);
  return root;
}

const stat = (name: string, state = 'S') =>
  `7 (${name}) ${state} 1 7 7 0 -1 4194304 100 0 0 0 25 17 0 0 20 0 12 0 5000 1000000 2000 18446744073709551615\n`;

describe('the state of a thread', () => {
  test('is what the kernel says', () => {
    const root = procWith({ stat: stat('node'), wchan: 'do_epoll_wait', syscall: '281 0x3 0x7f 0x0\n' });
    expect(readThreadState(7, root)).toEqual({
      state: 'S',
      wchan: 'do_epoll_wait',
      syscall: 281,
      cpuMs: 420,
    });
  });

  test.each(['node server', 'a) R 1 (b', ') ) )', ''])('survives the thread name "%s"', (name) => {
    expect(readThreadState(7, procWith({ stat: stat(name, 'D') }))).toMatchObject({ state: 'D', cpuMs: 420 });
  });

  test.each([
    { says: 'a running thread', wchan: '0', syscall: 'running\n' },
    { says: 'no system call', wchan: '', syscall: '-1 0x7ff 0x55\n' },
  ])('has neither wait nor system call where the files say so: $says', ({ wchan, syscall }) => {
    const root = procWith({ stat: stat('node', 'R'), wchan, syscall });
    expect(readThreadState(7, root)).toEqual({ state: 'R', wchan: null, syscall: null, cpuMs: 420 });
  });

  test('does without the files that a kernel may hide', () => {
    expect(readThreadState(7, procWith({ stat: stat('node') }))).toMatchObject({
      wchan: null,
      syscall: null,
    });
  });

  test.each(['', 'garbage', '7 (node) S', '7 (node) S 1 7 7 0 -1 0 0 0 0 0 x y'])(
    'is null for a malformed "%s"',
    (text) => {
      expect(readThreadState(7, procWith({ stat: text }))).toBeNull();
    },
  );

  test('is null for a thread that does not exist', () => {
    expect(readThreadState(8, procWith({ stat: stat('node') }))).toBeNull();
  });

  test('can be read of this thread', () => {
    const state = readThreadState(process.pid);
    expect(state?.state).toBe('R');
    expect(state?.cpuMs).toBeGreaterThan(0);
  });
});
