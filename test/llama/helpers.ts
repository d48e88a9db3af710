import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEngine } from '../../examples/llama/engine-client.mjs';
import { tinyGguf } from '../../examples/llama/tiny-gguf.mjs';

/** `npm test` installs llama.cpp for this platform alone; there it must be. */
export const HAS_ENGINE = process.platform === 'linux' && process.arch === 'x64';

export type Engine = ReturnType<typeof startEngine>;

/** Hands over the path of a model that exists as long as `use` runs. */
export async function withModel<T>(use: (path: string) => Promise<T>, bytes = tinyGguf()): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'inference-health-test-llama-'));
  try {
    const path = join(folder, 'tiny.gguf');
    writeFileSync(path, bytes);
    return await use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function withEngine(use: (engine: Engine) => Promise<void>, options = {}): Promise<void> {
  await withModel(async (path) => {
    const engine = startEngine({ path, ...options });
    try {
      await use(engine);
    } finally {
      engine.child.kill('SIGCONT');
      await engine.close();
    }
  });
}
