import { expect, it, vi } from 'vitest';
import { type Fleet, startFleet } from '../../dist/cjs/testing/index.js';
import { until } from '../helpers/package.js';
import { HAS_ENGINE } from '../llama/helpers.js';

vi.setConfig({ testTimeout: 120_000 });

const SAMPLED = { temperature: 1.3, seed: 11 };
/** The token that ends a text of the generated model. */
const END = 2;
const BODIES: readonly object[] = [
  { temperature: 0, frequency_penalty: 1.2, presence_penalty: 0.4 },
  { temperature: 0, repetition_penalty: 1.3 },
  SAMPLED,
  { ...SAMPLED, top_p: 0.9, top_k: 60, min_p: 0.02 },
  { ...SAMPLED, frequency_penalty: 0.8, logit_bias: { 300: -100, 301: 2 } },
  { ...SAMPLED, repeat_penalty: 1.2 },
  { ...SAMPLED, logit_bias: { [END]: 8 }, min_tokens: 200 },
  { ...SAMPLED, logit_bias: { [END]: 8 }, ignore_eos: true },
].map((body, index) => ({ ...body, prompt: `stream ${index} tells of`, max_tokens: 400 }));

interface Whole {
  text: string;
  reasons: (string | null)[];
  usage: unknown;
}

async function stream(url: string, body: object, onText: (text: string) => void = () => undefined) {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  const whole: Whole = { text: '', reasons: [], usage: null };
  let rest = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines.filter((each) => each.startsWith('data: {'))) {
      const { error, choices, usage } = JSON.parse(line.slice(6));
      if (error !== undefined) throw new Error(error.message);
      whole.text += choices[0]?.text ?? '';
      if (choices[0]?.finish_reason != null) whole.reasons.push(choices[0].finish_reason);
      whole.usage ??= usage ?? null;
      onText(whole.text);
    }
  }
  return whole;
}

async function moves(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.matchAll(/^inference_health_migrations_total\{.*\} (\d+)$/gm);
  return [...found].reduce((sum, [, value]) => sum + Number(value), 0);
}

async function refusal(url: string, body: object): Promise<unknown> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    body: JSON.stringify({ prompt: 'it was', ...body }),
  });
  return { status: response.status, ...((await response.json()) as object) };
}

async function survivesKill(fleet: Fleet, url: string): Promise<void> {
  const undisturbed = await Promise.all(BODIES.map((body) => stream(url, body)));
  expect(await moves(url)).toBe(0);
  for (const [index, body] of BODIES.entries()) {
    const { prompt } = body as { prompt: string };
    const greedy = await stream(url, { prompt, max_tokens: 60, temperature: 0 });
    expect(undisturbed[index]!.text.startsWith(greedy.text)).toBe(false);
  }

  let begun = 0;
  const again = await Promise.all(
    BODIES.map((body) => {
      let isFirst = true;
      return stream(url, body, (text) => {
        if (text.length < 100 || !isFirst) return;
        isFirst = false;
        begun += 1;
        if (begun === 3) fleet.workers[0]!.process!.child.kill('SIGKILL');
      });
    }),
  );
  expect(again).toEqual(undisturbed);
  expect(await moves(url)).toBeGreaterThan(0);
}

it.runIf(HAS_ENGINE)(
  'sampled and penalized streams go on, to the same end, when a worker is killed',
  async () => {
    const fleet = await startFleet({ workers: 2, worker: { engine: 'llama' }, restart: false });
    try {
      const [url = ''] = fleet.urls;
      expect(await refusal(url, { top_p: 1.5 })).toEqual({
        status: 400,
        error: expect.objectContaining({
          ...{ type: 'invalid_request_error', param: 'top_p' },
          message: 'top_p: expected a number from 0 to 1, received 1.5',
        }),
      });
      expect(await refusal(url, { logit_bias: { 99999: 1 } })).toMatchObject({
        status: 400,
        error: {
          message: expect.stringMatching(/^logit_bias: expected token ids below \d+.*received 99999$/),
        },
      });
      expect(await refusal(url, { repetition_penalty: 1.1, presence_penalty: 1 })).toMatchObject({
        status: 400,
        error: { message: expect.stringMatching(/^repetition_penalty: expected nothing or 1 beside/) },
      });
      await until(async () => (await fleet.routable()).length === 2);
      await survivesKill(fleet, url);
    } finally {
      await fleet.close();
    }
  },
);
