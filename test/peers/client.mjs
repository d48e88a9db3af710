// Requests as a client of OpenAI's API makes them.

export async function ask(url, path, body, init = {}) {
  const response = await fetch(`${url}/v1/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** A whole stream: texts, finish reasons by choice, usage, errors, and the longest pause between two chunks. */
export async function stream(url, path, body, { onText = () => undefined, signal } = {}) {
  const response = await fetch(`${url}/v1/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  const seen = {
    status: response.status,
    mode: response.headers.get('x-migration-mode'),
    texts: [],
    reasons: [],
  };
  const errors = [];
  let usage = null;
  let rest = '';
  let isDone = false;
  let pauseMs = 0;
  let atMs = null;
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const nowMs = performance.now();
    if (atMs !== null) pauseMs = Math.max(pauseMs, nowMs - atMs);
    atMs = nowMs;
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === 'data: [DONE]') isDone = true;
      if (!line.startsWith('data: {')) continue;
      const event = JSON.parse(line.slice('data: '.length));
      if (event.error !== undefined) errors.push(event.error);
      usage = event.usage ?? usage;
      for (const { index, text, delta, finish_reason: reason } of event.choices ?? []) {
        seen.texts[index] = (seen.texts[index] ?? '') + (text ?? delta?.content ?? '');
        seen.reasons[index] = reason ?? seen.reasons[index] ?? null;
      }
    }
    onText(seen.texts[0] ?? '');
  }
  return {
    ...seen,
    text: seen.texts[0] ?? '',
    reason: seen.reasons[0] ?? null,
    usage,
    errors,
    isDone,
    pauseMs,
  };
}
