import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { BuildInfo } from '../dialects/view.js';

const UNKNOWN = 'unknown';

/** More than any file read here has but packed-refs of a large repository, whose tail then goes unread. */
const MOST_BYTES = 1024 * 1024;

/** Null for anything but a regular file of a user that this process trusts: its own, or root. */
function readText(path: string): string | null {
  let file: number | null = null;
  try {
    // Non-blocking: opening a FIFO would wait for a writer.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const info = fstatSync(file);
    if (!info.isFile() || !isTrusted(info.uid)) return null;
    const bytes = Buffer.alloc(Math.min(info.size, MOST_BYTES));
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, 0));
  } catch {
    return null;
  } finally {
    if (file !== null) closeSync(file);
  }
}

/** What is read here is shown on every listener: a checkout that somebody else put above the application does not count. */
function isTrusted(uid: number): boolean {
  return uid === 0 || process.geteuid === undefined || uid === process.geteuid();
}

const SHA = /^[0-9a-f]{40}([0-9a-f]{24})?$/;
const REF = /^refs\/[\w./-]+$/;

/** Nearest ancestor of `from` that holds `name`, at most 32 levels up. */
function findUp(from: string, name: string): string | null {
  let directory = resolve(from);
  for (let depth = 0; depth < 32; depth += 1) {
    const candidate = join(directory, name);
    try {
      statSync(candidate);
      return candidate;
    } catch {
      const parent = dirname(directory);
      if (parent === directory) return null;
      directory = parent;
    }
  }
  return null;
}

/** Commit and branch read from a checkout's files, without running git: loose refs, packed refs, worktrees, detached heads. */
export function readGit(from: string): { sha: string; branch: string } {
  const unknown = { sha: UNKNOWN, branch: UNKNOWN };
  const found = findUp(from, '.git');
  if (found === null) return unknown;
  const pointer = readText(found);
  const directory = pointer?.startsWith('gitdir:')
    ? resolve(dirname(found), pointer.slice('gitdir:'.length).trim())
    : found;
  const head = readText(join(directory, 'HEAD'))?.trim();
  if (head === undefined) return unknown;
  if (!head.startsWith('ref:')) return { sha: SHA.test(head) ? head : UNKNOWN, branch: UNKNOWN };
  const ref = head.slice('ref:'.length).trim();
  if (!REF.test(ref) || ref.includes('..')) return unknown;
  const common = readText(join(directory, 'commondir'))?.trim();
  const store = common === undefined ? directory : resolve(directory, common);
  const loose = readText(join(store, ref))?.trim();
  const packed = readText(join(store, 'packed-refs'))
    ?.split('\n')
    .find((row) => row.endsWith(` ${ref}`));
  const sha = loose ?? packed?.split(' ')[0] ?? '';
  return { sha: SHA.test(sha) ? sha : UNKNOWN, branch: ref.replace(/^refs\/heads\//, '') };
}

/** Common names under which build systems hand over the commit and the branch; the first that is set wins. */
const SHA_VARIABLES = ['GIT_SHA', 'GIT_COMMIT', 'COMMIT_SHA', 'SOURCE_COMMIT', 'GITHUB_SHA', 'CI_COMMIT_SHA'];
const BRANCH_VARIABLES = ['GIT_BRANCH', 'BRANCH_NAME', 'GITHUB_REF_NAME', 'CI_COMMIT_REF_NAME'];

function firstOf(environment: NodeJS.ProcessEnv, names: readonly string[]): string | undefined {
  return names.map((name) => environment[name]).find((value) => value !== undefined && value !== '');
}

/** Version of this package. */
export function packageVersion(): string {
  return versionIn(findUp(__dirname, 'package.json'), 'inference-health');
}

/** `expectedName` skips the marker package.json files of a dual build. */
function versionIn(path: string | null, expectedName?: string): string {
  if (path === null) return UNKNOWN;
  try {
    const manifest: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof manifest !== 'object' || manifest === null) return UNKNOWN;
    const { name, version } = manifest as { name?: unknown; version?: unknown };
    const isMarker = expectedName !== undefined && name !== expectedName;
    if (isMarker || typeof version !== 'string') {
      const above = dirname(dirname(path));
      return above === dirname(path) ? UNKNOWN : versionIn(findUp(above, 'package.json'), expectedName);
    }
    return version;
  } catch {
    return UNKNOWN;
  }
}

/** Identity of the running application, read once at start; what cannot be known is `unknown`, as in BitNet.rs. */
export function collectBuildInfo(
  version: string | null,
  environment: NodeJS.ProcessEnv = process.env,
): BuildInfo {
  const entry = process.argv[1];
  const from = entry === undefined ? process.cwd() : dirname(entry);
  const sha = firstOf(environment, SHA_VARIABLES);
  const branch = firstOf(environment, BRANCH_VARIABLES);
  const git = sha !== undefined && branch !== undefined ? { sha, branch } : readGit(from);
  const profile = environment.NODE_ENV;
  return {
    version: version ?? versionIn(findUp(from, 'package.json')),
    git_sha: sha ?? git.sha,
    git_branch: branch ?? git.branch,
    build_timestamp: environment.BUILD_TIMESTAMP || modified(entry),
    rustc_version: process.versions.node,
    cargo_target: `${process.platform}-${process.arch}`,
    cargo_profile: profile === 'production' ? 'release' : profile || 'development',
    inference_health_version: packageVersion(),
  };
}

/** The entry file's modification time stands for the build time: it is what a build or an image copy writes. */
function modified(path: string | undefined): string {
  if (path === undefined) return UNKNOWN;
  try {
    return statSync(path).mtime.toISOString();
  } catch {
    return UNKNOWN;
  }
}
