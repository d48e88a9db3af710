// llama.cpp's HTTP server, which the package xllamacpp embeds, and a generated model: no weights are downloaded.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tinyGguf } from '../../examples/llama/tiny-gguf.mjs';

export const llamacpp = {
  kind: 'llamacpp',
  packages: ['xllamacpp==2026.10.11549'],
  tooLong: /exceeds the available context size/,
  startLimitMs: 30_000,
  longTokens: 3500,
  rounds: 3,
  /** Written once, into a folder of the run. */
  model(folder) {
    const path = join(folder, 'tiny.gguf');
    writeFileSync(path, tinyGguf());
    return path;
  },
  command: (model, port) => [fileURLToPath(new URL('llamacpp.py', import.meta.url)), model, String(port)],
  /** Tokens that the server has made since it began, and requests that it computes. */
  async figures(url) {
    const text = await (await fetch(`${url}/metrics`)).text();
    const of = (name) => Number(new RegExp(`^llamacpp:${name} (\\S+)$`, 'm').exec(text)?.[1]);
    return { tokens: of('tokens_predicted_total'), running: of('requests_processing') };
  },
};
