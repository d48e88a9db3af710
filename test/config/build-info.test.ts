import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { collectBuildInfo, readGit } from '../../lib/config/build-info.js';

const root = mkdtempSync(join(tmpdir(), 'ih-git-'));
afterAll(() => rmSync(root, { recursive: true }));

function repository(name: string, files: Readonly<Record<string, string>>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, name, path, '..'), { recursive: true });
    writeFileSync(join(root, name, path), text);
  }
  return join(root, name);
}

describe('the commit', () => {
  it('is read from a loose ref, from any folder below', () => {
    const path = repository('loose', {
      '.git/HEAD': 'ref: refs/heads/topic/x\n',
      '.git/refs/heads/topic/x': 'abc123abc123abc123abc123abc123abc123abc1\n',
      'src/a.js': '',
    });
    expect(readGit(join(path, 'src'))).toEqual({
      sha: 'abc123abc123abc123abc123abc123abc123abc1',
      branch: 'topic/x',
    });
  });

  it('is read from packed refs', () => {
    const path = repository('packed', {
      '.git/HEAD': 'ref: refs/heads/main',
      '.git/packed-refs': '# pack-refs\ndef456def456def456def456def456def456def4 refs/heads/main\n',
    });
    expect(readGit(path)).toEqual({ sha: 'def456def456def456def456def456def456def4', branch: 'main' });
  });

  it('of a detached head has no branch', () => {
    expect(
      readGit(repository('detached', { '.git/HEAD': '0123abcd0123abcd0123abcd0123abcd0123abcd\n' })),
    ).toEqual({
      sha: '0123abcd0123abcd0123abcd0123abcd0123abcd',
      branch: 'unknown',
    });
  });

  it('is found through a worktree', () => {
    const main = repository('main', {
      '.git/worktrees/w/HEAD': 'ref: refs/heads/w',
      '.git/worktrees/w/commondir': '../..',
      '.git/refs/heads/w': 'fed987fed987fed987fed987fed987fed987fed9',
    });
    const worktree = repository('worktree', { '.git': `gitdir: ${join(main, '.git/worktrees/w')}\n` });
    expect(readGit(worktree)).toEqual({ sha: 'fed987fed987fed987fed987fed987fed987fed9', branch: 'w' });
  });

  it('is never the text of another file', () => {
    const outside = repository('outside', { secret: 'root:hash' });
    const climbing = repository('climbing', { '.git/HEAD': 'ref: ../../outside/secret', app: '' });
    expect(readGit(climbing)).toEqual({ sha: 'unknown', branch: 'unknown' });
    const linked = repository('linked', { '.git/config': '' });
    symlinkSync(join(outside, 'secret'), join(linked, '.git/HEAD'));
    expect(readGit(linked)).toEqual({ sha: 'unknown', branch: 'unknown' });
    const loose = repository('text', { '.git/HEAD': 'ref: refs/heads/x', '.git/refs/heads/x': 'password' });
    expect(readGit(loose)).toEqual({ sha: 'unknown', branch: 'x' });
  });

  it('does not wait for a FIFO', () => {
    const path = repository('fifo', { '.git/config': '' });
    execFileSync('mkfifo', [join(path, '.git/HEAD')]);
    expect(readGit(path)).toEqual({ sha: 'unknown', branch: 'unknown' });
  });

  it('is unknown outside a checkout', () => {
    expect(readGit(repository('none', { file: '' }))).toEqual({ sha: 'unknown', branch: 'unknown' });
  });
});

describe('build information', () => {
  it('prefers what the build system handed over', () => {
    const info = collectBuildInfo('2.1.0', {
      GIT_SHA: 'aaa',
      GIT_BRANCH: 'release',
      BUILD_TIMESTAMP: '2025-10-19T00:00:00Z',
      NODE_ENV: 'production',
    });
    expect(info).toMatchObject({
      version: '2.1.0',
      git_sha: 'aaa',
      git_branch: 'release',
      build_timestamp: '2025-10-19T00:00:00Z',
      cargo_profile: 'release',
    });
    expect(info.rustc_version).toBe(process.versions.node);
    expect(info.cargo_target).toBe(`${process.platform}-${process.arch}`);
    expect(info.inference_health_version).toMatch(/^\d+\.\d+\.\d+/);
  });
});
