// vLLM's server, of an environment that has it: its packages are gigabytes, so the run installs none. Without a GPU it takes a
// build for CPUs.
import { join } from 'node:path';
import { writeTinyLlama } from './tiny-llama.mjs';

const CONTEXT = 2048;

export const vllm = {
  kind: 'vllm',
  packages: null,
  tooLong: /maximum context length is 2048 tokens/,
  // It imports for a minute, on a busy machine for five.
  startLimitMs: 600_000,
  longTokens: 1500,
  rounds: 1,
  model(folder) {
    const path = join(folder, 'tiny-llama');
    writeTinyLlama(path);
    return path;
  },
  environment: {
    HF_HUB_OFFLINE: '1',
    VLLM_NO_USAGE_STATS: '1',
    VLLM_CPU_KVCACHE_SPACE: '1',
    VLLM_CPU_OMP_THREADS_BIND: 'nobind',
    OMP_NUM_THREADS: '1',
  },
  command: (model, port) => [
    ...['-m', 'vllm.entrypoints.openai.api_server', '--model', model, '--served-model-name', 'tiny'],
    ...['--host', '127.0.0.1', '--port', String(port), '--dtype', 'float32', '--enforce-eager'],
    ...['--max-model-len', String(CONTEXT), '--max-num-seqs', '4'],
  ],
  async figures(url) {
    const text = await (await fetch(`${url}/metrics`)).text();
    const of = (name) => Number(new RegExp(`^vllm:${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1]);
    return { tokens: of('generation_tokens_total'), running: of('num_requests_running') };
  },
};
