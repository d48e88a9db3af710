import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../fixtures/hosts');

/** A fake /proc and /sys; `native/test/fake_tree.h` reads the same fixtures. */
export interface FakeHost {
  /** For the option `root`. */
  readonly root: string;
  /** Paths such as `/proc/stat`. */
  readonly files: readonly string[];
  read(path: string): string;
  /** Creates folders. */
  write(path: string, text: string | Buffer): void;
  remove(path: string): void;
}

/** Names of the fixtures in `test/fixtures/hosts`. */
export const FAKE_HOSTS = readdirSync(FOLDER).map((file) => file.replace('.txt', ''));

/** Lays a fixture out in a temporary folder for as long as `use` runs. */
export async function withFakeHost<T>(name: string, use: (host: FakeHost) => T | Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), 'inference-health-'));
  const write = (path: string, text: string | Buffer): void => {
    mkdirSync(dirname(root + path), { recursive: true });
    writeFileSync(root + path, text);
  };
  try {
    const files: string[] = [];
    for (const part of readFileSync(join(FOLDER, `${name}.txt`), 'utf8')
      .split(/^==> /m)
      .slice(1)) {
      const end = part.indexOf(' <==\n');
      const path = part.slice(0, end);
      if (path.endsWith('/')) mkdirSync(root + path, { recursive: true });
      else {
        write(path, part.slice(end + ' <==\n'.length));
        files.push(path);
      }
    }
    return await use({
      root,
      files,
      write,
      read: (path) => readFileSync(root + path, 'utf8'),
      remove: (path) => rmSync(root + path, { recursive: true, force: true }),
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
